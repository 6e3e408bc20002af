"""What a command reads it never writes, whatever it is named and however it was found."""

from __future__ import annotations

import json
import os
import pathlib
import unicodedata
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs
from official_yolact_runtime.files import written

SQUARE = [2, 2, 20, 2, 20, 20, 2, 20]


def put_photo(path: str | pathlib.Path) -> None:
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path, "PNG")


def put_coco(path: str, names: list[str]) -> None:
    images = [{"id": at, "file_name": name, "height": 40, "width": 40} for at, name in enumerate(names, 1)]
    box = {"category_id": 1, "bbox": [2, 2, 18, 18], "area": 324, "iscrowd": 0, "segmentation": [SQUARE]}
    annotations = [{"id": image["id"], "image_id": image["id"], **box} for image in images]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "fig"}]}
    pathlib.Path(path).write_text(json.dumps(content))


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in pathlib.Path().rglob("*") if path.is_file()}


def assert_refused(words: list[str], capsys: pytest.CaptureFixture[str], said: str = "read") -> None:
    before = contents()
    for force in ([], ["--force"]):
        capsys.readouterr()
        assert main.main([*words, *force]) == 2
        # Without --force it may be refused because this program did not write it.
        assert not force or said in capsys.readouterr().err.splitlines()[-1]
        assert contents() == before


@pytest.fixture(autouse=True)
def _here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("option", ["--html", "-o"])
@pytest.mark.parametrize("folder", ["--images", "--against-images"])
@pytest.mark.parametrize("name", ["x.tga", "raw", "deep/a.png", "notes.txt", "list.json"])
def test_no_file_below_a_folder_of_photos_is_written(
    name: str, folder: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photo("images/a.png")
    put_coco("ann.json", ["a.png"])
    put_photo(f"more/{name}")
    where = ["--images", "more"] if folder == "--images" else ["--images", "images", "--against", "ann.json"]
    words = ["data", "check", "ann.json", *where, *([] if folder == "--images" else [folder, "more"])]
    assert_refused([*words, *(["--fix"] if option == "-o" else []), option, f"more/{name}"], capsys)


def test_a_file_that_a_link_among_the_photos_leads_to_is_not_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_photo("store/raw")
    pathlib.Path("images").mkdir()
    pathlib.Path("images/a.png").symlink_to(pathlib.Path("store/raw").resolve())
    put_coco("ann.json", ["a.png"])
    words = ["data", "check", "ann.json", "--images", "images", "--html"]
    assert_refused([*words, "store/raw"], capsys)
    assert_refused([*words, "images/a.png"], capsys)


def test_photos_that_this_program_wrote_are_inputs_too(capsys: pytest.CaptureFixture[str]) -> None:
    put_photo("a.png")
    outputs.write("images/a.png", pathlib.Path("a.png").read_bytes())
    put_coco("ann.json", ["a.png"])
    assert_refused(["data", "check", "ann.json", "--images", "images", "--html", "images/a.png"], capsys)
    outputs.write("images/000.png", pathlib.Path("a.png").read_bytes())
    put_coco("ann.json", ["000.PNG"])
    assert_refused(["data", "show", "ann.json", "--images", "images", "--output", "images"], capsys)


def test_what_this_program_wrote_beside_the_photos_it_writes_again() -> None:
    put_photo("a.png")
    put_coco("ann.json", ["a.png"])
    for _ in range(2):
        words = ["data", "check", "ann.json", "--images", ".", "--html", "page.html", "--fix", "-o", "b.json"]
        assert main.main(words) in (0, 1)
        assert main.main(["data", "show", "ann.json", "--images", ".", "--output", "shown"]) == 0
    assert pathlib.Path("shown/000.png").exists()


@pytest.mark.parametrize(
    ("there", "listed"),
    [
        ("000.png", "000.png"),
        ("000.png", "000.PNG"),
        ("000.png", "deep/000.png"),
        ("deep/000.png", "000.png"),
        (unicodedata.normalize("NFD", "ä/000.png"), unicodedata.normalize("NFC", "ä/000.png")),
        ("sheet.png", "other.png"),
    ],
    ids=["exact", "case", "folder above", "folder below", "Unicode form", "not listed"],
)
def test_show_writes_over_no_photo_by_whatever_rule_it_is_found(
    there: str, listed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put_photo(f"images/{there}")
    put_photo("images/other.png")
    put_coco("ann.json", [listed])
    output = os.path.dirname(f"images/{there}")
    assert_refused(["data", "show", "ann.json", "--images", "images", "--output", output], capsys)


def lay_out_yolo() -> None:
    for name in "abc":
        put_photo(f"set/images/{name}.png")
        pathlib.Path("set/labels").mkdir(exist_ok=True)
        pathlib.Path(f"set/labels/{name}.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    pathlib.Path("set/labels/lost.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    pathlib.Path("set/train.txt").write_text("images/a.png\n")
    pathlib.Path("set/more.txt").write_text("images/b.png\n")
    pathlib.Path("set/data.yaml").write_text("train: [train.txt, more.txt]\nnames: [fig]\n")


def lay_out_yolo_folder() -> None:
    lay_out_yolo()
    pathlib.Path("set/data.yaml").unlink()
    pathlib.Path("set/classes.txt").write_text("fig\n")


def lay_out_labelme() -> None:
    shape = {"label": "fig", "shape_type": "polygon", "points": [[2, 2], [20, 2], [20, 20]], "group_id": None}
    labels = {"imageHeight": 40, "imageWidth": 40, "imageData": None, "shapes": [shape]}
    for name in ("a", "b", "gone"):
        put_photo(f"set/{name}.png")
        pathlib.Path(f"set/{name}.json").write_text(json.dumps({**labels, "imagePath": f"{name}.png"}))
    pathlib.Path("set/gone.png").unlink()
    put_photo("set/bare.png")
    pathlib.Path("set/other.json").write_text("{}")


def lay_out_masks() -> None:
    for name in ("a", "b"):
        put_photo(f"set/{name}.png")
    for name in ("a", "b_1", "lost"):
        pathlib.Path("masks").mkdir(exist_ok=True)
        PIL.Image.fromarray(np.eye(40, dtype=np.uint8)).save(f"masks/{name}.png")


def lay_out_via() -> None:
    shape = {"name": "polygon", "all_points_x": [2, 20, 20], "all_points_y": [2, 2, 20]}
    region = {"shape_attributes": shape, "region_attributes": {"class": "fig"}}
    entries = {f"{name}1": {"filename": f"{name}.png", "regions": [region]} for name in ("a", "b", "gone")}
    pathlib.Path("set").mkdir(exist_ok=True)
    pathlib.Path("set/via.json").write_text(json.dumps(entries))
    for name in ("a", "b", "bare"):
        put_photo(f"set/{name}.png")


def lay_out_labelstudio() -> None:
    lay_out_via()
    pathlib.Path("set/via.json").unlink()
    value = {"points": [[2, 2], [20, 2], [20, 20]], "polygonlabels": ["fig"]}
    results = [{"type": "polygonlabels", "value": value}]
    tasks = [
        {"data": {"image": f"/data/upload/1/{name}.png"}, "annotations": [{"result": results}]}
        for name in ("a", "b", "gone")
    ]
    pathlib.Path("set/export.json").write_text(json.dumps(tasks))


READERS = {
    "via": (lay_out_via, ["data", "via", "set/via.json", "--images", "set"]),
    "labelstudio": (lay_out_labelstudio, ["data", "labelstudio", "set/export.json", "--images", "set"]),
    "yolo": (lay_out_yolo, ["data", "yolo", "set"]),
    "yolo without data.yaml": (lay_out_yolo_folder, ["data", "yolo", "set"]),
    "labelme": (lay_out_labelme, ["data", "labelme", "set"]),
    "masks": (lay_out_masks, ["data", "masks", "set", "masks"]),
}


@pytest.mark.parametrize("name", READERS)
def test_no_file_that_a_reader_of_a_format_opens_or_counts_is_written(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out: Callable[[], None]
    lay_out, words = READERS[name]
    lay_out()
    opened: set[str] = set()
    with monkeypatch.context() as watched:
        for function in ("open_input", "read"):
            watched.setattr(inputs, function, _watch(getattr(inputs, function), opened))
        for _ in range(2):
            assert main.main([*words, "--output", "set/all.json"]) == 0
    pathlib.Path("set/all.json").unlink()
    counted = {str(path) for path in pathlib.Path().rglob("*.*") if path.suffix != ".yaml"}
    unlisted = {"set/images/c.png", "set/train.txt", "set/more.txt"} if name.startswith("yolo") else set()
    places = {os.path.normpath(path) for path in opened} - {"set/all.json"} | (counted - unlisted)
    assert len(places) > 3
    for place in sorted(places - {path for path in places if os.path.basename(path) == written.LEDGER}):
        assert_refused([*words, "--output", place], capsys)


def _watch(function: Callable[[str], object], opened: set[str]) -> Callable[[str], object]:
    def call(path: str) -> object:
        opened.add(path)
        return function(path)

    return call


def test_a_repair_that_would_lose_much_writes_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    put_photo("images/a.png")
    put_coco("ann.json", ["a.png", "missing.png"])
    words = ["data", "check", "ann.json", "--images", "images", "--html", "page.html"]
    assert_refused([*words, "--fix", "-o", "fixed.json"], capsys, "nothing is written")
    assert main.main([*words, "--fix", "-o", "fixed.json", "--yes"]) in (0, 1)
    page = pathlib.Path("page.html").read_bytes()
    assert main.main(words) == 1
    assert pathlib.Path("page.html").read_bytes() == page
