"""Files of an export that need no training and no network: two detections, whose scores follow the picture."""

from __future__ import annotations

import json
import pathlib
import zipfile

import numpy as np

from official_yolact_runtime import categories
from official_yolact_runtime import export_info

SIZE, GRID = (64, 96), (16, 24)

INFO = export_info.ModelInfo(
    categories=categories.Categories((3, 5), ("fig", "date")),
    input_size=SIZE,
    grid=GRID,
    detection={"max_detections": 3, "nms": "fast"},
    mask_rescoring=False,
    weights={"checkpoint": "runs/a/ckpt-7", "step": 7, "kind": "training", "is_averaged": None},
    versions={},
)


def constants() -> dict[str, np.ndarray]:
    """What the graph returns whatever the picture is; the scores are 0.5 and 0.25 plus its mean / 1000."""
    masks = np.zeros((1, 3, *GRID), np.float32)
    masks[0, 0, 2:9, 3:11] = masks[0, 1, 8:15, 6:20] = 1
    masks[0, 0, 4:6, 5:8] = 0
    return {
        "detection_boxes": np.array([[[8, 12, 36, 44], [32, 24, 60, 80], [0] * 4]], np.float32),
        "detection_classes": np.array([[2, 1, 0]], np.int32),
        "num_detections": np.array([2], np.int32),
        "detection_masks": masks,
        "scores": np.array([[0.5, 0.25, 0]], np.float32),
    }


def write_onnx(path: pathlib.Path, info: dict | None, names: list[str] | None = None) -> pathlib.Path:
    """Write an ONNX file; `info` is what it says of itself, `names` the outputs that it has."""
    import onnx
    from onnx import helper
    from onnx import numpy_helper

    arrays = constants()
    initializers = [numpy_helper.from_array(value, f"{name}_0") for name, value in arrays.items()]
    initializers += [numpy_helper.from_array(np.float32(1000), "thousand")]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "thousand"], ["shift"]),
        helper.make_node("Add", ["scores_0", "shift"], ["detection_scores"]),
        helper.make_node("Identity", ["detection_scores"], ["detection_mask_scores"]),
        *(helper.make_node("Identity", [f"{n}_0"], [n]) for n in arrays if n != "scores"),
    ]
    types = {"detection_classes": onnx.TensorProto.INT32, "num_detections": onnx.TensorProto.INT32}
    outputs = [
        helper.make_tensor_value_info(name, types.get(name, onnx.TensorProto.FLOAT), None)
        for name in names or export_info.OUTPUTS
    ]
    images = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, *SIZE, 3])
    graph = helper.make_graph(nodes, "tiny", [images], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if info is not None:
        helper.set_model_props(model, {"other": "x" * 300, export_info.FILE_NAME: json.dumps(info)})
    onnx.save(model, path)
    return path


def write_litert(path: pathlib.Path, info: dict | None) -> pathlib.Path:
    """Write a LiteRT file of the same graph; TensorFlow converts it."""
    import tensorflow as tf

    arrays = constants()

    def detect(images: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = arrays["scores"] + tf.reduce_mean(images) / 1000
        found = {name: tf.constant(value) for name, value in arrays.items() if name != "scores"}
        return {**found, "detection_scores": scores, "detection_mask_scores": tf.maximum(scores, 0.0)}

    spec = tf.TensorSpec([1, *SIZE, 3], tf.float32, name="images")
    module = tf.Module()
    module.detect = tf.function(detect, input_signature=[spec])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.detect.get_concrete_function()], module
    )
    path.write_bytes(converter.convert())
    if info is not None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(export_info.FILE_NAME, json.dumps(info))
    return path


def write_saved_model(folder: pathlib.Path) -> None:
    """Write the graph of the tiny exports, for photos of any size."""
    import tensorflow as tf

    arrays = constants()

    def detect(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # The boxes of the other files are in pixels of the network's input.
        size = tf.cast(tf.tile(tf.shape(images)[1:3], [2]), tf.float32)
        scores = arrays["scores"] + tf.reduce_mean(tf.cast(images, tf.float32)) / 1000
        found = {name: tf.constant(value) for name, value in arrays.items() if name != "scores"}
        found["detection_boxes"] *= size / tf.constant([*SIZE] * 2, tf.float32)
        return {**found, "detection_scores": scores, "detection_mask_scores": scores + 0.0}

    module = tf.Module()
    module.detect = tf.function(
        detect, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images")]
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.detect})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "export.json").write_text(json.dumps(INFO.as_dict()))


def write_info(folder: pathlib.Path, files: dict[str, str], parity: dict | None = None) -> None:
    """Write `export.json` of a folder of float32 files; `files` has the format of each."""
    infos = {}
    for name, kind in files.items():
        size, digest = export_info.sum_path(str(folder / name))
        infos[name] = export_info.FileInfo(kind, export_info.FLOAT32, digest, size)
    content = export_info.ExportInfo(INFO, infos, parity or {}).as_dict()
    (folder / export_info.FILE_NAME).write_text(json.dumps(content))
