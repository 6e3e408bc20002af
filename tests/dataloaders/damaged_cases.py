"""Damaged TFRecord data, read in a process of its own: `python damaged_cases.py FOLDER CASE...`.

Each case prints a line of JSON when it begins and one with what came of it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
import struct
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[[pathlib.Path], Any]] = {}

RECORDS_PER_SHARD = 6


def case(function: Callable[[pathlib.Path], Any]) -> Callable[[pathlib.Path], Any]:
    CASES[function.__name__] = function
    return function


def _write(
    folder: pathlib.Path, *shards: list[bytes], manifest: bool = True, **changed: Any
) -> list[pathlib.Path]:
    import tensorflow as tf

    files, entries = [], []
    for index, records in enumerate(shards):
        files.append(folder / f"train-{index:05d}-of-{len(shards):05d}.tfrecord")
        with tf.io.TFRecordWriter(str(files[-1])) as writer:
            for record in records:
                writer.write(record)
        entries.append({"file": files[-1].name, "records": len(records), "bytes": files[-1].stat().st_size})
    if manifest:
        _write_manifest(folder, entries, **changed)
    return files


def _write_manifest(folder: pathlib.Path, entries: Any, **changed: Any) -> None:
    import hashlib

    for entry in entries:
        if (folder / entry["file"]).exists():
            entry["sha256"] = hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()
    names = [{"id": number, "name": f"class {number}"} for number in (1, 2, 3)]
    content = {**whole_manifest(entries, names), "num_instances": 99, **changed}
    (folder / "manifest-train.json").write_text(json.dumps(content))


def whole_manifest(entries: Any, categories: Any) -> dict[str, Any]:
    content = dict.fromkeys(("num_records", "num_instances", "images_in", "instances_in"), 1)
    tables = (
        "source",
        "skipped",
        "changed",
        "options",
        "instances_per_image",
        "skipped_images",
        "skipped_ids",
    )
    return {
        **content,
        **{key: {} for key in (*tables, "category_map")},
        "name": "train",
        "annotations": "instances-train.json",
        "shards": [{"instances": 1, "sha256": "", **entry} for entry in entries],
        "categories": categories,
    }


def _plain(count: int = RECORDS_PER_SHARD, first: int = 0, size: int = 200) -> list[bytes]:
    return [f"{first + index},".encode() * (size // 2) for index in range(count)]


def _offsets(file: pathlib.Path) -> list[int]:
    data, offsets = file.read_bytes(), [0]
    while offsets[-1] < len(data):
        offsets.append(offsets[-1] + 16 + struct.unpack_from("<Q", data, offsets[-1])[0])
    return offsets


def _flip(file: pathlib.Path, byte: int, bit: int = 3) -> None:
    data = bytearray(file.read_bytes())
    data[byte] ^= 1 << bit
    file.write_bytes(data)


def _header(length: int) -> bytes:
    from official_yolact.records import crc32c

    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", crc32c.masked_crc32c(packed))


def _read(folder: pathlib.Path, verify: str = "records", path: str | None = None) -> Any:
    """Read every record through the reader of evaluation: the leading number of each, -1 if blank."""
    from official_yolact.dataloaders import reader
    from official_yolact.dataloaders import shards as shards_lib

    shards = shards_lib.find_shards(path or str(folder / "train-*.tfrecord"), num_classes=4, verify=verify)
    records = [record for _, _, record in reader.read_in_order(shards).as_numpy_iterator()]
    return [int(record.split(b",")[0]) if record else -1 for record in records]


def _two_shards(folder: pathlib.Path, **changed: Any) -> list[pathlib.Path]:
    return _write(folder, _plain(), _plain(first=RECORDS_PER_SHARD), **changed)


def _flipped(folder: pathlib.Path, byte: int) -> Any:
    first, _ = _two_shards(folder)
    _flip(first, _offsets(first)[2] + byte)
    return _read(folder)


@case
def flipped_bit_in_length(folder: pathlib.Path) -> Any:
    return _flipped(folder, 1)


@case
def flipped_bit_in_high_byte_of_length(folder: pathlib.Path) -> Any:
    return _flipped(folder, 7)


@case
def flipped_bit_in_checksum_of_length(folder: pathlib.Path) -> Any:
    return _flipped(folder, 9)


@case
def flipped_bit_in_payload(folder: pathlib.Path) -> Any:
    return _flipped(folder, 50)


@case
def flipped_bit_in_checksum_of_payload(folder: pathlib.Path) -> Any:
    return _flipped(folder, 12 + 200 + 1)


@case
def flipped_bits_in_three_records(folder: pathlib.Path) -> Any:
    first, second = _two_shards(folder)
    offsets = _offsets(first)
    for place in (offsets[0] + 40, offsets[2] + 3, offsets[5] + 213):
        _flip(first, place)
    _flip(second, 100)
    return _read(folder)


@case
def any_flipped_bit(folder: pathlib.Path) -> Any:
    """Flip every bit of a header and one of each other byte; list what costs not just that record."""
    import tensorflow as tf

    from official_yolact.records import framing

    read_at = tf.function(framing.read_at, autograph=False)
    (file,) = _write(folder, [b"0123456789", b"abcdefghij"], manifest=False)
    whole, wrong = file.read_bytes(), []
    for bit in (*range(96), *range(96, 8 * len(whole), 9)):
        # A name of its own each time: the index of a file is kept until its time stamp changes.
        damaged = folder / f"flipped-{bit}.tfrecord"
        damaged.write_bytes(whole)
        _flip(damaged, bit // 8, bit % 8)
        offsets = framing.index_records(str(damaged))
        read = [read_at(tf.constant(str(damaged)), tf.constant(offset)).numpy() for offset in offsets]
        expected = [b"0123456789", b"abcdefghij"]
        expected[bit // 8 // 26] = b""
        if read != expected:
            wrong.append([bit, offsets.tolist()])
    return wrong


def _cut(folder: pathlib.Path, place: Callable[[list[int]], int], manifest: bool) -> Any:
    first, _ = _two_shards(folder, manifest=manifest)
    first.write_bytes(first.read_bytes()[: place(_offsets(first))])
    return _read(folder)


_CUTS: dict[str, Callable[[list[int]], int]] = {
    "payload": lambda offsets: offsets[3] + 60,
    "footer": lambda offsets: offsets[4] - 2,
    "header": lambda offsets: offsets[3] + 5,
    "record_boundary": lambda offsets: offsets[3],
}
for _name, _place in _CUTS.items():
    for _manifest in (True, False):
        CASES[f"cut_in_{_name}_{'with' if _manifest else 'without'}_manifest"] = (
            lambda folder, place=_place, manifest=_manifest: _cut(folder, place, manifest)  # type: ignore[misc]
        )


def _crafted(folder: pathlib.Path, length: int, manifest: bool = True) -> Any:
    """Replace the third record's header by a sound one that states another length."""
    first, _ = _two_shards(folder, manifest=manifest)
    data = bytearray(first.read_bytes())
    place = _offsets(first)[2]
    data[place : place + 12] = _header(length)
    first.write_bytes(data)
    return _read(folder)


@case
def crafted_length_of_40_gib(folder: pathlib.Path) -> Any:
    return _crafted(folder, 40 << 30)


@case
def crafted_length_of_40_gib_without_manifest(folder: pathlib.Path) -> Any:
    return _crafted(folder, 40 << 30, manifest=False)


@case
def crafted_length_beyond_63_bits(folder: pathlib.Path) -> Any:
    return _crafted(folder, 2**63 + 5)


@case
def crafted_length_that_overflows(folder: pathlib.Path) -> Any:
    return _crafted(folder, 2**64 - 16)


@case
def crafted_length_that_swallows_records(folder: pathlib.Path) -> Any:
    return _crafted(folder, 200 + 216)


@case
def crafted_length_into_a_payload(folder: pathlib.Path) -> Any:
    return _crafted(folder, 250)


@case
def zeroed_header(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    data = bytearray(first.read_bytes())
    place = _offsets(first)[2]
    data[place - 10 : place + 30] = bytes(40)
    first.write_bytes(data)
    return _read(folder)


@case
def compressed_file(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder, manifest=False)
    first.write_bytes(gzip.compress(first.read_bytes()))
    return _read(folder)


@case
def text_file(folder: pathlib.Path) -> Any:
    (folder / "train-0.tfrecord").write_text("<html>404 Not Found</html>" * 20)
    return _read(folder)


@case
def two_empty_shards(folder: pathlib.Path) -> Any:
    _write(folder, [], [], manifest=False)
    return _read(folder)


@case
def two_empty_shards_with_manifest(folder: pathlib.Path) -> Any:
    _write(folder, [], [])
    return _read(folder)


@case
def zero_byte_shards_of_a_killed_conversion(folder: pathlib.Path) -> Any:
    for file in _two_shards(folder):
        file.write_bytes(b"")
    return _read(folder)


@case
def one_empty_shard_beside_a_full_one(folder: pathlib.Path) -> Any:
    _write(folder, [], _plain())
    return _read(folder)


@case
def no_instance_is_left(folder: pathlib.Path) -> Any:
    _two_shards(folder, num_instances=0)
    return _read(folder)


@case
def glob_without_match(folder: pathlib.Path) -> Any:
    return _read(folder)


@case
def missing_plain_name(folder: pathlib.Path) -> Any:
    return _read(folder, path=str(folder / "train.tfrecord"))


@case
def folder_as_path(folder: pathlib.Path) -> Any:
    return _read(folder, path=str(folder))


@case
def listed_shard_is_missing(folder: pathlib.Path) -> Any:
    _two_shards(folder)[1].unlink()
    return _read(folder)


@case
def unlisted_shard_beside_listed_ones(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    (folder / "train-00007-of-00009.tfrecord").write_bytes(first.read_bytes())
    return _read(folder)


@case
def listed_shard_is_left_out_by_the_glob(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    return _read(folder, path=str(first))


@case
def another_file_of_the_same_size(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (other,) = _write(elsewhere, _plain(first=3), manifest=False)
    assert first.stat().st_size == other.stat().st_size
    other.replace(first)
    return _read(folder, verify="sha256")


@case
def damage_found_by_sha256(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    _flip(first, _offsets(first)[2] + 50)
    return _read(folder, verify="sha256")


@case
def another_number_of_records(folder: pathlib.Path) -> Any:
    files = _two_shards(folder)
    sizes = [file.stat().st_size for file in files]
    _write_manifest(
        folder,
        [{"file": file.name, "records": 5, "bytes": size} for file, size in zip(files, sizes, strict=True)],
    )
    return _read(folder)


@case
def damage_where_only_sizes_are_checked(folder: pathlib.Path) -> Any:
    first, _ = _two_shards(folder)
    _flip(first, _offsets(first)[2] + 50)
    return _read(folder, verify="sizes")


@case
def manifest_is_not_json(folder: pathlib.Path) -> Any:
    _two_shards(folder)
    (folder / "manifest-train.json").write_text('{"shards": [')
    return _read(folder)


@case
def manifest_is_binary(folder: pathlib.Path) -> Any:
    _two_shards(folder)
    (folder / "manifest-train.json").write_bytes(b"\xff\xfe\x00\x80")
    return _read(folder)


@case
def manifest_without_sizes(folder: pathlib.Path) -> Any:
    first, second = _two_shards(folder)
    _write_manifest(folder, [{"file": first.name, "records": 6}, {"file": second.name, "records": 6}])
    return _read(folder)


@case
def manifest_that_claims_a_trillion_records(folder: pathlib.Path) -> Any:
    first, second = _two_shards(folder)
    entries = [
        {"file": file.name, "records": 10**12, "bytes": file.stat().st_size} for file in (first, second)
    ]
    _write_manifest(folder, entries)
    return _read(folder, verify="sizes")


@case
def another_number_of_classes(folder: pathlib.Path) -> Any:
    _two_shards(folder, categories=[{"id": 1, "name": "nut"}])
    return _read(folder)


@case
def file_vanishes_after_the_start(folder: pathlib.Path) -> Any:
    from official_yolact.dataloaders import reader
    from official_yolact.dataloaders import shards as shards_lib

    first, _ = _two_shards(folder)
    shards = shards_lib.find_shards(str(folder / "train-*.tfrecord"))
    first.unlink()
    records = [record for _, _, record in reader.read_in_order(shards).as_numpy_iterator()]
    return [int(record.split(b",")[0]) if record else -1 for record in records]


def _png_bomb(side: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer, packed = zlib.compressobj(9), io.BytesIO()
    for _ in range(side):
        packed.write(packer.compress(bytes(side + 1)))
    packed.write(packer.flush())
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", packed.getvalue()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _encode(kind: str) -> bytes:
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind)
    return buffer.getvalue()


def _contents() -> dict[str, bytes]:
    """Records with one fault each, by name; `build_record` has 48 by 64 pixels and three classes."""
    import conftest
    import numpy as np

    def build(image_id: int, **fault: Any) -> bytes:
        return conftest.build_record(image_id, **fault)

    jpeg, png = _encode("JPEG"), _encode("PNG")
    lying = bytearray(jpeg)
    frame = jpeg.index(b"\xff\xc0")
    lying[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 60000)
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 8
    images = {
        "zero_bytes": b"",
        "html": b"<html>not found</html>",
        "bad_marker": b"\xff\xd8\xff not an image",
        "jpeg_cut_in_half": jpeg[: len(jpeg) // 2],
        "jpeg_without_its_last_two_bytes": jpeg[:-2],
        "png_cut_in_half": png[: len(png) // 2],
        "png_with_a_flipped_bit": bytes(flipped),
        "jpeg_that_claims_60000_pixels": bytes(lying),
        "png_bomb": _png_bomb(8000),
        "tiff": _encode("TIFF"),
    }
    box = {"boxes": ((8, 10, 24, 40),)}
    other = np.ones((64, 48), np.uint8)
    faults: dict[str, dict[str, Any]] = {
        **{f"image_{name}": {"image__encoded": [data]} for name, data in images.items()},
        "class_above_the_model": {**box, "classes": [4]},
        "class_zero": {**box, "classes": [0]},
        "class_negative": {**box, "classes": [-1]},
        "class_huge": {**box, "classes": [2**40]},
        "mask_no_png": {"image__object__mask": [b"no mask"]},
        "mask_empty": {"image__object__mask": [b""]},
        "mask_of_another_size": {"image__object__mask": [conftest.encode(other)]},
        "mask_cut": {"image__object__mask": [conftest.encode(np.eye(48, 64, dtype=np.uint8))[:-20]]},
        "mask_bomb": {"image__object__mask": [_png_bomb(6000)]},
        "masks_missing": {"drop": ["image/object/mask"]},
        "box_nan": {"image__object__bbox__xmax": [float("nan")]},
        "box_infinite": {"image__object__bbox__xmax": [float("inf")]},
        "boxes_fewer_than_classes": {"image__object__bbox__xmax": []},
        "image_missing": {"drop": ["image/encoded"]},
        "source_id_missing": {"drop": ["image/source_id"]},
        "source_id_a_name": {"image__source_id": [b"a name"]},
        "label_of_the_wrong_type": {"image__object__class__label": [b"nut"]},
    }
    records = {name: build(100 + place, **fault) for place, (name, fault) in enumerate(faults.items())}
    records["no_example"] = b"\x99 these bytes are no example"
    records["empty_record"] = b""
    return records


@case
def faulty_contents(folder: pathlib.Path) -> Any:
    """Evaluate and train on records with every fault, each between two sound ones."""
    import conftest

    from official_yolact.configs import yolact as configs
    from official_yolact.dataloaders import input_reader
    from official_yolact.dataloaders import unusable

    contents = _contents()
    records = []
    for place, record in enumerate(contents.values()):
        records += [conftest.build_record(place + 1), record]
    _write(folder, records)
    model = configs.YolactModel(num_classes=4, input_size=[64, 96])
    result: dict[str, Any] = {"names": list(contents)}
    for training in (False, True):
        config = configs.DataConfig(
            input_path=str(folder / "train-*.tfrecord"),
            is_training=training,
            global_batch_size=len(records),
            shuffle_buffer_size=10,
        )
        found = unusable.UnusableRecords()
        _, labels = next(input_reader.build_dataset(config, model, 0, found=found).as_numpy_iterator())
        kind = "train" if training else "eval"
        result[f"{kind}_ids"] = sorted(int(value) for value in labels["image_id"])
        result[f"{kind}_weight"] = float(labels["weight"].sum())
        result[f"{kind}_faults"] = [
            {"index": fault.index, "reason": fault.reason, "text": str(fault)}
            for fault in found.take(num_classes=4)
        ]
    return result


def main(folder: str, names: list[str]) -> None:
    # The helpers of all tests lie one folder up; `conftest` is the one beside this file.
    sys.path.append(str(pathlib.Path(__file__).parents[1]))
    import peak_memory

    for name in names:
        print(json.dumps({"case": name}), flush=True)
        place = pathlib.Path(folder, name)
        place.mkdir(parents=True)
        start = time.perf_counter()
        try:
            came: dict[str, Any] = {"value": CASES[name](place)}
        except (ValueError, OSError) as error:
            came = {"error": type(error).__name__, "message": str(error)}
        came["seconds"] = time.perf_counter() - start
        came["peak_mb"] = peak_memory.peak_kb() / 1024
        print(json.dumps({"case": name, **came}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(sys.argv[1], sys.argv[2:])
