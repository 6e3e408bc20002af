from __future__ import annotations

import json
import pathlib
import random
from typing import Any

import pytest

from official_yolact.cli import main
from official_yolact.data import split

FRACTIONS = {"train": 0.6, "val": 0.3, "test": 0.1}


def content(number: int = 60) -> dict[str, Any]:
    """Six photos of each of ten places; class 1 everywhere, 2 often, 3 in three photos."""
    images = [
        {
            "id": 100 + at,
            "file_name": f"place{at // 6}/shot_{at % 6}.jpg",
            "height": 50,
            "width": 60,
            "video": {"name": at // 4},
            "licence": 4,
        }
        for at in range(number)
    ]
    square = {"bbox": [1, 1, 9, 9], "segmentation": [[1, 1, 10, 1, 10, 10, 1, 10]], "note": "kept"}
    wanted = [(at, 1) for at in range(number) for _ in range(1 + at % 3)]
    wanted += [(at, 2) for at in range(0, number, 4)] + [(at, 3) for at in (5, 17, 41)]
    annotations = [
        {"id": number, "image_id": 100 + at, "category_id": category, "iscrowd": 0, **square}
        for number, (at, category) in enumerate(wanted)
    ]
    names = [{"id": 1, "name": "fig"}, {"id": 2, "name": "date"}, {"id": 3, "name": "nut"}]
    return {"info": {"year": 1}, "images": images, "annotations": annotations, "categories": names}


def write(folder: pathlib.Path, data: dict[str, Any], name: str = "all.json") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(data))
    return str(folder / name)


def read_parts(folder: pathlib.Path, names: Any = FRACTIONS) -> dict[str, dict[str, Any]]:
    return {name: json.loads((folder / f"instances_{name}.json").read_text()) for name in names}


def ids(part: dict[str, Any]) -> set[int]:
    return {image["id"] for image in part["images"]}


@pytest.mark.parametrize("stratify", [True, False])
def test_every_entry_is_in_one_part_as_it_was(tmp_path: pathlib.Path, stratify: bool) -> None:
    data = content()
    split.split_coco(write(tmp_path, data), str(tmp_path / "out"), FRACTIONS, stratify=stratify)
    parts = read_parts(tmp_path / "out")
    for key in ("images", "annotations"):
        together = sorted((entry for part in parts.values() for entry in part[key]), key=lambda e: e["id"])
        assert together == data[key]
    for part in parts.values():
        assert part["categories"] == data["categories"]
        assert part["info"] == {"year": 1}
        assert {entry["image_id"] for entry in part["annotations"]} <= ids(part)
    sizes = [len(part["images"]) for part in parts.values()]
    assert all(abs(size - wanted) <= 3 for size, wanted in zip(sizes, (36, 18, 6), strict=True))


def test_classes_are_shared_out_by_the_fractions(tmp_path: pathlib.Path) -> None:
    data = content(600)
    summary = split.split_coco(write(tmp_path, data), str(tmp_path / "out"), FRACTIONS)
    for name, share in FRACTIONS.items():
        (part,) = [part for part in summary.parts if part.name == name]
        assert part.per_class["fig"] == pytest.approx(1200 * share, abs=12)
        assert part.per_class["date"] == pytest.approx(150 * share, abs=2)
    train, val, _ = summary.parts
    assert (train.per_class["nut"], val.per_class["nut"]) == (2, 1)
    assert summary.parts[2].absent == ["nut"]


def test_the_order_of_the_file_changes_no_part_and_the_seed_does(tmp_path: pathlib.Path) -> None:
    data = content()
    split.split_coco(write(tmp_path, data), str(tmp_path / "a"), FRACTIONS)
    random.Random(4).shuffle(data["images"])
    random.Random(5).shuffle(data["annotations"])
    shuffled = write(tmp_path, data, "other.json")
    split.split_coco(shuffled, str(tmp_path / "b"), FRACTIONS)
    split.split_coco(shuffled, str(tmp_path / "c"), FRACTIONS, seed=1)
    first, second, third = (read_parts(tmp_path / name) for name in "abc")
    assert {name: ids(part) for name, part in first.items()} == {n: ids(p) for n, p in second.items()}
    assert ids(first["train"]) != ids(third["train"])


def test_equal_options_give_equal_files(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path, content())
    for name in "ab":
        split.split_coco(source, str(tmp_path / name), FRACTIONS, seed=3)
    for name in FRACTIONS:
        one, other = (tmp_path / folder / f"instances_{name}.json" for folder in "ab")
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("group_by", "group_of"),
    [
        ("folder", lambda image: image["file_name"].split("/")[0]),
        (r"place(\d+)/", lambda image: image["file_name"].split("/")[0]),
        (r"shot_\d", lambda image: image["file_name"].split("/")[1]),
        ("field:video", lambda image: image["video"]["name"]),
    ],
)
def test_no_group_is_in_two_parts(tmp_path: pathlib.Path, group_by: str, group_of: Any) -> None:
    summary = split.split_coco(
        write(tmp_path, content()), str(tmp_path / "out"), FRACTIONS, group_by=group_by
    )
    groups = [{group_of(image) for image in part["images"]} for part in read_parts(tmp_path / "out").values()]
    assert sum(len(found) for found in groups) == len(set.union(*groups)) == summary.groups
    assert all(groups)


def test_photos_of_the_same_bytes_or_the_same_file_stay_together(tmp_path: pathlib.Path) -> None:
    data = content(40)
    for at, image in enumerate(data["images"]):
        image["file_name"] = f"{at}.jpg"
        (tmp_path / image["file_name"]).write_bytes(b"photo %02d" % (at % 10))
    data["images"][39]["file_name"] = "0.jpg"
    summary = split.split_coco(
        write(tmp_path, data), str(tmp_path / "out"), {"a": 0.5, "b": 0.5}, images_dir=str(tmp_path)
    )
    assert summary.equal_images == 40
    # Photo 39 is the file of photo 0 now.
    contents = [
        {(image["id"] - 100) % 10 if image["id"] != 139 else 0 for image in part["images"]}
        for part in read_parts(tmp_path / "out", "ab").values()
    ]
    assert not contents[0] & contents[1]
    assert summary.groups == 10


def test_every_part_has_an_image_however_few_there_are(tmp_path: pathlib.Path) -> None:
    split.split_coco(write(tmp_path, content(3)), str(tmp_path / "out"), FRACTIONS)
    assert [len(part["images"]) for part in read_parts(tmp_path / "out").values()] == [1, 1, 1]


def test_the_command_says_what_a_part_lacks_and_what_was_left_out(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = content(12)
    data["annotations"] = [entry for entry in data["annotations"] if entry["image_id"] < 112]
    data["annotations"].append({**data["annotations"][0], "id": 999, "image_id": 5})
    source = write(tmp_path, data)
    assert main.main(["data", "split", source, "--output", str(tmp_path / "out"), "--json"]) == 0
    captured = capsys.readouterr()
    assert "val has nothing of: nut" in captured.err
    assert "left out: 1 annotations" in captured.err
    assert [part["name"] for part in json.loads(captured.out)["parts"]] == ["train", "val"]


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ("train", "is not NAME=NUMBER"),
        ("train=a", "is not NAME=NUMBER"),
        ("train=0.5,val=0.4", "the sum is 0.9"),
        ("train=0.5,train=0.5", "differs from the others"),
        ("../a=1", "a name of letters and digits"),
        ("a=1.5,b=-0.5", "give a number above 0"),
        ("a=nan", "give a number above 0"),
    ],
)
def test_unusable_fractions_are_refused(fractions: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split.parse_fractions(fractions)


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        ("(", "not a regular expression"),
        ("nowhere", "image 100: file_name .* matches nothing"),
        ("field:camera", "image 100: camera is missing"),
    ],
)
def test_unusable_groups_are_refused_and_nothing_is_written(
    tmp_path: pathlib.Path, group_by: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        split.split_coco(write(tmp_path, content()), str(tmp_path / "out"), FRACTIONS, group_by=group_by)
    assert not (tmp_path / "out").exists()


def test_more_parts_than_groups_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="2 groups of images cannot fill 3 parts"):
        split.split_coco(write(tmp_path, content(12)), str(tmp_path / "o"), FRACTIONS, group_by="folder")
