"""Pascal SBD: files that SciPy writes come back as COCO JSON; what is damaged is named."""

from __future__ import annotations

import json
import pathlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
import scipy.io
import scipy.sparse
import tensorflow as tf
from pycocotools import coco

from official_yolact.cli import main
from official_yolact.data.conversion import convert
from official_yolact.data.formats import summary as summary_lib
from official_yolact.data.sets import mat_files
from official_yolact.data.sets import sbd
from official_yolact_runtime import categories as categories_lib

SIZES = {"2008_000002": (30, 44), "2008_000003": (41, 33), "2010_000001": (25, 25)}
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"


def segmentation(name: str, count: int) -> np.ndarray:
    """Draw `count` overlapping discs; 0 elsewhere."""
    height, width = SIZES[name]
    rows, columns = np.mgrid[:height, :width]
    result = np.zeros((height, width), np.uint8)
    for number in range(1, count + 1):
        centre = np.array([5 + 4 * number, 8 + 5 * (number % 5)])
        result[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= 30] = number
    return result


def write_mat(path: pathlib.Path, pixels: Any, categories: Any, compress: bool = True, **fields: Any) -> None:
    """Write what the archive has, the sparse boundaries included."""
    boundaries = np.empty((max(len(categories), 1), 1), object)
    for at in range(len(boundaries)):
        boundaries[at, 0] = scipy.sparse.csc_matrix(np.eye(5))
    struct_fields = {
        "Segmentation": pixels,
        "Boundaries": boundaries,
        "Categories": np.asarray(categories, np.uint8).reshape(-1, 1),
    }
    scipy.io.savemat(path, {"GTinst": struct_fields | fields}, do_compression=compress)


@pytest.fixture
def archive(tmp_path: pathlib.Path) -> pathlib.Path:
    """Write a small archive: 3, 1 and no objects; two lists."""
    folder = tmp_path / "dataset"
    for name in ("inst", "img"):
        (folder / name).mkdir(parents=True)
    for at, (name, categories) in enumerate(zip(SIZES, ([15, 1, 20], [7], []), strict=True)):
        write_mat(folder / "inst" / f"{name}.mat", segmentation(name, len(categories)), categories, at != 1)
        photo = np.random.default_rng(at).integers(0, 256, (*SIZES[name], 3), dtype=np.uint8)
        PIL.Image.fromarray(photo).save(folder / "img" / f"{name}.jpg")
    names = list(SIZES)
    (folder / "train.txt").write_text(f"{names[1]}\r\n{names[0]}\n\n{names[2]}")
    (folder / "val.txt").write_text(f"{names[0]}\n")
    return folder


def read_json(folder: pathlib.Path, split: str = "train") -> tuple[summary_lib.Summary, dict[str, Any]]:
    output = folder.parent / "made" / f"{split}.json"
    summary = sbd.write_coco(str(folder), str(folder / f"{split}.txt"), str(output))
    return summary, json.loads(output.read_text())


def test_the_json_has_images_in_list_order_and_a_mask_for_each_object(archive: pathlib.Path) -> None:
    summary, content = read_json(archive)
    assert (summary.images, summary.instances, summary.skipped) == (3, 4, {})
    assert content["images"] == [
        {"id": 2008000003, "file_name": "2008_000003.jpg", "height": 41, "width": 33},
        {"id": 2008000002, "file_name": "2008_000002.jpg", "height": 30, "width": 44},
        {"id": 2010000001, "file_name": "2010_000001.jpg", "height": 25, "width": 25},
    ]
    assert [entry["id"] for entry in content["annotations"]] == [1, 2, 3, 4]
    assert [entry["category_id"] for entry in content["annotations"]] == [7, 15, 1, 20]
    assert {entry["iscrowd"] for entry in content["annotations"]} == {0}
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    assert list(names) == list(range(1, 21))
    assert (names[1], names[11], names[15], names[20]) == ("aeroplane", "diningtable", "person", "tvmonitor")


def test_masks_boxes_and_areas_are_those_of_the_pixels(archive: pathlib.Path) -> None:
    read_json(archive)
    truth = coco.COCO(str(archive.parent / "made" / "train.json"))
    for name, count in zip(SIZES, (3, 1, 0), strict=True):
        pixels, entries = segmentation(name, count), truth.imgToAnns[int(name.replace("_", ""))]
        assert len(entries) == count
        for number, entry in enumerate(entries, start=1):
            np.testing.assert_array_equal(truth.annToMask(entry), pixels == number)
            rows, columns = np.nonzero(pixels == number)
            x, y, width, height = entry["bbox"]
            # The whole mask: a pixel more than the last minus the first.
            assert (x, y) == (columns.min(), rows.min())
            assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
            assert entry["area"] == rows.size


def test_the_json_converts_to_records_with_the_very_masks(archive: pathlib.Path) -> None:
    read_json(archive)
    made = archive.parent / "made"
    manifest = convert.convert_coco(str(made / "train.json"), str(archive / "img"), str(made), "train")
    assert (manifest.num_records, manifest.num_instances) == (3, 4)
    assert (manifest.skipped, manifest.changed) == ({}, {})
    assert [category["name"] for category in manifest.categories] == list(categories_lib.PASCAL.names)
    seen = 0
    for data in tf.data.TFRecordDataset([str(made / shard.file) for shard in manifest.shards]):
        feature = tf.train.Example.FromString(data.numpy()).features.feature
        name = feature["image/filename"].bytes_list.value[0].decode()[:-4]
        mat = scipy.io.loadmat(archive / "inst" / f"{name}.mat")["GTinst"][0, 0]
        assert (
            list(feature["image/object/class/label"].int64_list.value) == mat["Categories"].ravel().tolist()
        )
        for number, png in enumerate(feature["image/object/mask"].bytes_list.value, start=1):
            mask = tf.io.decode_png(png).numpy()[..., 0]
            np.testing.assert_array_equal(mask, mat["Segmentation"] == number)
            seen += 1
    assert seen == 4


def test_the_command_takes_a_split_or_a_list(
    archive: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(archive.parent / "out.json")
    write_mat(archive / "inst" / "2008_000002.mat", segmentation("2008_000002", 2), [1, 2, 3])
    command = ["data", "sbd", str(archive), "--output", output, "--json"]
    assert main.main([*command, "--split", "train"]) == 0
    captured = capsys.readouterr()
    skipped = {"mask_without_area": 1}
    assert json.loads(captured.out) == {"output": output, "images": 3, "instances": 3, "skipped": skipped}
    assert "left out: 1 mask without area" in captured.err
    assert main.main([*command, "--list", str(archive / "val.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 1


def test_an_image_has_the_same_id_in_every_list(archive: pathlib.Path) -> None:
    assert read_json(archive, "val")[1]["images"][0]["id"] == 2008000002


def test_an_object_without_pixels_is_left_out_and_counted(archive: pathlib.Path) -> None:
    write_mat(archive / "inst" / "2008_000003.mat", segmentation("2008_000003", 1), [7, 9])
    summary, content = read_json(archive)
    assert (summary.images, summary.instances, summary.skipped) == (3, 4, {"mask_without_area": 1})
    assert 9 not in [entry["category_id"] for entry in content["annotations"]]


def test_void_pixels_belong_to_no_object(archive: pathlib.Path) -> None:
    pixels = segmentation("2008_000003", 1)
    pixels[0] = 255
    write_mat(archive / "inst" / "2008_000003.mat", pixels, [7])
    found, categories = sbd.read_instances(str(archive / "inst" / "2008_000003.mat"))
    np.testing.assert_array_equal(found, np.where(pixels == 255, 0, pixels))
    assert categories == [7]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compressed", [True, False])
def test_both_byte_orders_are_read_as_scipy_reads_them(
    tmp_path: pathlib.Path, byteorder: str, compressed: bool
) -> None:
    values = np.arange(-6, 18, dtype=np.int16).reshape(4, 6)
    path = tmp_path / "a.mat"
    path.write_bytes(mat_file({"Wide": values, "Small": np.array([[3]], np.uint8)}, byteorder, compressed))
    expected = scipy.io.loadmat(path)["GTinst"][0, 0]
    found = mat_files.read_struct(str(path), "GTinst", ("Small", "Wide"))
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
    np.testing.assert_array_equal(found["Wide"], values)


def _element(kind: int, content: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def _matrix(kind: int, shape: tuple[int, ...], name: bytes, rest: bytes, order: str) -> bytes:
    head = _element(6, struct.pack(f"{order}II", kind, 0), order)
    head += _element(5, struct.pack(f"{order}{len(shape)}i", *shape), order) + _element(1, name, order)
    return _element(14, head + rest, order)


def mat_file(fields: dict[str, np.ndarray], order: str = "<", compressed: bool = False) -> bytes:
    """Write a structure by the published format, without SciPy."""
    kinds = {"uint8": (9, 2), "int16": (10, 3)}
    rest = _element(5, struct.pack(f"{order}i", 8), order)
    rest += _element(1, b"".join(name.encode().ljust(8, b"\0") for name in fields), order)
    for array in fields.values():
        kind, number = kinds[array.dtype.name]
        content = array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")
        rest += _matrix(kind, array.shape, b"", _element(number, content, order), order)
    body = _matrix(2, (1, 1), b"GTinst", rest, order)
    if compressed:
        packed = zlib.compress(body)
        body = struct.pack(f"{order}II", 15, len(packed)) + packed
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x100)
    return head + {"<": b"IM", ">": b"MI"}[order] + body


def _replace_mat(data: bytes) -> Callable[[pathlib.Path], None]:
    return lambda folder: (folder / "inst" / "2008_000002.mat").write_bytes(data) and None


def _save(**fields: Any) -> Callable[[pathlib.Path], None]:
    return lambda folder: write_mat(
        folder / "inst" / "2008_000002.mat", segmentation("2008_000002", 2), [1, 2], **fields
    )


def _replace(name: str, data: bytes) -> Callable[[pathlib.Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def _save_list(folder: pathlib.Path, text: str) -> None:
    (folder / "train.txt").write_text(text)


_BOMB = zlib.compress(bytes(mat_files.MAX_BYTES + 1), 9)

BAD: list[tuple[str, Callable[[pathlib.Path], Any], str]] = [
    ("no mat", lambda d: (d / "inst" / "2008_000002.mat").unlink(), "inst/2008_000002.mat"),
    ("no image", lambda d: (d / "img" / "2008_000002.jpg").unlink(), "img/2008_000002.jpg: no such image"),
    ("image of text", _replace("img/2008_000002.jpg", b"<html>"), "2008_000002.jpg: cannot be read"),
    ("empty mat", _replace_mat(b""), "2008_000002.mat: not a MAT-file of version 5: it begins with b''"),
    ("text", _replace_mat(b"x" * 500), "2008_000002.mat: not a MAT-file of version 5"),
    ("7.3", _replace_mat(b"MATLAB 7.3 MAT-file".ljust(128)), "2008_000002.mat: a MAT-file of version 7.3"),
    ("hdf5", _replace_mat(b"\x89HDF\r\n\x1a\n"), "version 7.3 (HDF5): save it with MATLAB's option -v7"),
    ("header alone", _replace_mat(HEADER), "2008_000002.mat: there is no variable GTinst"),
    ("cut", lambda d: _cut(d / "inst" / "2008_000002.mat"), "2008_000002.mat: "),
    (
        "bomb",
        _replace_mat(HEADER + struct.pack("<II", 15, len(_BOMB)) + _BOMB),
        "2008_000002.mat: its content is larger than 67108864 bytes",
    ),
    ("other field", _replace_mat(mat_file({"Other": np.ones((2, 2), np.uint8)})), "no field Categories"),
    ("cell", _save(Segmentation=np.array([[1, "a"]], object)), "Segmentation does not hold real numbers"),
    ("complex", _save(Segmentation=np.ones((30, 44)) * 1j), "Segmentation does not hold real numbers"),
    ("doubles", _save(Segmentation=np.ones((30, 44))), "Segmentation is float64 of shape (30, 44)"),
    ("three axes", _save(Segmentation=np.ones((30, 44, 3), np.uint8)), "of shape (30, 44, 3)"),
    ("size", _save(Segmentation=np.ones((44, 30), np.uint8)), "has 44x30 pixels"),
    ("category 0", _save(Categories=np.array([[1], [0]], np.uint8)), "GTinst.Categories has 0: 1 to 20"),
    ("category 21", _save(Categories=np.array([[21], [1]], np.uint8)), "GTinst.Categories has 21"),
    ("category 1.5", _save(Categories=np.array([[1.5], [1]])), "GTinst.Categories has 1.5"),
    ("too few", _save(Categories=np.array([[4]], np.uint8)), "has an object 2, but GTinst.Categories only 1"),
    (
        "twice",
        lambda d: _save_list(d, "2008_000002\n\n2008_000002"),
        "2008_000002 is in line 1 and in line 3",
    ),
    ("class list", lambda d: _save_list(d, "2008_000002 -1"), "train.txt: line 1 is '2008_000002 -1'"),
    ("path", lambda d: _save_list(d, "../../etc/passwd"), "line 1 is '../../etc/passwd': an id such as"),
    ("no text", _replace("train.txt", b"\xff\xfe\0"), "train.txt: line 1 is"),
    ("empty list", lambda d: _save_list(d, "\n"), "train.txt: the list is empty"),
    ("no list", lambda d: (d / "train.txt").unlink(), "train.txt"),
    ("no objects", lambda d: _save_list(d, "2010_000001"), "none of its 1 images has an object"),
    ("no inst", lambda d: (d / "inst").rename(d / "instances"), "inst: no such folder"),
]


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(("spoil", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_used_is_named_and_nothing_is_written(
    archive: pathlib.Path, spoil: Callable[[pathlib.Path], Any], message: str
) -> None:
    spoil(archive)
    with pytest.raises((OSError, ValueError)) as caught:
        read_json(archive)
    assert message in str(caught.value)
    assert not (archive.parent / "made").exists()


def test_nested_cells_beside_the_fields_are_not_followed(tmp_path: pathlib.Path) -> None:
    # As many levels end a process that follows them on its stack.
    cell = b""
    head = _matrix(1, (1, 1), b"", b"", "<")[8:]
    levels, size = [], 0
    for _ in range(100_000):
        size += len(head) + 8
        levels.append(struct.pack("<II", 14, size - 8) + head)
    cell = b"".join(reversed(levels))
    rest = _element(5, struct.pack("<i", 16), "<") + _element(
        1, b"Nested".ljust(16, b"\0") + b"Categories".ljust(16, b"\0"), "<"
    )
    rest += cell + _matrix(9, (1, 1), b"", _element(2, b"\x07", "<"), "<")
    path = tmp_path / "nested.mat"
    path.write_bytes(HEADER + _matrix(2, (1, 1), b"GTinst", rest, "<"))
    np.testing.assert_array_equal(
        mat_files.read_struct(str(path), "GTinst", ["Categories"])["Categories"], [[7]]
    )
    with pytest.raises(ValueError, match="Nested does not hold real numbers"):
        mat_files.read_struct(str(path), "GTinst", ["Nested"])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_mutated_file_is_read_or_refused(tmp_path: pathlib.Path, compressed: bool) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "mutated.mat"
    original = mat_file(
        {"Segment": np.ones((6, 9), np.uint8), "Classes": np.array([[4]], np.uint8)}, "<", compressed
    )
    read = refused = 0
    for _ in range(1500):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(126, len(data)))
            choice = rng.integers(3)
            if choice == 0:
                data[place] = rng.integers(256)
            elif choice == 1:
                del data[place : place + int(rng.integers(1, 9))]
            else:
                data[place:place] = rng.bytes(int(rng.integers(1, 9)))
            if len(data) < 130:
                break
        path.write_bytes(bytes(data))
        reason = ""
        try:
            found = mat_files.read_struct(str(path), "GTinst", ("Segment", "Classes"))
        except ValueError as error:
            reason = str(error)
        if reason:
            assert reason.startswith(str(path))
            refused += 1
        else:
            assert all(array.size <= len(original) for array in found.values())
            read += 1
    assert read
    assert refused > 500
