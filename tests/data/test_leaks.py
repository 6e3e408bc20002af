"""Names tell which photos of two splits come from one photo or one video, and which option mends that."""

from __future__ import annotations

import json
import pathlib
import random
import re
import shlex
from typing import Any

import numpy as np
import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.data import leaks

Names = list[str]


def deal(names: Names) -> tuple[Names, Names]:
    """Deal names to two splits by chance."""
    shuffled = sorted(names)
    random.Random(0).shuffle(shuffled)
    return sorted(shuffled[::2]), sorted(shuffled[1::2])


LEAKS: dict[str, tuple[Names, str]] = {
    "scaled copies": ([f"{at}_scaled_{scale}.jpg" for at in range(100, 140) for scale in range(6)], "_scaled_"),
    "augmented copies": ([f"house{at}_aug{n}.png" for at in range(9) for n in range(8)], "_aug"),
    "Roboflow": (
        [f"train/IMG_{at}_jpg.rf.{at:08x}{n:08x}.jpg" for at in range(9) for n in range(6)],
        ".rf.",
    ),
    "Roboflow of two folders": (
        [f"{'train' if n % 2 else 'valid'}/a{at}_png.rf.{at:08x}{n:08x}.jpg" for at in range(9) for n in range(6)],
        ".rf.",
    ),
    "tiles of one photo and of another": (
        [f"{photo}_tile_{row}_{column}.tif" for photo in ("north", "south") for row in range(5) for column in range(5)],
        "_tile_",
    ),
    "tiles by corners": (
        [f"roof{photo}_x{x}_y{y}.png" for photo in range(3) for x in (0, 512, 1024) for y in (0, 512)],
        "_",
    ),
    "tiles by two numbers": (
        [f"ortho{photo}_{y}_{x}.tif" for photo in "abc" for y in (0, 400, 800) for x in (0, 400, 800, 1200)],
        "_",
    ),
    "patches": ([f"field-7{at}-patch-{n}.png" for at in range(8) for n in range(9)], "-patch-"),
    "crops": ([f"DSC0{at}_crop{n}.jpg" for at in range(10) for n in range(5)], "_crop"),
    "flips beside the originals": (
        [f"{name}{end}.jpg" for name in ("sea", "land", "sky", "rain", "snow") for end in ("", "_flip", "_rot90")],
        "_flip",
    ),
    "flips named first": ([f"{begin}IMG_{at}.jpg" for at in range(20) for begin in ("", "flip_", "rot90_")], "flip_"),
    "numbered copies named first": ([f"aug_{n}_site{at}.jpg" for at in range(9) for n in range(5)], "aug_"),
    "copies in folders": (
        [f"{part}/site{s}/{at}_crop{n}.jpg" for n, part in enumerate(("train", "val")) for s in "ab" for at in range(9)],
        "_crop",
    ),
    "copies of a folder": ([f"P10{at}{end}.jpg" for at in range(10, 40) for end in ("", " (1)", " (2)")], " ("),
    "frames of videos": ([f"clip_{v}_frame_{at:04}.jpg" for v in "abc" for at in range(20)], "_frame_"),
    "frames of cameras": ([f"site/cam{v}-{at:03}.jpg" for v in range(4) for at in range(0, 200, 10)], "-"),
    "frames of films": ([f"GX0101{v}/GX0101{v}_{at:06}.png" for v in range(3) for at in range(0, 500, 25)], "_"),
}  # fmt: skip

USUAL: dict[str, Names] = {
    "a camera": [f"IMG_{at:04}.JPG" for at in range(60)],
    "another camera": [f"DSC{at:05}.jpg" for at in range(60)],
    "a camera of long numbers": [f"DSC{at:09}.jpg" for at in range(60)],
    "a messenger": [f"IMG-20240102-WA{at:04}.jpg" for at in range(60)],
    "a drone": [f"DJI_20240102_{at:04}.JPG" for at in range(60)],
    "a phone": [f"PXL_20240102_{100000 + 37 * at}.jpg" for at in range(60)],
    "dates": [f"2024-01-02 {100000 + 37 * at}.jpg" for at in range(60)],
    "COCO": [f"{at * 7919 % 581929:012}.jpg" for at in range(60)],
    "a numbered set": [f"wall_{at:03}.jpg" for at in range(60)],
    "classes": [f"{name}_{at:03}.jpg" for name in ("cat", "dog") for at in range(30)],
    "folders of classes": [f"{name}/{at:03}.jpg" for name in ("cat", "dog") for at in range(30)],
    "numbers in parentheses": [f"photo ({at}).jpg" for at in range(60)],
    "a set of crops": [f"wheat_crop_{at}.png" for at in range(60)],
    "a crop as a word": [f"crops-of-{name}.png" for name in ("rye", "oat", "corn", "wheat")],
    "days": [
        f"{year}_{month:02}_{day:02}.jpg" for year in (2023, 2024) for month in (5, 6) for day in range(1, 29)
    ],
    "days of a camera": [f"IMG_2024_{month:02}_{day:02}.jpg" for month in (5, 6) for day in range(1, 29)],
    "street and number": [f"house_{at * 7 % 90}_{at * 13 % 40}.jpg" for at in range(60)],
    "versions": [f"plan_{at}_1.png" for at in range(60)],
    "words that begin so": [f"img{at}_flipper_copyright_croppers.png" for at in range(60)],
    "crops named first": [f"crop_{at}.png" for at in range(60)],
    "tiles of a numbered set": [f"set_tile{at}.png" for at in range(60)],
}


@pytest.mark.parametrize("name", LEAKS)
def test_what_leaks_is_found_and_the_option_that_is_printed_mends_it(name: str) -> None:
    names, token = LEAKS[name]
    ours, theirs = deal(names)
    leak = leaks.find(ours, theirs)
    assert leak is not None
    assert next(iter(leak.places)) == f"{'after' if token[0].isalpha() else 'before'} `{token}`"
    assert leak.describe().startswith(f"{next(iter(leak.places.values()))} stem")
    assert leak.partners
    # Split by the groups of the pattern, in any way, nothing leaks.
    option, pattern = shlex.split(leak.option())
    assert option == "--group-by"
    groups: dict[Any, Names] = {}
    for each in names:
        groups.setdefault(re.search(pattern, each).groups(), []).append(each)
    assert len(groups) > 1
    for seed in range(5):
        order = list(groups.values())
        random.Random(seed).shuffle(order)
        middle = len(order) // 2
        halves = [[each for group in half for each in group] for half in (order[:middle], order[middle:])]
        assert leaks.find(*halves) is None


@pytest.mark.parametrize("name", USUAL)
def test_usual_names_raise_no_alarm(name: str) -> None:
    assert leaks.find(*deal(USUAL[name])) is None


def test_frames_of_one_video_are_found_though_no_option_helps() -> None:
    leak = leaks.find(*deal([f"frame_{at:04}.jpg" for at in range(40)]))
    assert leak is not None
    assert (leak.option(), leak.list_commands("a.json", "b.json", ["photos"])) == ("", [])


def test_equal_names_and_empty_splits_are_no_leak_of_this_kind() -> None:
    assert leaks.find(["a.jpg", "b.jpg"], ["a.jpg", "c.jpg"]) is None
    assert leaks.find([], ["a_flip.jpg"]) is None


@pytest.fixture
def export(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write what Roboflow exports: photos and annotations of three parts, three copies of each of ten photos."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for part, copies in (("train", (0, 1)), ("valid", (2,)), ("test", (3,))):
        pathlib.Path(part).mkdir()
        images, annotations = [], []
        for at in range(10):
            for copy in copies:
                number = len(images)
                name = f"IMG_{at}_jpg.rf.{at:016x}{copy:016x}.jpg"
                PIL.Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(f"{part}/{name}")
                images.append({"id": number, "license": 1, "file_name": name, "height": 60, "width": 80})
                square = [10, 10, 40, 10, 40, 40, 10, 40]
                annotations.append(
                    {"id": number, "image_id": number, "category_id": 1 + at % 2, "bbox": [10, 10, 30, 30]}
                    | {"area": 900, "segmentation": [square], "iscrowd": 0, "note": f"{part} {at}"}
                )
        classes = ("nuts", "none"), ("fig", "nuts"), ("date", "nuts")
        content = {
            "info": {"year": "2026"},
            "licenses": [{"id": 1, "name": "CC"}],
            "categories": [{"id": at, "name": n, "supercategory": s} for at, (n, s) in enumerate(classes)],
            "images": images,
            "annotations": annotations,
        }
        pathlib.Path(part, "_annotations.coco.json").write_text(json.dumps(content))
    return [f"{part}/_annotations.coco.json" for part in ("train", "valid", "test")]


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main.main(list(words)) == code
    told = capsys.readouterr()
    return told.out, told.err


def test_a_roboflow_export_is_checked_configured_merged_and_split_again_by_what_is_printed(
    export: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    train, valid, _ = export
    words = ["data", "check", train, "--images", "train", "--against", valid, "--against-images", "valid"]
    rows = {row["code"]: row for row in json.loads(run(capsys, *words, "--json", code=1)[0])["findings"]}
    assert rows["D54"]["count"] == 20
    assert rows["D54"]["detail"].startswith("10 stems before `.rf.` are in both; --group-by ")
    init = ["data", "init", "--train", train, "--val", valid, "--images", "train", "--val-images", "valid"]
    told = run(capsys, *init, "--output", "c.yaml")[1].splitlines()
    at = next(at for at, line in enumerate(told) if "10 stems before `.rf.` are in both files" in line)
    assert told[at + 1] == "split them again:"
    for line in told[at + 2 : at + 4]:
        assert line.startswith("  yolact data ")
        run(capsys, *shlex.split(line)[1:])
    names = [
        [
            image["file_name"]
            for image in json.loads(pathlib.Path("parts", f"instances_{part}.json").read_text())["images"]
        ]
        for part in ("train", "val")
    ]
    assert sorted(map(len, names)) == [6, 24]
    assert leaks.find(*names) is None
    # All three parts of the export, as the merge itself says to go on.
    told = run(capsys, "data", "merge", *export, "--output", "all.json", "--force")[1].splitlines()
    last = told[-1]
    assert last.startswith("next: yolact data split all.json --images . --output parts --group-by ")
    told = run(capsys, *shlex.split(last)[2:])[1]
    assert "10 groups kept together" in told
    convert = [
        "data",
        "convert",
        "parts/instances_train.json",
        "--images",
        ".",
        "--output",
        "r",
        "--split",
        "t",
    ]
    assert "32 images, 32 instances of 3 classes" in run(capsys, *convert)[1]


def test_a_split_says_that_its_parts_have_copies_of_one_photo(
    export: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(capsys, "data", "split", export[0], "--images", "train", "--output", "parts")[1].splitlines()
    said = next(line for line in told if "before `.rf.`" in line)
    assert said.endswith("; scores would measure memory")
    option = said.split(": use ")[1].split("; scores")[0]
    told = run(capsys, "data", "split", export[0], "--output", "parts", "--force", *shlex.split(option))[1]
    assert "before `.rf.`" not in told
