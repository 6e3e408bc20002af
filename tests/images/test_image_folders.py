"""The rule that finds photos: a table written by hand, and the commands that use it."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import unicodedata
from typing import Any

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.images import image_folders
from official_yolact.serving import sources

NFC, NFD = "Stra\u00dfe_M\u00fcnchen.jpg", "Stra\u00dfe_Mu\u0308nchen.jpg"


def put(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (40, 30), (len(name) * 7 % 256, 80, 120)).save(path, "JPEG")


@pytest.mark.parametrize(
    ("there", "name", "found", "rule"),
    [
        (["a.jpg"], "a.jpg", "a.jpg", ""),
        ([NFD], NFC, NFD, "Unicode form"),
        ([NFC], NFD, NFC, "Unicode form"),
        ([NFD], NFC.upper().replace("SS", "\u00df"), NFD, "case"),
        (["A.JPG"], "a.jpg", "A.JPG", "case"),
        (["a.jfif"], "a.jpg", "a.jfif", "suffix"),
        (["a b.jpg"], "a%20b.jpg", "a b.jpg", "url-encoding"),
        (["x/a.jpg"], "x\\a.jpg", "x/a.jpg", "backslashes"),
        (["a.jpg"], "/home/me/a.jpg", "a.jpg", "basename"),
        (["p/q/a.jpg"], "a.jpg", "p/q/a.jpg", "in a folder below"),
        (["p/train/a.jpg", "p/val/a.jpg"], "val/a.jpg", "p/val/a.jpg", "in a folder below"),
        (["p/a.jpg", "q/a.jpg"], "a.jpg", "", ""),
        (["a.jpg", "A.jpg"], "a.JPG", "", ""),
        (["a.jfif", "a.jpeg"], "a.jpg", "", ""),
        (["train/a.jpg"], "val/a.jpg", "", ""),
        (["a.png"], "a.jpg", "", ""),
        (["a.jpg"], "a.jpg ", "a.jpg", "spaces"),
        (["a.jpg "], "a.jpg", "a.jpg ", "spaces"),
        (["x/a.jpg"], " x/\u00a0a.jpg", "x/a.jpg", "spaces"),
        (["a.tiff"], "a.tif", "a.tiff", "suffix"),
        (["x/a.jpeg"], "a.jpg", "x/a.jpeg", "in a folder below"),
        (["b.jpg"], "https://some.where/b.jpg?v=3", "b.jpg", "query, basename"),
        (["c.jpg"], "s3://bucket/c.jpg#top", "c.jpg", "query, basename"),
        (["a#1.jpg"], "a#1.jpg", "a#1.jpg", ""),
        (["img.jpg", "a/img.jpg"], "A/img.jpg", "a/img.jpg", "case"),
        (["img.jpg", "a/img.jpeg"], "a/img.jpg", "a/img.jpeg", "suffix"),
        (["img.jpg", "data/a/img.jpg"], "a/img.jpg", "data/a/img.jpg", "in a folder below"),
        (["img.jpg", f"{NFD}/img.jpg"], f"{NFC}/img.jpg", f"{NFD}/img.jpg", "Unicode form"),
        (["b/img.jpg", "c/img.jpg"], "/home/b/img.jpg", "b/img.jpg", "without the leading folders"),
        (["img.jpg", "b/img.jpg"], "/home/b/img.jpg", "", ""),
        (["img.jpg", "data/b/img.jpg"], "/home/b/img.jpg", "", ""),
        (["img.jpg", "IMG.jpg"], "a/Img.jpg", "", ""),
        (["img.jpg", "b/img.jpg"], "a/img.jpg", "", ""),
    ],
)
def test_names_are_found_by_the_rules_and_not_guessed(
    there: list[str], name: str, found: str, rule: str, tmp_path: pathlib.Path
) -> None:
    put(tmp_path, *there)
    match = image_folders.ImageFolder(str(tmp_path)).find(name)
    assert (match.name, match.rule) == (found, rule)
    if len(there) == 2 and not found:
        assert all(other in match.reason for other in there)


def test_no_shorter_form_of_a_name_is_taken_before_a_fuller_one(tmp_path: pathlib.Path) -> None:
    """Whatever files there are, the one that is found shares all folders with the name, or is the only one."""
    there = ["img.jpg", "a/img.jpg", "A2/img.jpg", "data/a/img.jpg", "a/b/img.jpg", "b/img.jpg", "x/IMG.jpg"]
    names = [
        "a/img.jpg",
        "A/img.jpg",
        "a2/IMG.jpg",
        "a/b/img.jpg",
        "b/img.jpg",
        "A\\b\\img.jpg",
        "z/img.jpg",
        "x/img.jpg",
    ]
    for number, chosen in enumerate(itertools.chain(*(itertools.combinations(there, n) for n in (1, 2, 3)))):
        folder = tmp_path / str(number)
        for file in chosen:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).touch()
        finder = image_folders.ImageFolder(str(folder))
        for name in names:
            found = finder.find(name).name
            shared = {file: count_shared_parts(name, file) for file in chosen}
            if found and shared[found] < name.replace("\\", "/").count("/") + 1:
                assert all(shared[found] > other for file, other in shared.items() if file != found), (
                    chosen,
                    name,
                )


def count_shared_parts(name: str, file: str) -> int:
    def parts(text: str) -> list[str]:
        return text.replace("\\", "/").lower().split("/")[::-1]

    return len(
        list(
            itertools.takewhile(lambda pair: pair[0] == pair[1], zip(parts(name), parts(file), strict=False))
        )
    )


def test_no_rule_leads_out_of_the_folder(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "secret.jpg")
    inside = tmp_path / "photos"
    (inside / "sub").mkdir(parents=True)
    (inside / "LINK.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "sub" / "deep.jpg").symlink_to(tmp_path / "secret.jpg")
    folder = image_folders.ImageFolder(str(inside))
    for name in ("../secret.jpg", "link.jpg", "LINK.jpg", "deep.jpg", str(tmp_path / "secret.jpg")):
        match = folder.find(name)
        assert (match.name, match.is_outside) == ("", True), name


def test_a_photo_that_is_put_there_later_is_found(tmp_path: pathlib.Path) -> None:
    put(tmp_path, "b.jpg")
    assert not image_folders.open_folder(str(tmp_path)).find("a.jpg").name
    put(tmp_path, "A.jpg")
    assert image_folders.open_folder(str(tmp_path)).find("a.jpg").name == "A.jpg"


@pytest.fixture
def data(tmp_path: pathlib.Path) -> dict[str, Any]:
    names = [NFC, "B.JPG", "c.jpg", "deep.jpg"]
    put(tmp_path / "img", NFD, "b.jpg", "c.jfif", "one/two/deep.jpg")
    ring = [[2, 2, 20, 2, 20, 20, 2, 20]]
    content = {
        "images": [
            {"id": at, "file_name": name, "height": 30, "width": 40} for at, name in enumerate(names, 1)
        ],
        "annotations": [
            {
                "id": at, "image_id": at, "category_id": 1, "segmentation": ring, "bbox": [2, 2, 18, 18],
                "area": 324, "iscrowd": 0,
            }
            for at in range(1, 5)
        ],
        "categories": [{"id": 1, "name": "fig"}],
    }  # fmt: skip
    (tmp_path / "ann.json").write_text(json.dumps(content))
    return content


def test_check_keeps_photos_under_other_names_and_writes_the_found_ones(
    data: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, images, fixed = (str(tmp_path / name) for name in ("ann.json", "img", "fixed.json"))
    main.main(["data", "check", annotations, "--images", images, "--json"])
    rows = {row["code"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert rows["D41"]["count"] == 4
    assert not {"D40", "D53"} & set(rows)
    main.main(["data", "check", annotations, "--images", images, "--fix", "-o", fixed])
    written = json.loads(pathlib.Path(fixed).read_text())
    names = [image["file_name"] for image in written["images"]]
    assert names == [NFD, "b.jpg", "c.jfif", "one/two/deep.jpg"]
    assert len(written["annotations"]) == 4
    capsys.readouterr()
    main.main(["data", "check", fixed, "--images", images, "--json"])
    assert not {"D40", "D41", "D53"} & {
        row["code"] for row in json.loads(capsys.readouterr().out)["findings"]
    }


def test_convert_takes_them_and_counts_them(
    data: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, images, output = (str(tmp_path / name) for name in ("ann.json", "img", "rec"))
    words = ["data", "convert", annotations, "--images", images, "--output", output, "--split", "train"]
    assert main.main(words) == 0
    assert "4 found under another name" in capsys.readouterr().err


def test_eval_finds_them_by_the_same_rule(data: dict[str, Any], tmp_path: pathlib.Path) -> None:
    images = {image["id"]: image for image in data["images"]}
    listed = sources.list_annotated(images, str(tmp_path / "img"), "ann.json")
    found = [one.path.removeprefix(f"{tmp_path}/img/") for one in listed]
    assert found == [NFD, "b.jpg", "c.jfif", "one/two/deep.jpg"]
    assert unicodedata.normalize("NFC", found[0]) == NFC


@pytest.mark.parametrize("given", ["photos", "photos/val"])
def test_the_folder_that_was_meant_is_named(
    given: str, data: dict[str, Any], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "photos/train", *(image["file_name"] for image in data["images"]))
    put(tmp_path / "photos/val", "other.jpg")
    main.main(["data", "check", str(tmp_path / "ann.json"), "--images", str(tmp_path / given), "--json"])
    rows = json.loads(capsys.readouterr().out)["findings"]
    told = [row["detail"] for row in rows if row["code"] in ("D40", "D41")]
    assert len(told) == 1
    assert told[0].endswith(f"4 of 4 are in {tmp_path}/photos/train: give that")


def write_json(root: pathlib.Path, names: list[str]) -> str:
    """Write an annotation file of photos with an object each."""
    images = [{"id": at, "file_name": name, "height": 30, "width": 40} for at, name in enumerate(names, 1)]
    square = {"segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]], "bbox": [2, 2, 10, 10], "area": 100}
    objects = [{"id": one["id"], "image_id": one["id"], "category_id": 1, **square} for one in images]
    path = root / "listed.json"
    path.write_text(
        json.dumps({"images": images, "annotations": objects, "categories": [{"id": 1, "name": "fig"}]})
    )
    return str(path)


@pytest.mark.parametrize("kind", ["dangling link", "pipe", "folder"])
def test_what_is_no_file_in_the_place_of_a_photo_is_named_by_check_and_conversion(
    kind: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "img", "b.jpg")
    place = tmp_path / "img" / "a.jpg"
    if kind == "dangling link":
        place.symlink_to("zz")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    said = "is a link to 'zz', where no file is" if kind == "dangling link" else "not a file"
    path = write_json(tmp_path, ["a.jpg", "b.jpg"])
    main.main(["data", "check", path, "--images", str(tmp_path / "img"), "--json"])
    found = {row["code"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert said in str(found["D40"])
    assert not {"D41", "D53"} & set(found)
    words = ["--images", str(tmp_path / "img"), "--output", str(tmp_path / "out"), "--split", "t"]
    assert main.main(["data", "convert", path, *words]) == 2
    assert f"{path}: image 1: file_name is 'a.jpg'" in (told := capsys.readouterr().err)
    assert said in told


def test_a_name_that_leads_out_and_in_again_is_listed(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "img", "a.jpg")
    path = write_json(tmp_path, ["../img/a.jpg"])
    main.main(["data", "check", path, "--images", str(tmp_path / "img"), "--json"])
    found = {row["code"] for row in json.loads(capsys.readouterr().out)["findings"]}
    assert not {"D40", "D53"} & found
