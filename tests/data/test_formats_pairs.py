"""Labels and images whose names differ find each other, and a set that is hardly used is refused."""

from __future__ import annotations

import json
import pathlib
import unicodedata

import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.data.formats import pairing

LINE = "0 0.1 0.1 0.4 0.1 0.4 0.4 0.1 0.4"
GREEN = unicodedata.normalize("NFC", "Grün")
GREEN_APART = unicodedata.normalize("NFD", "Grün")


def write_picture(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(path, "JPEG")


def write_text(path: pathlib.Path, text: str = LINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_labelme(path: pathlib.Path, image: str) -> None:
    shape = {"label": "cat", "points": [[2, 2], [8, 2], [8, 8]], "shape_type": "polygon"}
    write_text(path, json.dumps({"imagePath": image, "shapes": [shape]}))


def write_label_map(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((20, 20), np.uint8)
    values[2:8, 2:8] = 1
    PIL.Image.fromarray(values).save(path, "PNG")


@pytest.fixture
def run(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str):
        code = main.main(["data", *arguments, "--output", str(tmp_path / "o.json"), "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else {}, printed.err

    return call


def make_yolo(root: pathlib.Path, images: list[str], labels: list[str]) -> None:
    write_text(root / "classes.txt", "cat")
    for name in images:
        write_picture(root / "images" / name)
    for name in labels:
        write_text(root / "labels" / name)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("A.JPG", "a.txt"),
        ("a.jpg", "A.TXT"),
        ("b.jfif", "b.txt"),
        ("sub/a.jpg", "Sub/a.txt"),
        (f"{GREEN}.jpg", f"{GREEN_APART}.txt"),
        (f"{GREEN_APART}.jpg", f"{GREEN}.txt"),
    ],
    ids=["case of the image", "case of the suffix", "jfif", "case of a folder", "taken apart", "composed"],
)
def test_a_yolo_label_of_another_form_is_found(tmp_path: pathlib.Path, run, image: str, label: str) -> None:
    make_yolo(tmp_path / "set", [image], [label])
    code, printed, _ = run("yolo", str(tmp_path / "set"))
    assert (code, printed["images"], printed["instances"], printed["skipped"]) == (0, 1, 1, {})


def test_exact_names_claim_their_label_first(tmp_path: pathlib.Path, run) -> None:
    make_yolo(tmp_path / "set", ["A.jpg", "a.jpg"], ["a.txt"])
    code, printed, said = run("yolo", str(tmp_path / "set"))
    assert (code, printed["skipped"]) == (0, {"image_without_label": 1})
    assert "without objects: 1 image without label" in said
    content = json.loads((tmp_path / "o.json").read_text())
    (annotation,) = content["annotations"]
    assert content["images"][annotation["image_id"] - 1]["file_name"] == "images/a.jpg"


def test_a_label_that_fits_twice_is_not_guessed(tmp_path: pathlib.Path, run) -> None:
    make_yolo(tmp_path / "set", ["AB.jpg", "Ab.jpg"], ["ab.txt"])
    code, _, said = run("yolo", str(tmp_path / "set"))
    assert code == 2
    assert "labels/ab.txt" in said
    assert "images/AB.jpg" in said


def test_most_labels_without_an_image_stop_the_command(tmp_path: pathlib.Path, run) -> None:
    make_yolo(
        tmp_path / "set", [f"im{n}.jpg" for n in range(6)], ["im0.txt", *(f"im_{n}.txt" for n in range(1, 6))]
    )
    code, _, said = run("yolo", str(tmp_path / "set"))
    assert code == 2
    assert "5 of 6 labels have no image and 5 of 6 images no label" in said
    assert "'labels/im_1.txt', perhaps that of 'images/im1.jpg'" in said
    assert not (tmp_path / "o.json").exists()
    code, printed, said = run("yolo", str(tmp_path / "set"), "--yes")
    assert (code, printed["skipped"]) == (0, {"label_without_image": 5, "image_without_label": 5})
    assert "left out: 5 label without image" in said


def test_labels_of_pictures_of_another_split_and_notes_are_no_unused_labels(
    tmp_path: pathlib.Path, run
) -> None:
    root = tmp_path / "set"
    names = [f"{n}.jpg" for n in range(4)]
    make_yolo(root, names, [f"{n}.txt" for n in range(4)])
    write_text(root / "labels" / "classes.txt", "cat")
    write_text(root / "labels" / "notes.txt", "drawn on Monday")
    write_text(root / "train.txt", "images/0.JPG\n")
    write_text(root / "data.yaml", "train: train.txt\nnames: [cat]\n")
    code, printed, _ = run("yolo", str(root))
    assert (code, printed["images"], printed["instances"], printed["skipped"]) == (0, 1, 1, {})


@pytest.mark.parametrize(
    ("image", "named"),
    [("A.JPG", "a.jpg"), (f"{GREEN}.jpg", f"{GREEN_APART}.jpg"), ("a.jfif", "a.jpg")],
    ids=["case", "unicode form", "jfif"],
)
def test_a_labelme_photo_of_another_form_is_found(
    tmp_path: pathlib.Path, run, image: str, named: str
) -> None:
    write_picture(tmp_path / "set" / image)
    write_labelme(tmp_path / "set" / "x.json", named)
    code, printed, _ = run("labelme", str(tmp_path / "set"))
    assert (code, printed["images"], printed["instances"], printed["skipped"]) == (0, 1, 1, {})


def test_labelme_counts_what_has_no_partner(tmp_path: pathlib.Path, run) -> None:
    for name in ("a", "b", "c"):
        write_picture(tmp_path / "set" / f"{name}.jpg")
    for name in ("a", "b", "gone"):
        write_labelme(tmp_path / "set" / f"{name}.json", f"{name}.jpg")
    code, printed, _ = run("labelme", str(tmp_path / "set"))
    assert (code, printed["images"]) == (0, 2)
    assert printed["skipped"] == {"label_without_image": 1, "image_without_label": 1}


@pytest.mark.parametrize(
    ("pictures", "labels", "said"),
    [
        ("a", "abc", "2 of 3 labels have no image"),
        ("abcd", "a", "3 of 4 images no label"),
    ],
    ids=["labels", "images"],
)
def test_labelme_stops_when_most_is_left_out(
    tmp_path: pathlib.Path, run, pictures: str, labels: str, said: str
) -> None:
    for name in pictures:
        write_picture(tmp_path / "set" / f"{name}.jpg")
    for name in labels:
        write_labelme(tmp_path / "set" / f"{name}.json", f"{name}.jpg")
    code, _, error = run("labelme", str(tmp_path / "set"))
    assert code == 2
    assert said in error
    assert "--yes" in error
    assert run("labelme", str(tmp_path / "set"), "--yes")[0] == 0


@pytest.mark.parametrize(
    ("image", "mask"),
    [("A.JPG", "a.png"), (f"{GREEN}.jpg", f"{GREEN_APART}_1.png"), ("a.jfif", "A/1.PNG")],
    ids=["label map", "binary mask", "folder of masks"],
)
def test_a_mask_of_another_form_is_found(tmp_path: pathlib.Path, run, image: str, mask: str) -> None:
    write_picture(tmp_path / "images" / image)
    write_label_map(tmp_path / "masks" / mask)
    code, printed, _ = run("masks", str(tmp_path / "images"), str(tmp_path / "masks"))
    assert (code, printed["images"], printed["instances"], printed["skipped"]) == (0, 1, 1, {})


def test_a_second_label_map_of_another_case_is_counted(tmp_path: pathlib.Path, run) -> None:
    write_picture(tmp_path / "images" / "a.jpg")
    for name in ("a", "A"):
        write_label_map(tmp_path / "masks" / f"{name}.png")
    code, printed, _ = run("masks", str(tmp_path / "images"), str(tmp_path / "masks"))
    assert (code, printed["instances"], printed["skipped"]) == (0, 1, {"mask_without_image": 1})


def test_half_is_not_most() -> None:
    assert not pairing.is_most(2, 4)
    assert pairing.is_most(3, 4)


def test_most_masks_without_an_image_stop_the_command(tmp_path: pathlib.Path, run) -> None:
    for at in range(4):
        write_picture(tmp_path / "images" / f"im{at}.jpg")
        write_label_map(tmp_path / "masks" / (f"im{at}.png" if at == 0 else f"im{at}-mask.png"))
    words = ("masks", str(tmp_path / "images"), str(tmp_path / "masks"))
    code, _, said = run(*words)
    assert code == 2
    assert "3 of 4 labels have no image and 3 of 4 images no label" in said
    assert "--mask-suffix; or go on with --yes" in said
    assert not (tmp_path / "o.json").exists()
    code, printed, _ = run(*words, "--yes")
    assert (code, printed["skipped"]) == (0, {"mask_without_image": 3, "image_without_masks": 3})
    assert run(*words, "--mask-suffix=-mask")[1]["images"] == 3
