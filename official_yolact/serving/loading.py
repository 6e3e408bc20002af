"""Load a model directory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import restore
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.configs import architecture
from official_yolact.configs import fields
from official_yolact.configs import memory
from official_yolact.configs import values
from official_yolact.configs import yaml_document
from official_yolact.configs import yolact as configs
from official_yolact.modeling import detector
from official_yolact.modeling import factory
from official_yolact.modeling import registration
from official_yolact.serving import tensorflow_runtime
from official_yolact_runtime import arguments
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import loaded_weights
from official_yolact_runtime import model_files
from official_yolact_runtime import predictor
from official_yolact_runtime.files import inputs

_STEP = re.compile(r"-(\d+)$")
_IMPORT_FILE = "import.json"
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def load(
    path: str | os.PathLike[str],
    batch_size: int = 1,
    detection_generator: Mapping[str, Any] | None = None,
    precision: str = "float32",
    threads: int | None = None,
) -> predictor.Predictor:
    """Load a model that training or `import-weights` wrote.

    Args:
      path: its directory (the best checkpoint is taken, else the last), or one checkpoint in it.
      batch_size: pictures that pass the network at once, at most.
      detection_generator: fields of `configs.yolact.DetectionGenerator` to change, as in
        {"nms": "cross_class", "max_detections": 300}; the others stay as params.yaml has them.
      precision: `float32`, in which a model gives the same on every machine; `bfloat16`, which moves boxes
        and scores a little; or `auto`, the faster one on this machine.
      threads: that compute an operation of the network, at most; None: as many as the machine has processors.
        To be set before TensorFlow computes anything in this process.

    Returns:
      The predictor.

    Raises:
      TypeError: `batch_size` is no whole number.
      OSError: the directory, its params.yaml, categories.json or checkpoint is missing.
      ValueError: one of them is malformed, or they do not fit one another; params.yaml states another
        architecture than the record of the checkpoint; a field to change does not exist, or its value
        is out of range; `batch_size` is below 1, or more than the machine's memory can hold; `precision` is
        none of the three; it is too late to set `threads`.
    """
    batch_size = arguments.check_count("batch_size", batch_size)
    precision, why = _choose_precision(precision)
    if threads is not None:
        _set_threads(arguments.check_count("threads", threads))
    registration.register()
    name = os.fspath(path)
    directory = _find_directory(name)
    params_file = _require(directory, model_files.PARAMS_FILE)
    categories = categories_lib.Categories.load(_require(directory, categories_lib.FILE_NAME))
    document = _read_document(params_file)
    config = _read_section(params_file, document, detection_generator or {})
    memory.check_batch(config, batch_size)
    if categories.num_classes != config.num_classes:
        raise ValueError(
            f"{directory}: {categories_lib.FILE_NAME} has {len(categories.ids)} categories, but in "
            f"{model_files.PARAMS_FILE} task.model.num_classes is {config.num_classes}, with the background: "
            "they belong to different models"
        )
    checkpoint = model_dir.find_checkpoint(name)
    _refuse_edited(config, params_file, checkpoint)
    model = _assemble(config, precision)
    runtime = tensorflow_runtime.TensorFlowRuntime(
        detector.Detector(model, config), batch_size, f"{precision} ({why})" if why else precision
    )
    runtime.trace()
    restore.restore_model(model, checkpoint)
    return predictor.Predictor(runtime, categories, _describe_weights(checkpoint, directory, document))


def _describe_weights(
    checkpoint: str, directory: str, document: yaml_document.YamlDocument | None
) -> loaded_weights.LoadedWeights:
    """Say which weights a checkpoint has: the best one has those that were evaluated, averaged ones."""
    found = _STEP.search(checkpoint)
    step = int(found[1]) if found else 0
    folder = os.path.basename(os.path.dirname(os.path.abspath(checkpoint)))
    kind = "best" if folder == model_dir.BEST_SUBDIR else "training"
    if kind != "best" and step == 0 and os.path.isfile(os.path.join(directory, _IMPORT_FILE)):
        return loaded_weights.LoadedWeights(checkpoint, step, "import", None)
    try:
        has_average = document is not None and bool(document.data["trainer"]["optimizer_config"]["ema"])
    except (KeyError, TypeError):
        has_average = False
    return loaded_weights.LoadedWeights(checkpoint, step, kind, kind == "best" if has_average else None)


def _read_document(params_file: str) -> yaml_document.YamlDocument | None:
    """Read the text of the configuration; None: it is no text."""
    try:
        return yaml_document.YamlDocument(inputs.read(params_file).decode("utf-8-sig"), params_file)
    except UnicodeDecodeError:
        return None


def _read_section(
    params_file: str,
    document: yaml_document.YamlDocument | None,
    detection_generator: Mapping[str, Any],
) -> configs.YolactModel:
    """Read the section of the network, as `load` describes it.

    What training and imports write states every key of it, and needs neither an experiment's defaults nor
    the rules of a training. For other files, and for the messages, there is the reader of configurations.
    """
    config = _read_whole_section(document, detection_generator) if document is not None else None
    if config is not None:
        return config
    from official_yolact.configs import loading  # noqa: PLC0415  what only a training asks for

    changes = json.dumps({"task": {"model": {"detection_generator": dict(detection_generator)}}})
    return loading.load_experiment(None, [params_file], [changes]).task.model


def _read_whole_section(
    document: yaml_document.YamlDocument, detection_generator: Mapping[str, Any]
) -> configs.YolactModel | None:
    """Read the section of the network where every key is there and right; None: it is not so."""
    try:
        stored = document.data["task"]["model"]
        changed = {**stored, "detection_generator": {**stored["detection_generator"], **detection_generator}}
    except (KeyError, TypeError):
        return None
    config = configs.YolactModel()
    known, findings = fields.take_known(changed, config)
    if document.findings or findings:
        return None
    config.override(known, is_strict=True)
    if any((*fields.check_types(config), *values.check_values(config))) or any(memory.check_model(config)):
        return None
    if architecture.flatten(changed).keys() != architecture.flatten(config.as_dict()).keys():
        return None
    fields.make_floats(config)
    return config


def _refuse_edited(config: configs.YolactModel, params_file: str, checkpoint: str) -> None:
    """Refuse a params.yaml that was edited since the weights were written; raises ValueError.

    Weights fit any anchors of the same number: the network would predict in silence, and wrongly.
    """
    prefix, stored = _find_identity(checkpoint, os.path.dirname(params_file))
    changes = architecture.find_changes(stored, {"task": {"model": config.as_dict()}})
    if changes:
        listed = "; ".join(f"{key} is {now!r}, but was {old!r}" for key, (old, now) in changes.items())
        raise ValueError(
            f"{params_file}: was edited since the weights were written: {listed} (in {prefix}"
            f"{sidecar.ENDING}). Set it back: the weights mean nothing with another value"
        )


def _find_identity(checkpoint: str, directory: str) -> tuple[str, Mapping[str, Any]]:
    """Find the record of the architecture: the checkpoint's own, else that of another of the run."""
    others = [found.prefix for found in scan.find_checkpoints(directory, "ckpt")]
    for prefix in (checkpoint, *others):
        record = sidecar.read(prefix)
        if record is not None and record.identity:
            return prefix, record.identity
    return checkpoint, {}


def _set_threads(threads: int) -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise ValueError(
            f"threads is {threads}, but TensorFlow has computed in this process: set it before"
        ) from error


def _choose_precision(asked: str) -> tuple[str, str]:
    """Choose the precision, and say why; empty where it was asked for."""
    if asked == "float32":
        return asked, ""
    from official_yolact.serving import choosing  # noqa: PLC0415  float32 is no question

    return choosing.choose_precision(asked)


def _assemble(config: configs.YolactModel, precision: str) -> Any:
    """Put the network together in its precision, also after a training here has set another policy."""
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(_POLICIES[precision])
    try:
        return factory.assemble_model(config)
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)


def _find_directory(name: str) -> str:
    if os.path.isdir(name):
        directory = os.path.normpath(name)
    elif os.path.isfile(f"{name}.index"):
        directory = os.path.dirname(name) or "."
    else:
        raise FileNotFoundError(f"{name}: no such model directory or checkpoint{inputs.hint(name)}")
    inside_best = os.path.basename(os.path.abspath(directory)) == model_dir.BEST_SUBDIR
    return os.path.dirname(os.path.abspath(directory)) if inside_best else directory


def _require(directory: str, file_name: str) -> str:
    path = os.path.join(directory, file_name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{path}: no such file: a model is a directory that yolact train or yolact import-weights wrote"
        )
    return path
