"""`official_yolact.load` takes an export wherever it takes a model."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_exports
from PIL import Image

import official_yolact
from official_yolact.cli import detection_options
from official_yolact.cli import main
from official_yolact.serving import models
from official_yolact.serving import saved_model_runtime
from official_yolact_runtime import graphs


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    tiny_exports.write_onnx(folder / "model.onnx", tiny_exports.INFO.as_dict())
    tiny_exports.write_saved_model(folder / "saved_model")
    tiny_exports.write_info(folder, {"model.onnx": "onnx", "saved_model": "saved_model"})
    return folder


def photo():
    return np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "runtime", "library"),
    [
        (".", "auto", "onnx"),
        (".", "openvino", "openvino"),
        (".", "tensorflow", "tensorflow"),
        ("model.onnx", "auto", "onnx"),
        ("saved_model", "auto", "tensorflow"),
    ],
)
def test_each_file_of_an_export_is_a_model(exported, name, runtime, library):
    model = official_yolact.load(exported / name, runtime=runtime)
    assert model.runtime.name == library
    assert model.weights.step == 7
    found = model(photo(), score_threshold=0.0)
    np.testing.assert_allclose(found.boxes, [[10, 15, 45, 55], [40, 30, 75, 100]], rtol=1e-6)
    np.testing.assert_allclose(found.scores - [0.5, 0.25], photo().mean() / 1000, atol=1e-5)
    assert found.masks.sum() == official_yolact.load(exported)(photo(), 0.0).masks.sum()


def test_without_a_library_for_the_other_files_tensorflow_runs_the_savedmodel(exported, monkeypatch):
    monkeypatch.setattr(graphs, "is_installed", lambda name: False)
    assert isinstance(official_yolact.load(exported).runtime, saved_model_runtime.SavedModelRuntime)


def test_what_an_export_has_inside_is_not_changed_in_silence(exported):
    assert official_yolact.load(exported, detection_generator={"nms": "fast", "max_detections": 2})
    for changes, message in (
        ({"nms": "traditional"}, "nms cannot be 'traditional' in an export, which was made with 'fast'"),
        ({"max_detections": 100}, "max_detections cannot be 100 in an export, which was made with 3"),
    ):
        with pytest.raises(ValueError, match=message):
            official_yolact.load(exported, detection_generator=changes)


def test_a_runtime_that_cannot_run_the_model_is_refused(exported, tmp_path):
    for path, runtime, message in (
        (exported, "tflite", "runtime is 'tflite': expected one of auto, tensorflow, litert, onnx, openvino"),
        (exported / "saved_model", "onnx", "is a SavedModel, which onnx does not read, but tensorflow"),
        (exported / "model.onnx", "tensorflow", "holds no SavedModel"),
        (tmp_path, "litert", "is not run by litert, which runs exports: export it"),
    ):
        with pytest.raises(ValueError, match=message):
            official_yolact.load(path, runtime=runtime)


def test_a_savedmodel_of_another_program_or_damaged_is_named(exported, tmp_path):
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "foreign"))
    with pytest.raises(ValueError, match="foreign: is not what `yolact export` writes"):
        official_yolact.load(tmp_path / "foreign")
    (tmp_path / "damaged" / "assets.extra").mkdir(parents=True)
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"damaged")
    (tmp_path / "damaged" / "assets.extra" / "export.json").write_text(
        json.dumps(tiny_exports.INFO.as_dict())
    )
    with pytest.raises(ValueError, match="damaged: TensorFlow cannot load it .*export the model again"):
        official_yolact.load(tmp_path / "damaged")


def test_commands_take_an_export_for_a_model(exported, tmp_path, capsys):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    arguments = [
        "predict",
        str(exported),
        str(tmp_path / "a.png"),
        "--output",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main.main(arguments) == 0
    account = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (account["pictures"], account["detections"], account["weights"]["step"]) == (1, 2, 7)
    assert main.main([*arguments, "--runtime", "openvino"]) == 0
    assert "runtime: openvino" in capsys.readouterr().err
    assert main.main([*arguments, "--runtime", "litert"]) == 2
    assert "has no file that an installed library reads" in capsys.readouterr().err


def test_the_runtimes_of_the_command_line_are_those_of_load():
    assert detection_options.RUNTIMES == models.RUNTIMES


def test_an_export_in_onnx_is_loaded_without_tensorflow(exported, helper_environment):
    statements = (
        "import sys, official_yolact; official_yolact.load(sys.argv[1]);"
        " assert not {'tensorflow', 'cv2', 'pycocotools'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", statements, str(exported / "model.onnx")]
    subprocess.run(command, check=True, env=helper_environment)
