"""The main job from end to end, in small: the commands one after another, as a person types them."""

import json
import os
import pathlib

import numpy as np
import pytest

import official_yolact
from official_yolact.cli import main

pytestmark = pytest.mark.slow
SMALL = [
    "task.model.input_size=[64,64]",
    "task.model.decoder.yolact_fpn.num_filters=16",
    "task.model.head.num_filters=16",
    "task.model.protonet.num_filters=16",
    "task.train_data.global_batch_size=4",
    "task.validation_data.global_batch_size=4",
    "trainer.train_steps=4",
    "trainer.steps_per_loop=2",
    "trainer.summary_interval=2",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    output = str(tmp_path_factory.mktemp("e2e") / "demo")
    code = main.main(["demo", "--output", output, "--train", "12", "--val", "9", *SMALL])
    assert code == 0
    return output


def read_metrics(output):
    return json.loads(pathlib.Path(output, "metrics.json").read_text())


def test_the_demo_leaves_data_model_pictures_and_metrics(demo):
    metrics = read_metrics(demo)
    assert {"box_AP", "box_AP50", "mask_AP", "mask_AP50"} <= set(metrics)
    pictures = sorted(os.listdir(os.path.join(demo, "pictures")))
    assert pictures == [*(f"{i:06d}.png" for i in range(1, 10)), "all.png"]
    for name in ("params.yaml", "categories.json", "best_ckpt/checkpoint"):
        assert os.path.isfile(os.path.join(demo, "model", name)), name
    report = json.loads(pathlib.Path(demo, "model", "report", "report.json").read_text())
    assert report["measurements"]["mask"]["numbers"]["AP"]["value"] == metrics["mask_AP"]
    assert pathlib.Path(demo, "model", "report", "report.html").is_file()


def test_eval_of_the_trained_directory_gives_the_metrics_of_the_training(demo, capsys):
    arguments = ["eval", f"{demo}/model", "--images", f"{demo}/shapes/val", "--json"]
    assert main.main([*arguments, "--annotations", f"{demo}/shapes/instances_val.json"]) == 0
    got = json.loads(capsys.readouterr().out.splitlines()[-1])
    trained = read_metrics(demo)
    # The training evaluates in bfloat16 and this in float32.
    for name in ("box_AP", "mask_AP"):
        np.testing.assert_allclose(got[name], trained[name], atol=0.05)


def test_predictions_of_a_folder_are_coco_results_of_its_pictures(demo, tmp_path):
    code = main.main(
        [
            "predict",
            f"{demo}/model",
            f"{demo}/shapes/val",
            "--output",
            str(tmp_path),
            "--score-threshold",
            "0",
        ]
    )
    assert code == 0
    predictions = json.loads((tmp_path / "predictions.json").read_text())
    assert {entry["image_id"] for entry in predictions} <= set(range(1, 10))
    for entry in predictions:
        assert {"category_id", "bbox", "score", "segmentation", "file_name", "category_name"} <= set(entry)
        assert entry["segmentation"]["size"] == [128, 128]


def test_python_gives_the_same_detections_as_the_command(demo):
    model = official_yolact.load(f"{demo}/model")
    detections = model(f"{demo}/shapes/val/000001.jpg", score_threshold=0.0)
    assert detections.boxes.shape == (len(detections), 4)
    assert detections.masks.shape == (len(detections), 128, 128)
    raw = model.raw_outputs(np.zeros((1, 64, 64, 3), np.float32))
    assert set(raw) == {"box_outputs", "cls_outputs", "mask_coefficients", "prototypes", "semantic_outputs"}
