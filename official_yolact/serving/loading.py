"""Load a model directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import tf_keras

from official_yolact import categories as categories_lib
from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import restore
from official_yolact.configs import loading
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.serving import predictor


def load(
    path: str | os.PathLike[str],
    batch_size: int = 1,
    detection_generator: Mapping[str, Any] | None = None,
) -> predictor.Predictor:
    """Load a model that training or `import-weights` wrote.

    Args:
      path: its directory (the best checkpoint is taken, else the last), or one checkpoint in it.
      batch_size: pictures that pass the network at once.
      detection_generator: fields of `configs.yolact.DetectionGenerator` to change, as in
        {"nms": "cross_class", "max_detections": 300}; the others stay as params.yaml has them.

    Returns:
      The predictor, in float32.

    Raises:
      OSError: the directory, its params.yaml, categories.json or checkpoint is missing.
      ValueError: one of them is malformed, or they do not fit one another; a field to change does
        not exist, or its value is out of range.
    """
    from official_yolact import registry_imports  # noqa: F401, PLC0415  registers backbones and experiments

    name = os.fspath(path)
    directory = _find_directory(name)
    params_file = _require(directory, model_dir.PARAMS_FILE)
    categories = categories_lib.Categories.load(_require(directory, categories_lib.FILE_NAME))
    config = _load_config(params_file, detection_generator or {})
    if categories.num_classes != config.num_classes:
        raise ValueError(
            f"{directory}: {categories_lib.FILE_NAME} has {len(categories.ids)} categories, but in "
            f"{model_dir.PARAMS_FILE} task.model.num_classes is {config.num_classes}, with the background: "
            "they belong to different models"
        )
    checkpoint = model_dir.find_checkpoint(name)
    model = _build_in_float32(config)
    restore.restore_model(model, checkpoint)
    return predictor.Predictor(model, config, categories, batch_size)


def _load_config(params_file: str, detection_generator: Mapping[str, Any]) -> configs.YolactModel:
    changes = json.dumps({"task": {"model": {"detection_generator": dict(detection_generator)}}})
    return loading.load_experiment(None, [params_file], [changes]).task.model


def _build_in_float32(config: configs.YolactModel) -> Any:
    """Build the network in float32 also after a training in this process has set another policy."""
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("float32")
    try:
        return factory.build_model(config, seed=0)
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)


def _find_directory(name: str) -> str:
    if os.path.isdir(name):
        directory = os.path.normpath(name)
    elif os.path.isfile(f"{name}.index"):
        directory = os.path.dirname(name) or "."
    else:
        raise FileNotFoundError(f"{name}: no such model directory or checkpoint")
    inside_best = os.path.basename(os.path.abspath(directory)) == model_dir.BEST_SUBDIR
    return os.path.dirname(os.path.abspath(directory)) if inside_best else directory


def _require(directory: str, file_name: str) -> str:
    path = os.path.join(directory, file_name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{path}: no such file: a model is a directory that yolact train or yolact import-weights wrote"
        )
    return path
