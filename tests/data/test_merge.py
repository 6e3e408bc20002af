"""Merging loses no image, object, field or class, whatever the ids of the files are."""

from __future__ import annotations

import collections
import json
import pathlib
import random
from typing import Any

import PIL.Image
import pytest

from official_yolact.cli import main

SIZE = {"height": 30, "width": 40}


def write(
    path: str, photos: list[str], classes: dict[int, str], seed: int = 0, **fields: Any
) -> dict[str, Any]:
    """Write annotations beside photos, with ids in an order of their own; three objects a photo."""
    rng = random.Random(seed)
    ids = rng.sample(range(100), len(photos))
    folder = pathlib.Path(path).parent
    for name in photos:
        photo = folder / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (SIZE["width"], SIZE["height"]), (seed, 60, 90)).save(photo)
    images = [{"id": i, "file_name": name, **SIZE, "seen": seed} for i, name in zip(ids, photos, strict=True)]
    annotations = []
    for at, number in enumerate(rng.sample(range(1000), 3 * len(photos))):
        x = 2 + 9 * (at % 3) + seed % 3
        square = [x, 4, x + 8, 4, x + 8, 20, x, 20]
        category = rng.choice(list(classes))
        annotations.append(
            {"id": number, "image_id": ids[at // 3], "category_id": category, "segmentation": [square]}
            | {
                "bbox": [x, 4, 8, 16],
                "area": 128,
                "iscrowd": 0,
                "of": f"{path} {photos[at // 3]} {classes[category]}",
            }
        )
    content = {
        "info": {"of": path},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name, "extra": i} for i, name in classes.items()],
        **fields,
    }
    pathlib.Path(path).write_text(json.dumps(content))
    return content


@pytest.fixture(autouse=True)
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def merge(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert main.main(["data", "merge", *words, "--output", "out/all.json", "--force"]) == code
    told = capsys.readouterr().err
    return json.loads(pathlib.Path("out/all.json").read_text()) if code == 0 else {}, told


def test_every_image_and_object_arrives_with_its_class_and_photo(capsys: pytest.CaptureFixture[str]) -> None:
    write("a/x.json", ["1.png", "sub/2.png"], {7: "fig", 3: "date"}, 1)
    write("b/y.json", ["1.png"], {1: "date", 2: "nut"}, 2)
    write("c/z.json", ["9.png", "8.png"], {7: "pear", 0: "fig"}, 3)
    found, told = merge(capsys, "a/x.json", "b/y.json", "c/z.json")
    assert [image["file_name"] for image in found["images"]] == [
        "a/1.png", "a/sub/2.png", "b/1.png", "c/9.png", "c/8.png"
    ]  # fmt: skip
    assert [image["id"] for image in found["images"]] == [1, 2, 3, 4, 5]
    assert [annotation["id"] for annotation in found["annotations"]] == list(range(1, 16))
    assert [(c["id"], c["name"]) for c in found["categories"]] == [
        (7, "fig"),
        (3, "date"),
        (2, "nut"),
        (8, "pear"),
    ]
    names = {c["id"]: c["name"] for c in found["categories"]}
    photos = {image["id"]: image["file_name"] for image in found["images"]}
    for annotation in found["annotations"]:
        path, photo, name = annotation["of"].split(" ")
        assert photos[annotation["image_id"]] == f"{pathlib.Path(path).parent}/{photo}"
        assert names[annotation["category_id"]] == name
    assert found["info"] == {"of": "a/x.json"}
    assert "c/z.json: 2 images, 6 annotations" in told
    assert "out/all.json: 5 images, 15 annotations of 4 classes" in told
    assert all(pathlib.Path(name).is_file() for name in photos.values())
    convert = ["data", "convert", "out/all.json", "--images", ".", "--output", "r", "--split", "t"]
    assert main.main(convert) == 0


def test_entries_of_one_photo_become_one_image_with_the_objects_of_both(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("one.json", ["p/1.png", "p/2.png"], {1: "fig"}, 1)
    write("two.json", ["p/1.png", "p/3.png"], {1: "date"}, 2)
    found, told = merge(capsys, "one.json", "two.json", "--images", ".")
    assert [image["file_name"] for image in found["images"]] == ["p/1.png", "p/2.png", "p/3.png"]
    held = collections.Counter(annotation["image_id"] for annotation in found["annotations"])
    assert held == {1: 6, 2: 3, 3: 3}
    assert "1 images are of a photo of an earlier one" in told
    content = json.loads(pathlib.Path("two.json").read_text())
    content["images"][0]["height"] = 31
    pathlib.Path("two.json").write_text(json.dumps(content))
    assert (
        "height is 31, but an earlier entry of p/1.png has 30"
        in merge(capsys, "one.json", "two.json", code=2)[1]
    )


@pytest.mark.parametrize(
    "other", ["Fig", "fig ", "\uff46ig", "f\u200big"], ids=["case", "space", "wide letter", "hidden space"]
)
def test_names_that_look_alike_are_refused_joined_or_kept(
    other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a/x.json", ["1.png"], {1: "fig"}, 1)
    write("b/y.json", ["1.png"], {1: other}, 2)
    refused = merge(capsys, "a/x.json", "b/y.json", code=2)[1]
    assert "differ in case, spaces or Unicode form only: --alike join" in refused
    assert not pathlib.Path("out/all.json").exists()
    joined = merge(capsys, "a/x.json", "b/y.json", "--alike", "join")[0]
    assert [c["name"] for c in joined["categories"]] == ["fig"]
    assert {a["category_id"] for a in joined["annotations"]} == {1}
    kept, told = merge(capsys, "a/x.json", "b/y.json", "--alike", "keep")
    assert [(c["id"], c["name"]) for c in kept["categories"]] == [(1, "fig"), (2, other)]
    assert "differ in case, spaces or Unicode form only: convert with --rename" in told


def test_folders_are_named_for_each_file_or_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    for at, part in enumerate(("a", "b")):
        write(f"photos/{part}/x.json", ["1.png"], {1: "fig"}, at)
        pathlib.Path(f"photos/{part}/x.json").rename(f"{part}.json")
    found, _ = merge(capsys, "a.json", "b.json", "--images", "photos/a", "--images", "photos/b")
    assert [image["file_name"] for image in found["images"]] == ["a/1.png", "b/1.png"]
    refused = merge(capsys, "a.json", "b.json", "--images", "photos", code=2)[1]
    assert "a.json: none of its 1 photos is in photos: name their folder" in refused
    refused = merge(capsys, "a.json", "b.json", code=2)[1]
    assert "a.json: none of its 1 photos is in .: name their folder with --images" in refused


def test_what_is_no_merge_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write("a/x.json", ["1.png"], {1: "fig"}, 1)
    write("b/y.json", ["1.png"], {1: "fig"}, 2)
    assert "a/x.json: name at least two files" in merge(capsys, "a/x.json", code=2)[1]
    assert "./a/x.json: is named twice" in merge(capsys, "a/x.json", "./a/x.json", code=2)[1]
    three = [word for at in range(3) for word in ("--images", "a")]
    assert "3 --images for 2 files" in merge(capsys, "a/x.json", "b/y.json", *three, code=2)[1]


def test_other_licences_do_not_name_those_of_the_first_file(capsys: pytest.CaptureFixture[str]) -> None:
    for at, (part, licence) in enumerate((("a", "CC"), ("b", "MIT"), ("c", "CC"))):
        content = write(f"{part}/x.json", ["1.png"], {1: "fig"}, at, licenses=[{"id": 1, "name": licence}])
        content["images"][0]["license"] = 1
        pathlib.Path(f"{part}/x.json").write_text(json.dumps(content))
    found, _ = merge(capsys, "a/x.json", "b/x.json", "c/x.json")
    assert [image.get("license") for image in found["images"]] == [1, None, 1]
