"""Mutated manifests, categories, class lists and results are read, or refused with a message that names them."""

from __future__ import annotations

import json
import random

import cv2
import fuzzing
import numpy as np
import pytest

from official_yolact.cli import main
from official_yolact.records import manifest
from official_yolact_runtime import categories

_MAP = {"1": 1, "7": 2}
_MANIFEST = {
    "name": "t", "num_records": 1, "num_instances": 1, "annotations": "instances-t.json",
    "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
    "shards": [{"file": "t-00000-of-00001.tfrecord", "records": 1, "instances": 1, "bytes": 99, "sha256": "ab"}],
    "source": {"annotations": "a.json", "sha256": "cd", "images": "photos"}, "skipped": {"crowd": 1},
    "changed": {}, "options": {"num_shards": 1}, "instances_per_image": {"1": 1}, "images_in": 1,
    "instances_in": 2, "skipped_images": {}, "skipped_ids": {"images": {}, "annotations": {"crowd": [2]}},
    "category_map": _MAP,
}  # fmt: skip
_SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]
_RESULTS = [
    {"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5, "segmentation": [_SQUARE]},
    {"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 1, "segmentation": {"size": [8, 8], "counts": [60, 4]}},
]  # fmt: skip
_TRUTH = {
    "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0,
         "segmentation": [_SQUARE]}
    ],
    "categories": [{"id": 1, "name": "cat"}],
}  # fmt: skip


def _read_by_name(path, call):
    def read(text):
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        return fuzzing.try_door(lambda: call(str(path)), path.name)

    return read


@pytest.mark.parametrize(
    ("door", "name", "content", "call"),
    [
        pytest.param("manifest-*.json", "manifest-t.json", _MANIFEST, manifest.Manifest.load, id="manifest"),
        pytest.param(
            "categories.json",
            "categories.json",
            {"categories": _MANIFEST["categories"]},
            categories.Categories.load,
            id="categories",
        ),
        pytest.param("class lists", "names.json", _TRUTH, categories.read_classes, id="class lists"),
    ],
)
def test_a_mutated_file_is_read_or_refused_by_name(tmp_path, door, name, content, call):
    draw = random.Random(23)
    path = tmp_path / name
    path.write_text(json.dumps(content))
    assert _read_by_name(path, call)(json.dumps(content)) == fuzzing.READ
    mutations = (fuzzing.mutate_json(draw, content) for _ in range(fuzzing.COUNT))
    fuzzing.hold(door, mutations, _read_by_name(path, call))


def test_mutated_results_are_measured_or_refused_by_name(tmp_path, capsys):
    draw = random.Random(29)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "ann.json").write_text(json.dumps(_TRUTH))
    path = tmp_path / "results.json"
    words = ["eval", "--detections", str(path), "--annotations", str(tmp_path / "ann.json")]

    def read(text):
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        code = main.main(words)
        error = capsys.readouterr().err
        assert code in (0, 2)
        assert "Traceback" not in error
        assert "a fault of this program" not in error
        assert code == 0 or "results.json" in error, error
        return fuzzing.REFUSED if code else fuzzing.READ

    assert read(json.dumps(_RESULTS)) == fuzzing.READ
    mutations = (fuzzing.mutate_json(draw, _RESULTS) for _ in range(fuzzing.COUNT))
    fuzzing.hold("results, `eval --detections`", mutations, read)
