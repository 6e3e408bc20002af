"""Random data sets through the converter and the evaluator: no signal, no hang, nothing lost in silence."""

from __future__ import annotations

import json
import pathlib
import random
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

NO_MATTER_WHAT = ["--bad-images=skip", "--bad-annotations=skip", "--missing-masks=skip"]


@pytest.fixture
def folder(tmp_path: pathlib.Path, random_coco: Any) -> pathlib.Path:
    (tmp_path / "images").mkdir()
    for i in range(1, 6):
        pixels = np.full((random_coco.HEIGHT, random_coco.WIDTH, 3), 40 * i, np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.jpg")
    return tmp_path


def check_records(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    """What was written satisfies what training relies on."""
    records = instances = 0
    for shard in manifest["shards"]:
        for data in tf.data.TFRecordDataset(str(folder / shard["file"])).as_numpy_iterator():
            feature = tf.train.Example.FromString(data).features.feature
            size = [feature[f"image/{side}"].int64_list.value[0] for side in ("height", "width")]
            boxes = [
                feature[f"image/object/bbox/{side}"].float_list.value
                for side in ("ymin", "xmin", "ymax", "xmax")
            ]
            top, left, bottom, right = np.array(boxes, np.float64)
            assert ((top >= 0) & (top < bottom) & (bottom <= 1)).all()
            assert ((left >= 0) & (left < right) & (right <= 1)).all()
            labels = feature["image/object/class/label"].int64_list.value
            assert all(1 <= label <= len(manifest["categories"]) for label in labels)
            masks = [tf.io.decode_png(png).numpy() for png in feature["image/object/mask"].bytes_list.value]
            assert all(list(mask.shape[:2]) == size and mask.any() for mask in masks)
            assert len(masks) == len(labels) == len(top)
            records, instances = records + 1, instances + len(masks)
    assert (records, instances) == (manifest["num_records"], manifest["num_instances"])


def run(folder: pathlib.Path, forks: Any, words: list[str]) -> Any:
    """Run a command with --json: what it printed, or None where it refused."""
    code, out, errors = forks.run([*words, "--json"], folder)
    assert code in (0, 2), (code, errors[-2000:])
    assert "Traceback" not in errors
    if code == 2:
        assert errors.splitlines()[-1].startswith("yolact: error: ")
        return None
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("seed", range(3))
def test_every_random_set_is_converted_or_refused_and_everything_is_accounted_for(
    seed: int, folder: pathlib.Path, random_coco: Any, spoiled_coco: Any
) -> None:
    converted = 0
    for part in range(25):
        content = random_coco.draw_file(random.Random(3000 * seed + part))
        (folder / "a.json").write_text(json.dumps(content))
        output = folder / f"out-{part}"
        words = ["data", "convert", str(folder / "a.json"), "--images", str(folder / "images")]
        words += ["--output", str(output), "--split", "s", *NO_MATTER_WHAT]
        manifest = run(folder, spoiled_coco[1], words)
        if manifest is not None:
            converted += 1
            check_records(output, manifest)
            left_out = {name: sum(manifest[name].values()) for name in ("skipped_images", "skipped")}
            assert manifest["num_records"] + left_out["skipped_images"] == len(content["images"])
            assert manifest["num_instances"] + left_out["skipped"] == len(content["annotations"])
    assert converted >= 1


def make_truth(random_coco: Any, seed: int) -> dict[str, Any]:
    """Sound annotations: a square and a code for each image."""
    height, width = random_coco.HEIGHT, random_coco.WIDTH
    half = height * width // 2
    shapes = [[[2.0, 2.0, 12.0, 2.0, 12.0, 12.0]], {"size": [height, width], "counts": [half, half]}]
    rng = random.Random(seed)
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": height, "width": width} for i in range(1, 6)],
        "annotations": [
            {
                "id": i,
                "image_id": 1 + i // 2,
                "category_id": rng.randrange(1, 4),
                "bbox": [2, 2, 10, 10],
                "segmentation": rng.choice(shapes),
                "iscrowd": rng.randrange(2),
            }
            for i in range(10)
        ],
        "categories": [{"id": i, "name": f"c{i}"} for i in (1, 2, 3)],
    }


@pytest.mark.parametrize("seed", range(3))
def test_random_truths_and_results_are_measured_or_refused(
    seed: int, folder: pathlib.Path, random_coco: Any, spoiled_coco: Any
) -> None:
    measured = 0
    truth, results = folder / "truth.json", folder / "results.json"
    for part in range(30):
        rng = random.Random(5000 * seed + part)
        odd = random_coco.draw_file(rng) if part % 3 == 0 else make_truth(random_coco, part)
        truth.write_text(json.dumps(odd))
        results.write_text(json.dumps(random_coco.draw_results(rng)))
        words = ["eval", "--detections", str(results), "--annotations", str(truth)]
        numbers = run(folder, spoiled_coco[1], words)
        if numbers is not None:
            measured += 1
            assert all(value == -1 or 0 <= value <= 1 for name, value in numbers.items() if "_A" in name)
    assert measured >= 5
