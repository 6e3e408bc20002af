import dataclasses
import json
import os

import pytest
import tiny_exports

from official_yolact.environment import machine
from official_yolact.serving import choosing
from official_yolact_runtime import export_info


@pytest.mark.parametrize(
    ("instructions", "name", "reason"),
    [
        ({"avx512_bf16"}, "bfloat16", "this processor has AVX-512 BF16"),
        ({"avx512_bf16", "amx_bf16"}, "bfloat16", "this processor has AMX"),
        ({"avx2", "avx512_vnni"}, "float32", "this processor would emulate bfloat16"),
    ],
    ids=["AVX-512", "AMX", "neither"],
)
def test_the_processor_decides_about_bfloat16(monkeypatch, instructions, name, reason):
    monkeypatch.setattr(choosing.os.path, "exists", lambda path: False)
    monkeypatch.setattr(machine, "read_instructions", lambda: instructions)
    assert choosing.choose_precision("auto") == (name, reason)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_not_questioned(monkeypatch, name):
    monkeypatch.setattr(machine, "read_instructions", set)
    assert choosing.choose_precision(name) == (name, "")


def test_a_graphics_card_computes_in_float32(monkeypatch):
    monkeypatch.setattr(choosing.os.path, "exists", lambda path: path == "/dev/nvidiactl")
    assert choosing.choose_precision("auto") == ("float32", "a GPU computes")


def test_an_unknown_precision_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="precision is 'int4': expected one of auto, float32, bfloat16"):
        choosing.choose_precision("int4")


@pytest.fixture
def exported(tmp_path):
    """A model directory with an export of its last checkpoint, whose files nobody opens here."""
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("ckpt-2.index", "ckpt-10.index", "params.yaml"):
        (tmp_path / name).write_text("")
    weights = {**tiny_exports.INFO.weights, "checkpoint": str(tmp_path / "ckpt-10")}
    files = {
        "model.tflite": export_info.FileInfo("litert", "float32", "", 1),
        "model_int8.tflite": export_info.FileInfo("litert", "int8", "", 1),
        "model.onnx": export_info.FileInfo("onnx", "float32", "", 1),
    }
    model = dataclasses.replace(tiny_exports.INFO, weights=weights)
    info = export_info.ExportInfo(
        model, files, {"model.tflite": {}, "model.onnx": {}, "model_int8.tflite": {}}
    )
    (folder / "export.json").write_text(json.dumps(info.as_dict()))
    return tmp_path


def choose(folder, runtime="auto", precision="float32", changes=None):
    return choosing.choose_export(str(folder), str(folder / "export"), runtime, precision, changes or {})


@pytest.mark.parametrize(
    ("runtime", "name"),
    [("auto", "model.onnx"), ("openvino", "model.onnx"), ("onnx", "model.onnx"), ("litert", "model.tflite")],
)
def test_an_export_of_the_same_weights_computes_in_place_of_its_model(exported, runtime, name):
    chosen = choose(exported, runtime)
    assert chosen.file == str(exported / "export" / name)
    assert chosen.runtime == ("openvino" if runtime == "auto" else runtime)
    assert chosen.reason.startswith(chosen.file)


def test_tensorflow_computes_where_the_export_is_slower_or_another_model(exported, monkeypatch):
    assert choose(exported, precision="bfloat16") is None
    assert choose(exported, changes={"nms": "traditional"}) is None
    assert choose(exported, changes={"nms": "fast"}) is not None
    (exported / "ckpt-11.index").write_text("")
    assert choose(exported) is None
    (exported / "ckpt-11.index").unlink()
    os.utime(exported / "params.yaml", (2e9, 2e9))
    assert choose(exported) is None
    os.utime(exported / "params.yaml", (1e9, 1e9))
    assert choose(exported) is not None
    (exported / "best_ckpt").mkdir()
    (exported / "best_ckpt" / "best_ckpt-5.index").write_text("")
    assert choose(exported) is None


def test_an_export_that_was_never_compared_is_not_taken(exported):
    path = exported / "export" / "export.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "parity": {}}))
    assert choose(exported) is None
