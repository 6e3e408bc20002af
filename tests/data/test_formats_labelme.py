"""labelme: what its files draw comes back in the records; what is damaged is named."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.data.formats import labelme
from official_yolact.images import image_folders

HEIGHT, WIDTH = 40, 60
POLYGON = [[3.5, 4.0], [20.25, 6.0], [12.0, 25.5]]


def png(mask: np.ndarray) -> str:
    file = io.BytesIO()
    PIL.Image.fromarray(mask.astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def shape(label: str, points: Any, kind: Any = "polygon", **fields: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **fields}


def write(folder: pathlib.Path, name: str, shapes: Any, **fields: Any) -> None:
    """Write a photo and its labelme file."""
    pixels = np.random.default_rng(len(name)).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(folder / f"{name}.jpg")
    image = f"{pathlib.Path(name).name}.jpg"
    content = {"version": "5.4.1", "imagePath": image, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    (folder / f"{name}.json").write_text(
        json.dumps({**content, "shapes": shapes, "imageData": None, **fields})
    )


def draw(*polygons: list[list[float]]) -> np.ndarray:
    """Draw the union of polygons with pycocotools."""
    parts = [[number for point in polygon for number in point] for polygon in polygons]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, HEIGHT, WIDTH))) != 0


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    result = tmp_path / "photos"
    result.mkdir()
    return result


def read(folder: pathlib.Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    output = folder.parent / "made" / "coco.json"
    summary = labelme.write_coco(str(folder), str(output), **options)
    return summary, json.loads(output.read_text())


def test_the_records_hold_the_masks_of_every_shape_with_an_inside(
    folder: pathlib.Path, convert_and_read: Callable[..., Any]
) -> None:
    square = np.random.default_rng(0).random((6, 9)) < 0.5
    border = np.ones((5, 4), bool)
    write(folder, "b", [shape("cat", POLYGON), shape("ant", [[30, 5], [41, 17]], "rectangle")])
    write(
        folder,
        "sub/a",
        [
            shape("bee", [[10, 20], [18, 25]], "mask", mask=png(square)),
            # At the border the stored mask ends with the image, although its points lie beyond.
            shape("cat", [[WIDTH - 4, HEIGHT - 5], [WIDTH, HEIGHT]], "mask", mask=png(border)),
            shape("ant", [[30, 20], [30, 30]], "circle"),
        ],
    )
    summary, content = read(folder)
    assert (summary.images, summary.instances, summary.classes, summary.skipped) == (2, 5, 3, {})
    assert [image["file_name"] for image in content["images"]] == ["b.jpg", "sub/a.jpg"]
    assert [category["name"] for category in content["categories"]] == ["ant", "bee", "cat"]
    stored = convert_and_read(str(folder.parent / "made" / "coco.json"), str(folder))
    assert [label for label, _, _ in stored["b.jpg"]] == [3, 1]
    assert [label for label, _, _ in stored["sub/a.jpg"]] == [2, 3, 1]
    np.testing.assert_array_equal(stored["b.jpg"][0][2], draw(POLYGON))
    rectangle, pasted, corner = (np.zeros((HEIGHT, WIDTH), bool) for _ in range(3))
    rectangle[5:17, 30:41] = True
    np.testing.assert_array_equal(stored["b.jpg"][1][2], rectangle)
    pasted[20:26, 10:19] = square
    np.testing.assert_array_equal(stored["sub/a.jpg"][0][2], pasted)
    corner[-5:, -4:] = True
    np.testing.assert_array_equal(stored["sub/a.jpg"][1][2], corner)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    distance = np.hypot(rows - 20, columns - 30)
    disc = stored["sub/a.jpg"][2][2]
    assert disc[distance < 9].all()
    assert not disc[distance > 11].any()
    assert abs(disc.sum() - np.pi * 100) < 0.05 * np.pi * 100


def test_shapes_of_a_group_and_label_are_one_instance(folder: pathlib.Path) -> None:
    far = [[40, 5], [50, 5], [45, 15]]
    shapes = [
        shape("cat", POLYGON, group_id=1),
        shape("dog", far, group_id=1),
        shape("cat", far, group_id=1),
        shape("cat", [[40, 30], [41, 31]], "mask", mask=png(np.ones((2, 2))), group_id=2),
        shape("cat", POLYGON, group_id=2),
    ]
    write(folder, "a", shapes)
    _, content = read(folder)
    assert [entry["category_id"] for entry in content["annotations"]] == [1, 2, 1]
    both, mixed = content["annotations"][0], content["annotations"][2]
    assert len(both["segmentation"]) == 2
    assert both["area"] == draw(POLYGON, far).sum()
    expected = draw(POLYGON)
    expected[30:32, 40:42] = True
    np.testing.assert_array_equal(coco_mask.decode(mixed["segmentation"]) != 0, expected)


def test_lines_points_and_other_json_are_counted(folder: pathlib.Path) -> None:
    write(
        folder,
        "a",
        [
            shape("x", [[1, 1]], "point"),
            shape("x", [[1, 1], [2, 2]], "line"),
            shape("cat", POLYGON, None),
            shape("cat", [[70, 1], [80, 1], [75, 9]]),
        ],
    )
    write(folder, "empty", [])
    (folder / "other.json").write_text("{}")
    summary, content = read(folder)
    assert summary.skipped == {
        "shape_point": 1,
        "shape_line": 1,
        "mask_without_area": 1,
        "json_of_another_kind": 1,
    }
    assert (summary.images, summary.instances) == (2, 1)
    assert [category["name"] for category in content["categories"]] == ["cat"]


def test_a_class_list_gives_every_split_the_same_ids(folder: pathlib.Path) -> None:
    write(folder, "a", [shape("cat", POLYGON)])
    names = folder.parent / "names.txt"
    names.write_text("dog\ncat\n")
    _, content = read(folder, classes_file=str(names))
    assert [category["name"] for category in content["categories"]] == ["dog", "cat"]
    assert content["annotations"][0]["category_id"] == 2


def test_images_lie_in_another_folder_and_paths_of_another_machine_are_found(folder: pathlib.Path) -> None:
    write(folder, "images/a", [shape("cat", POLYGON)], imagePath="C:\\photos\\a.jpg")
    (folder / "labels").mkdir()
    (folder / "images/a.json").rename(folder / "labels/a.json")
    output = str(folder.parent / "coco.json")
    labelme.write_coco(str(folder / "labels"), output, images_dir=str(folder / "images"))
    assert json.loads(pathlib.Path(output).read_text())["images"][0]["file_name"] == "a.jpg"


def test_a_photo_that_lies_on_its_side_has_the_stated_size(folder: pathlib.Path) -> None:
    write(folder, "a", [shape("cat", POLYGON)])
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "a.jpg", exif=exif)
    assert (read(folder)[1]["images"][0]["height"], read(folder)[1]["images"][0]["width"]) == (HEIGHT, WIDTH)
    write(folder, "b", [], imageHeight=None, imageWidth=None)
    PIL.Image.new("RGB", (HEIGHT, WIDTH)).save(folder / "b.jpg", exif=exif)
    assert read(folder)[1]["images"][1]["width"] == WIDTH


def test_the_command_says_what_comes_next(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "a", [shape("cat", POLYGON), shape("cat", [[1, 1]], "point")])
    output = str(folder.parent / "coco.json")
    assert main.main(["data", "labelme", str(folder), "--output", output, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["instances"] == 1
    assert "left out: 1 shape point" in captured.err
    assert f"yolact data convert {output} --images {folder}" in captured.err


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nan", shape("c", [[1, 2], [float("nan"), 3], [4, 5]]), "shapes[0] ('c'): points is nan: give a finite"),
    ("infinite", shape("c", [[1, 2], [3, float("inf")], [4, 5]]), "points is inf"),
    ("huge", shape("c", [[1, 2], [3, 1e300], [4, 5]]), "far outside the image of 40x60"),
    ("huge integer", shape("c", [[1, 2], [3, 10**400], [4, 5]]), "give a finite number"),
    ("far negative", shape("c", [[1, 2], [-9000, 3], [4, 5]]), "far outside the image"),
    ("text", shape("c", [[1, 2], ["3", 4], [4, 5]]), "points is '3'"),
    ("two points", shape("c", [[1, 2], [3, 4]]), "points has 2 points: a polygon has at least 3"),
    ("no points", shape("c", None), "points is None"),
    ("three corners", shape("c", [[1, 2], [3, 4], [5, 6]], "rectangle"), "a rectangle has 2 or 4 points"),
    ("no radius", shape("c", [[5, 5], [5, 5]], "circle"), "points are twice the same"),
    ("huge circle", shape("c", [[5, 5], [5, 1e9]], "circle"), "far outside the image"),
    ("endless circle", shape("c", [[5, 5], [5, 1e300]], "circle"), "shapes[0] ('c'): segmentation: "),
    ("beyond floats", shape("c", [[-1e308, 5], [1e308, 5]], "circle"), "shapes[0] ('c'): segmentation: "),
    ("unknown type", shape("c", POLYGON, "cube"), "shape_type is 'cube': known are polygon"),
    ("list as type", shape("c", POLYGON, [1]), "shape_type is [1]"),
    ("no label", shape("", POLYGON), "label is ''"),
    ("number as label", {"label": 3, "points": POLYGON}, "label is 3"),
    ("group", shape("c", POLYGON, group_id="left"), "group_id is 'left': give an integer"),
    ("no mask", shape("c", [[1, 1], [2, 2]], "mask"), "mask is None"),
    ("mask of text", shape("c", [[1, 1], [2, 2]], "mask", mask="%%%"), "mask cannot be used"),
    ("mask of html", shape("c", [[1, 1], [2, 2]], "mask", mask="PGh0bWw+"), "mask cannot be used"),
    (
        "mask size",
        shape("c", [[1, 1], [2, 2]], "mask", mask=png(np.ones((3, 2)))),
        "it has 3x2 pixels (height x width), expected are 2x2",
    ),
    ("mask outside", shape("c", [[-1, 1], [2, 2]], "mask", mask=png(np.ones((2, 4)))), "outside the image"),
    ("mask at nan", shape("c", [[float("nan"), 1], [2, 2]], "mask", mask="AA=="), "points is nan"),
    ("no object", [1, 2], "shapes[0] is [1, 2]"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("entry", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_shape_that_cannot_be_drawn_is_named(
    folder: pathlib.Path, entry: dict[str, Any], message: str
) -> None:
    write(folder, "a", [entry])
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read(folder)
    assert f"{folder / 'a.json'}: shapes[0]" in str(caught.value)
    assert not (folder.parent / "made").exists()


def _rewrite(text: str) -> Callable[[pathlib.Path], Any]:
    return lambda folder: (folder / "a.json").write_text(text)


def _with(**fields: Any) -> Callable[[pathlib.Path], Any]:
    return lambda folder: write(folder, "a", [shape("cat", POLYGON)], **fields)


BAD_FILES: list[tuple[str, Callable[[pathlib.Path], Any], str]] = [
    ("no json", _rewrite("{"), "a.json: not JSON"),
    ("deep json", _rewrite("[" * 100_000), "a.json: not JSON"),
    ("long integer", _rewrite('{"a": ' + "1" * 5000 + "}"), "a.json: not JSON"),
    ("shapes", lambda folder: write(folder, "a", {}), "a.json: shapes is {}: give a list"),
    (
        "no image",
        lambda folder: (folder / "a.jpg").unlink(),
        "imagePath is 'a.jpg', but there is no such file",
    ),
    ("image of text", lambda folder: (folder / "a.jpg").write_text("<html>"), "a.jpg: cannot be read as an"),
    ("outside", _with(imagePath="../../../../../../../etc/hostname"), "there is no such file"),
    ("absolute", _with(imagePath="/etc/hostname"), "there is no such file"),
    ("nul", _with(imagePath="a\0.jpg"), "give the name of the image file"),
    ("size", _with(imageHeight=41), "imageHeight and imageWidth are 41 and 60, but a.jpg has 40 and 60"),
    ("size as text", _with(imageHeight="high"), "imageHeight is 'high'"),
    ("only one side", _with(imageHeight=None), "imageHeight is None"),
    ("twice", lambda folder: write(folder, "b", [], imagePath="a.jpg"), "imagePath names a.jpg, as"),
    ("no objects", lambda folder: write(folder, "a", []), "none of its 1 images has an object"),
    ("no labelme", _rewrite("{}"), "no labelme file"),
]


@pytest.mark.parametrize(
    ("spoil", "message"), [row[1:] for row in BAD_FILES], ids=[row[0] for row in BAD_FILES]
)
def test_a_file_that_cannot_be_used_is_named_and_nothing_is_written(
    folder: pathlib.Path, spoil: Callable[[pathlib.Path], Any], message: str
) -> None:
    write(folder, "a", [shape("cat", POLYGON)])
    spoil(folder)
    with pytest.raises((OSError, ValueError)) as caught:
        read(folder)
    assert message in str(caught.value)
    assert not (folder.parent / "made").exists()


def test_a_label_that_the_class_list_lacks_is_named(folder: pathlib.Path) -> None:
    write(folder, "a", [shape("cat", POLYGON)])
    names = folder.parent / "names.yaml"
    names.write_text("[dog]")
    with pytest.raises(ValueError, match=r"shapes\[0\]: label is 'cat', which .*names.yaml does not list"):
        read(folder, classes_file=str(names))


def test_a_link_out_of_the_folder_is_not_followed(folder: pathlib.Path) -> None:
    write(folder, "a", [shape("cat", POLYGON)])
    (folder / "a.jpg").rename(folder.parent / "secret.jpg")
    (folder / "a.jpg").symlink_to(folder.parent / "secret.jpg")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        read(folder)
    (folder / "a.json").rename(folder.parent / "secret.json")
    (folder / "a.json").symlink_to(folder.parent / "secret.json")
    with pytest.raises(ValueError, match="a.json: a link that leads out of"):
        read(folder)


def test_a_mutated_file_is_read_or_refused(folder: pathlib.Path) -> None:
    square = png(np.eye(6, 9))
    write(folder, "a", [shape("c", POLYGON), shape("m", [[10, 20], [18, 25]], "mask", mask=square)])
    random = np.random.default_rng(0)
    whole = {name: (folder / name).read_bytes() for name in ("a.json", "a.jpg")}
    outcomes, messages = set(), []
    for turn in range(150):
        name = ("a.json", "a.json", "a.jpg")[turn % 3]
        data = bytearray(whole[name])
        for at in random.integers(0, len(data) if name == "a.json" else 700, 3):
            data[at] = random.integers(256) if turn % 2 else random.choice(list(b'0-9e.,[]{}"'))
        if turn % 10 == 0:
            del data[random.integers(len(data)) :]
        (folder / name).write_bytes(data)
        try:
            outcomes.add(type(read(folder)[0]))
        except (OSError, ValueError) as error:
            outcomes.add(type(error))
            messages.append(str(error))
        (folder / name).write_bytes(whole[name])
    assert {ValueError, labelme.summary.Summary} <= outcomes
    assert [message for message in messages if str(folder) not in message] == []


@pytest.mark.parametrize("kind", ["dangling link", "vanished"])
def test_a_file_that_is_not_there_is_no_label_without_an_image(
    kind: str, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write(folder, name, [shape("cat", POLYGON)])
    if kind == "dangling link":
        (folder / "b.json").unlink()
        (folder / "b.json").symlink_to(folder / "nothing.json")
    else:
        find = image_folders.find_files

        def find_and_lose(*args: Any) -> list[str]:
            found = find(*args)
            if ".json" in args[-1]:
                (folder / "b.json").unlink()
            return found

        monkeypatch.setattr(image_folders, "find_files", find_and_lose)
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        read(folder)
    assert not (folder.parent / "made").exists()


@pytest.mark.parametrize(
    ("there", "name", "found"),
    [
        (["img.jpg", "A/img.jpg"], "a/img.jpg", "A/img.jpg"),
        (["img.jpg", "data/a/img.jpg"], "a/img.jpg", "data/a/img.jpg"),
        (["img.jpg", "b/img.jpg"], "/home/b/img.jpg", ""),
        (["img.jpg", "other/img.jpg"], "a/img.jpg", ""),
        (["img.jpg"], "/home/b/img.jpg", "img.jpg"),
        (["img.jpg"], "..\\photos\\img.jpg", "img.jpg"),
    ],
    ids=["case", "below", "two_tails", "two_names", "moved", "backslashes"],
)
def test_images_are_found_by_the_rule_of_all_commands(
    there: list[str], name: str, found: str, folder: pathlib.Path
) -> None:
    write(folder, "first", [shape("cat", POLYGON)], imagePath=name)
    for file in there:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes((folder / "first.jpg").read_bytes())
    (folder / "first.jpg").unlink()
    if found:
        assert read(folder, allow_most=True)[1]["images"][0]["file_name"] == found
    else:
        with pytest.raises(ValueError, match=r"first\.json: imagePath is .*fits .*: give the exact name"):
            read(folder)


def test_an_image_of_a_moved_file_lies_beside_it(folder: pathlib.Path) -> None:
    for name in ("one/a", "two/a"):
        write(folder, name, [shape("cat", POLYGON)], imagePath="/home/me/photos/a.jpg")
    assert [image["file_name"] for image in read(folder)[1]["images"]] == ["one/a.jpg", "two/a.jpg"]
