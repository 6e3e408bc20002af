"""Damaged data: every case in a process that is watched; none crashes, hangs, or passes in silence."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
from typing import Any

import pytest

import official_yolact
import official_yolact_runtime

PACKAGES = (official_yolact, official_yolact_runtime)
_SCRIPT = pathlib.Path(__file__).with_name("damaged_cases.py")
_TIME_LIMIT = 90.0  # seconds for a case, the start of TensorFlow included, on a busy machine
_MEMORY_LIMIT = 2500.0  # MB at the peak, about 800 of them TensorFlow's

_WITHOUT_THIRD = [0, 1, -1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
_SHARD = r"train-00000-of-00002\.tfrecord: "
_MISFIT = _SHARD + r"the record at byte \d+ does not fit into the file's \d+ bytes"

READ = {
    "flipped_bit_in_length": _WITHOUT_THIRD,
    "flipped_bit_in_high_byte_of_length": _WITHOUT_THIRD,
    "flipped_bit_in_checksum_of_length": _WITHOUT_THIRD,
    "flipped_bit_in_payload": _WITHOUT_THIRD,
    "flipped_bit_in_checksum_of_payload": _WITHOUT_THIRD,
    "flipped_bits_in_three_records": [-1, 1, -1, 3, 4, -1, -1, 7, 8, 9, 10, 11],
    "any_flipped_bit": [],
    "cut_in_record_boundary_without_manifest": [0, 1, 2, 6, 7, 8, 9, 10, 11],
    "one_empty_shard_beside_a_full_one": [0, 1, 2, 3, 4, 5],
    "listed_shard_is_left_out_by_the_glob": [0, 1, 2, 3, 4, 5],
    "damage_where_only_sizes_are_checked": [0, 1, -1, -1, -1, -1, 6, 7, 8, 9, 10, 11],
    "file_vanishes_after_the_start": [-1, -1, -1, -1, -1, -1, 6, 7, 8, 9, 10, 11],
}
SAID = {
    "cut_in_record_boundary_without_manifest": r"2 files have no manifest .* cannot be told",
    "listed_shard_is_left_out_by_the_glob": r"manifest-train.json lists 1 shards that input_path leaves out",
}
REFUSED = {
    "cut_in_payload_with_manifest": _SHARD + r"708 bytes, but .*manifest-train.json says 1296",
    "cut_in_payload_without_manifest": _MISFIT,
    "cut_in_footer_with_manifest": _SHARD + r"862 bytes, but .*manifest-train.json says 1296",
    "cut_in_footer_without_manifest": _MISFIT,
    "cut_in_header_with_manifest": _SHARD + r"653 bytes, but .*manifest-train.json says 1296",
    "cut_in_header_without_manifest": _MISFIT,
    "cut_in_record_boundary_with_manifest": _SHARD + r"648 bytes, but .*manifest-train.json says 1296",
    "crafted_length_of_40_gib": _MISFIT + r".*42949672960",
    "crafted_length_of_40_gib_without_manifest": _MISFIT + r".*42949672960",
    "crafted_length_beyond_63_bits": _MISFIT,
    "crafted_length_that_overflows": _MISFIT,
    "crafted_length_that_swallows_records": _SHARD + r"5 records, but .*manifest-train.json says 6",
    "crafted_length_into_a_payload": _SHARD + r"no record begins at byte 698",
    "zeroed_header": _SHARD + r"no record begins at byte 432",
    "compressed_file": _SHARD + r"no record begins at byte 0",
    "text_file": r"train-0\.tfrecord: no record begins at byte 0",
    "two_empty_shards": r"train-\*\.tfrecord'?: 2 files without a record",
    "two_empty_shards_with_manifest": r"train-\*\.tfrecord'?: 2 files without a record",
    "zero_byte_shards_of_a_killed_conversion": _SHARD + r"0 bytes, but .*manifest-train.json says 1296",
    "no_instance_is_left": r"manifest-train\.json: none of the records has an instance",
    "glob_without_match": r"train-\*\.tfrecord': no such file",
    "missing_plain_name": r"train\.tfrecord': no such file",
    "folder_as_path": r"is a folder.*train-\*\.tfrecord",
    "listed_shard_is_missing": r"train-00001-of-00002\.tfrecord: no such file, though .*manifest-train.json lists it",
    "unlisted_shard_beside_listed_ones": r"train-00007-of-00009\.tfrecord: no manifest lists it",
    "another_file_of_the_same_size": _SHARD + r"sha256 .* it is another file",
    "damage_found_by_sha256": _SHARD + r"sha256 .* damaged records \(from 0\): 2;",
    "another_number_of_records": _SHARD + r"6 records, but .*manifest-train.json says 5",
    "manifest_is_not_json": r"manifest-train\.json: not JSON",
    "manifest_is_binary": r"manifest-train\.json: not JSON",
    "manifest_without_sizes": r"manifest-train\.json: not a manifest .*bytes is missing",
    "manifest_that_claims_a_trillion_records": r"manifest-train\.json: .*1000000000000 records in 1296 bytes",
    "another_number_of_classes": r"num_classes=4.*manifest-train\.json lists 1 categories: set it to 2",
}
REASONS = {
    **{
        f"image_{kind}": "image undecodable"
        for kind in (
            "zero_bytes",
            "html",
            "bad_marker",
            "jpeg_cut_in_half",
            "jpeg_without_its_last_two_bytes",
            "png_cut_in_half",
            "png_with_a_flipped_bit",
            "jpeg_that_claims_60000_pixels",
            "png_bomb",
            "tiff",
        )
    },
    **{f"class_{kind}": "class id out of range" for kind in ("above_the_model", "zero", "negative", "huge")},
    **{f"mask_{kind}": "mask undecodable" for kind in ("no_png", "empty", "of_another_size", "cut", "bomb")},
    "masks_missing": "fields do not fit",
    "box_nan": "fields do not fit",
    "box_infinite": "fields do not fit",
    "boxes_fewer_than_classes": "fields do not fit",
    "image_missing": "fields do not fit",
    "source_id_missing": "fields do not fit",
    "source_id_a_name": "fields do not fit",
    "label_of_the_wrong_type": "fields do not fit",
    "no_example": "no tf.train.Example",
    "empty_record": "record damaged",
}


def _run(names: list[str], folder: str) -> tuple[dict[str, Any], str | None, str]:
    """Run cases until one ends the process or its time is up: results, that case, and the log."""
    results: dict[str, Any] = {}
    running = None
    lines: queue.Queue[str] = queue.Queue()
    with open(os.path.join(folder, "log"), "w+", encoding="utf-8") as log:
        command = [sys.executable, str(_SCRIPT), folder, *names]
        packages = [str(pathlib.Path(package.__file__).parents[1]) for package in PACKAGES]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as process:

            def pump() -> None:
                for line in process.stdout:
                    lines.put(line)
                lines.put("")

            threading.Thread(target=pump, daemon=True).start()
            try:
                while line := lines.get(timeout=_TIME_LIMIT):
                    content = json.loads(line)
                    running = content["case"] if len(content) == 1 else None
                    if running is None:
                        results[content["case"]] = content
            except queue.Empty:
                process.kill()
        log.seek(0)
        return results, running, log.read()


@functools.cache
def _results() -> tuple[dict[str, Any], str]:
    """Run all cases, in a new process after each that did not end."""
    names, results, logs = [*dict.fromkeys((*READ, *REFUSED)), "faulty_contents"], {}, ""
    while names:
        with tempfile.TemporaryDirectory() as folder:
            came, stuck, log = _run(names, folder)
        results.update(came)
        logs += log
        done = {*came, stuck} if stuck else {*came, *names}
        names = [name for name in names if name not in done]
    return results, logs


def _result(name: str) -> dict[str, Any]:
    results, logs = _results()
    assert name in results, f"{name} crashed or hung:\n{logs[-2000:]}"
    result: dict[str, Any] = results[name]
    assert result["peak_mb"] < _MEMORY_LIMIT
    return result


@pytest.mark.parametrize("name", READ)
def test_damage_costs_the_damaged_records_only(name: str) -> None:
    assert _result(name).get("value") == READ[name], _result(name)


@pytest.mark.parametrize("name", SAID)
def test_what_cannot_be_an_error_is_said(name: str) -> None:
    assert re.search(SAID[name], _results()[1])


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_data_is_refused_at_once_with_file_and_cause(name: str) -> None:
    result = _result(name)
    assert re.search(REFUSED[name], result.get("message", "")), result
    assert result["seconds"] < 10


@pytest.mark.parametrize("name", REASONS)
def test_a_faulty_record_is_blank_and_named_with_file_place_and_reason(name: str) -> None:
    value = _result("faulty_contents")["value"]
    index = 2 * value["names"].index(name) + 1
    for kind in ("train", "eval"):
        (fault,) = [fault for fault in value[f"{kind}_faults"] if fault["index"] == index]
        assert fault["reason"] == REASONS[name], fault
        assert f"train-00000-of-00001.tfrecord: record {index}" in fault["text"]
        if name not in ("no_example", "empty_record", "source_id_missing", "source_id_a_name"):
            assert f"image {100 + value['names'].index(name)}:" in fault["text"]


def test_sound_records_between_faulty_ones_are_all_used() -> None:
    value = _result("faulty_contents")["value"]
    assert set(value["names"]) == set(REASONS)
    count = len(value["names"])
    for kind in ("train", "eval"):
        assert value[f"{kind}_ids"] == [-1] * count + list(range(1, count + 1))
        assert value[f"{kind}_weight"] == count
        assert len(value[f"{kind}_faults"]) == count
