"""Folders of masks: both conventions come back in the records; what is ambiguous is refused."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pycocotools import mask as coco_mask

from official_yolact.cli import main
from official_yolact.data.formats import mask_folder

HEIGHT, WIDTH = 30, 50


def write_image(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30)).save(path)


def write_mask(path: pathlib.Path, values: Any, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(np.asarray(values))
    if mode == "P":
        picture.putpalette([17 * number % 256 for number in range(768)])
    picture.save(path)


def label_map(*values: int, dtype: Any = np.uint8) -> np.ndarray:
    """Lay bars of values side by side, six columns each, on a background."""
    result = np.zeros((HEIGHT, WIDTH), dtype)
    for at, value in enumerate(values):
        result[at : HEIGHT - 2 * at, 7 * at : 7 * at + 6] = value
    return result


@pytest.fixture
def images(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("a.jpg", "b.png", "sub/c.jpg"):
        write_image(tmp_path / "images" / name)
    return tmp_path / "images"


@pytest.fixture
def masks(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "masks"


def read(images: pathlib.Path, masks: pathlib.Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    output = images.parent / "made" / "coco.json"
    options = {"allow_most": True} | options
    summary = mask_folder.write_coco(str(images), str(masks), str(output), **options)
    return summary, json.loads(output.read_text())


def test_the_records_hold_label_maps_of_8_and_16_bits_and_with_a_palette(
    images: pathlib.Path, masks: pathlib.Path, convert_and_read: Callable[..., Any]
) -> None:
    maps = {
        "a.jpg": label_map(3, 255, 7),
        "b.png": label_map(40_000, 256, dtype=np.uint16),
        "sub/c.jpg": label_map(9, 2, 9),
    }
    write_mask(masks / "a.png", maps["a.jpg"])
    write_mask(masks / "b.png", maps["b.png"])
    write_mask(masks / "sub/c.png", maps["sub/c.jpg"], "P")
    summary, content = read(images, masks, class_name="cell")
    assert (summary.images, summary.instances, summary.classes, summary.skipped) == (3, 7, 1, {})
    assert content["categories"][0]["name"] == "cell"
    stored = convert_and_read(str(images.parent / "made" / "coco.json"), str(images))
    assert list(stored) == list(maps)
    for name, values in maps.items():
        wanted = [values == value for value in sorted(set(values.ravel().tolist()) - {0})]
        assert len(stored[name]) == len(wanted)
        for (label, _, found), expected in zip(stored[name], wanted, strict=True):
            assert label == 1
            np.testing.assert_array_equal(found, expected)


def test_the_records_hold_overlapping_binary_masks(
    images: pathlib.Path, masks: pathlib.Path, convert_and_read: Callable[..., Any]
) -> None:
    first, second = label_map(255), label_map(0, 1)
    second[:, :4] = 1
    write_mask(masks / "a_1.png", first)
    write_mask(masks / "a_x_2.png", second)
    write_mask(masks / "b" / "any.png", second.astype(bool))
    (masks / "sub" / "c").mkdir(parents=True)
    summary, _ = read(images, masks)
    assert (summary.images, summary.instances, summary.skipped) == (3, 3, {})
    stored = convert_and_read(str(images.parent / "made" / "coco.json"), str(images))
    np.testing.assert_array_equal([mask for _, _, mask in stored["a.jpg"]], [first != 0, second != 0])
    np.testing.assert_array_equal(stored["b.png"][0][2], second != 0)
    assert stored["sub/c.jpg"] == []


def test_instance_ids_of_cityscapes_have_classes_and_crowds(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "images" / "ulm" / "ulm_1_leftImg8bit.png")
    values = label_map(24_000, 26_001, 7, 26, 26_000, 33_000, dtype=np.uint16)
    write_mask(tmp_path / "gt" / "ulm" / "ulm_1_gtFine_instanceIds.png", values)
    write_mask(tmp_path / "gt" / "ulm" / "ulm_1_gtFine_labelIds.png", values)
    (tmp_path / "classes.yaml").write_text("24: person\n26: car\n")
    output = tmp_path / "coco.json"
    command = ["data", "masks", str(tmp_path / "images"), str(tmp_path / "gt"), "--output", str(output)]
    command += ["--classes", str(tmp_path / "classes.yaml"), "--image-suffix", "_leftImg8bit"]
    assert main.main([*command, "--mask-suffix", "_gtFine_instanceIds", "--json"]) == 0
    skipped = {"value_of_no_listed_class": 2}
    assert json.loads(capsys.readouterr().out)["skipped"] == skipped
    content = json.loads(output.read_text())
    found = [(entry["category_id"], entry["iscrowd"], entry["area"]) for entry in content["annotations"]]
    assert found == [
        (number, crowd, int((values == value).sum()))
        for number, crowd, value in [(26, 1, 26), (24, 0, 24_000), (26, 0, 26_000), (26, 0, 26_001)]
    ]
    np.testing.assert_array_equal(
        coco_mask.decode(content["annotations"][3]["segmentation"]) != 0, values == 26_001
    )


def test_images_without_masks_and_masks_without_images_are_counted(
    images: pathlib.Path, masks: pathlib.Path
) -> None:
    write_mask(masks / "a.png", label_map(1))
    write_mask(masks / "b.png", label_map())
    write_mask(masks / "other_1.png", label_map(1))
    summary, content = read(images, masks)
    assert summary.skipped == {"mask_without_image": 1, "image_without_masks": 1}
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "b.png"]


def test_a_mask_belongs_to_the_longest_name(tmp_path: pathlib.Path) -> None:
    for name in ("a", "a_1"):
        write_image(tmp_path / "images" / f"{name}.jpg")
    write_mask(tmp_path / "masks" / "a_2.png", label_map(1))
    write_mask(tmp_path / "masks" / "a_1_2.png", label_map(1, 1))
    write_mask(tmp_path / "masks" / "a_1_3.png", label_map(0, 1))
    _, content = read(tmp_path / "images", tmp_path / "masks")
    assert [entry["image_id"] for entry in content["annotations"]] == [1, 2, 2]


def test_a_grey_mask_of_three_channels_is_read(images: pathlib.Path, masks: pathlib.Path) -> None:
    write_mask(masks / "a.png", np.repeat(label_map(5, 6)[..., None], 3, axis=-1))
    assert read(images, masks)[0].instances == 2


def test_a_mask_drawn_before_the_photo_was_turned_keeps_its_size(
    images: pathlib.Path, masks: pathlib.Path, convert_and_read: Callable[..., Any]
) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (WIDTH, HEIGHT)).save(images / "a.jpg", exif=exif)
    write_mask(masks / "a.png", label_map(1))
    read(images, masks)
    stored = convert_and_read(str(images.parent / "made" / "coco.json"), str(images))
    np.testing.assert_array_equal(stored["a.jpg"][0][2], label_map(1) != 0)


def _colours() -> np.ndarray:
    return np.stack([label_map(1), label_map(2), label_map(3)], axis=-1)


def _write(name: str, values: Any) -> Callable[[pathlib.Path], Any]:
    return lambda masks: write_mask(masks / name, values)


BAD: list[tuple[str, Callable[[pathlib.Path], Any], dict[str, Any], str]] = [
    (
        "size",
        _write("a.png", np.ones((50, 30), np.uint8)),
        {},
        "a.png: cannot be used as a mask (it has 50x30",
    ),
    ("colours", _write("a.png", _colours()), {}, "a.png: cannot be used as a mask (it has colours"),
    ("no png", lambda d: (d / "a.png").write_bytes(b"<html>"), {}, "a.png: cannot be used as a mask"),
    ("empty", lambda d: (d / "a.png").write_bytes(b""), {}, "a.png: cannot be used as a mask"),
    (
        "cut",
        lambda d: (d / "a.png").write_bytes((d / "b.png").read_bytes()[:60]),
        {},
        "a.png: cannot be used",
    ),
    ("grey", _write("a_1.png", label_map(1, 2, 3)), {}, "a_1.png: 4 values from 0 to 3: a binary mask has 0"),
    ("no background", _write("a_1.png", label_map(1, 2) + 5), {}, "a_1.png: 3 values from 5 to 7"),
    ("both forms", _write("b_1.png", label_map(1)), {}, "are both masks of b.png"),
    (
        "picture",
        _write("a.png", np.arange(6000, dtype=np.uint16).reshape(60, 100)),
        {"size": (60, 100)},
        "a.png: 5999 values, more than 5000 objects",
    ),
    ("binary with classes", _write("a_1.png", label_map(1)), {"classes": "x\ny"}, "which of the 2 classes"),
    (
        "class 0",
        _write("a.png", label_map(1)),
        {"classes": "[x]", "first": 0},
        "the value 0 is the background",
    ),
    ("empty names", _write("a.png", label_map(1)), {"classes": "\n"}, "the classes are {}"),
    ("blank name", _write("a.png", label_map(1)), {"classes": "x\n\ny"}, "class 2 is ''"),
]


@pytest.mark.parametrize(
    ("spoil", "options", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_what_cannot_be_used_is_named_and_nothing_is_written(
    images: pathlib.Path,
    masks: pathlib.Path,
    spoil: Callable[[pathlib.Path], Any],
    options: dict[str, Any],
    message: str,
) -> None:
    write_mask(masks / "b.png", label_map(1))
    if "size" in options:
        PIL.Image.new("RGB", options["size"][::-1]).save(images / "a.jpg")
    arguments = {}
    if "classes" in options:
        suffix = ".yaml" if "first" in options else ".txt"
        text = "{0: x}" if "first" in options else options["classes"]
        (masks / f"names{suffix}").write_text(text)
        arguments["classes_file"] = str(masks / f"names{suffix}")
    spoil(masks)
    with pytest.raises((OSError, ValueError)) as caught:
        read(images, masks, **arguments)
    assert message in str(caught.value)
    assert not (images.parent / "made").exists()


def test_a_set_without_masks_images_or_folder_is_refused(images: pathlib.Path, masks: pathlib.Path) -> None:
    with pytest.raises(NotADirectoryError, match="masks: no such folder"):
        read(images, masks)
    masks.mkdir()
    with pytest.raises(ValueError, match=r"no mask of one of the 3 images in .* are a.png, a_\*.png or"):
        read(images, masks)
    with pytest.raises(ValueError, match="no image whose name ends in _left"):
        read(images, masks, image_suffix="_left")
    write_image(images / "a.png")
    with pytest.raises(ValueError, match=r"a.jpg and a.png would have the same masks"):
        read(images, masks)


def test_a_mutated_mask_is_read_or_refused(images: pathlib.Path, masks: pathlib.Path) -> None:
    random, path, messages = np.random.default_rng(0), masks / "a.png", []
    for mode in (None, "P"):
        write_mask(path, label_map(1, 2, 3), mode)
        whole = path.read_bytes()
        for _ in range(100):
            data = bytearray(whole)
            for at in random.integers(0, len(data), 2):
                data[at] = random.integers(256)
            path.write_bytes(data)
            try:
                read(images, masks)
            except ValueError as error:
                messages.append(str(error))
    assert messages
    assert [text for text in messages if str(path) not in text and "none of its" not in text] == []


def test_a_header_that_claims_a_huge_mask_is_refused_before_it_is_decoded(
    images: pathlib.Path, masks: pathlib.Path
) -> None:
    masks.mkdir()
    PIL.Image.new("L", (8000, 8000)).save(masks / "a.png")
    with pytest.raises(ValueError, match="a.png: cannot be used as a mask .it has 8000x8000 pixels"):
        read(images, masks)
    PIL.Image.new("L", (8000, 8000)).save(images / "a.jpg")
    with pytest.raises(ValueError, match="a.jpg: .*8000x8000 pixels are more than 50000000"):
        read(images, masks)
