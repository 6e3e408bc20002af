"""The recipe of today learns masks of one's own few photos from ImageNet's weights, as `data init` writes and prints it.

Random weights are no stand-in: no activation bounds what MobileNetV2 computes with ImageNet's.
"""

import json
import pathlib

import forks
import pytest
from pycocotools import mask as mask_utils

STEPS = 100

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_the_printed_commands_lead_from_imagenet_weights_to_masks_that_are_right(
    shared: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str) -> None:
        process = forks.start("out", "log", forks.run_command, *words)
        process.join()
        assert process.exitcode == 0, pathlib.Path("log").read_text()[-6000:]

    monkeypatch.chdir(tmp_path)
    nuts, photos = shared / "data" / "nuts", ("--images", str(shared / "data" / "nuts" / "images"))
    weights = str(shared / "data" / "weights" / "mobilenet_v2_imagenet.npz")
    run("import-weights", weights, "--model", "mobilenetv2", "--output", "imagenet")
    sets = ("--train", str(nuts / "train.json"), "--val", str(nuts / "val.json"), *photos)
    recipe = ("--experiment", "yolact_next_mobilenetv2_coco", "--init-checkpoint", "imagenet")
    run("data", "init", *sets, *recipe, "--input-size", "96", "128", "--output", "mine.yaml")
    for split in ("train", "val"):
        run("data", "convert", str(nuts / f"{split}.json"), *photos, "--output", "records", "--split", split)
    often = (
        "train_steps",
        "checkpoint_interval",
        "validation_interval",
        "summary_interval",
        "steps_per_loop",
    )
    run("train", "mine.yaml", "--model_dir=run", *(f"trainer.{name}={STEPS}" for name in often))

    learned = json.loads(pathlib.Path("run/metrics.json").read_text())
    assert learned["step"] == STEPS
    # Measured: 0.60 and 0.69. With one learning rate for all layers: 0.55 and 0.65; and with predictions that start
    # as large as other layers make them: 0.34 and 0.31.
    assert learned["mask_AP50"] > 0.42
    assert learned["box_AP50"] > 0.42
    run("predict", "run", photos[1], "--output", "found", "--score-threshold", "0.3")
    found = json.loads(pathlib.Path("found/predictions.json").read_text())
    assert len(found) > 50  # on 18 photos, which show 165 objects
    empty = [each for each in found if mask_utils.area(each["segmentation"]) == 0]
    assert len(empty) < 0.1 * len(found)
