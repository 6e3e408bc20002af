"""Import of ImageNet MobileNetV2 weights from an .npz archive, as a backbone to start from.

The archive holds, for each of the 52 convolutions in network order, `NN/LAYER/kernel`, and the batch
norm after it as `gamma`, `beta`, `moving_mean`, `moving_variance` (`NN/LAYER_BN/...`), in the
layouts of Keras' MobileNetV2 with alpha 1 and no top.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from official.vision.modeling.backbones import factory
from official_yolact.configs import yolact as configs
from official_yolact.files import inputs
from official_yolact.importing import import_account
from official_yolact.importing import model_folder

_NORM_KINDS = ("gamma", "beta", "moving_mean", "moving_variance")
_KINDS = ("kernel", *_NORM_KINDS)
_MAX_BYTES = 256 * 2**20


def import_mobilenet_v2(
    path: str, model: configs.YolactModel, output: str, *, force: bool = False
) -> import_account.ImportAccount:
    """Write a checkpoint of the backbone alone from an .npz archive.

    Args:
      path: the archive.
      model: configuration whose backbone is MobileNetV2 of Model Garden with filter_size_scale 1.
      output: directory that gets `ckpt-0` and `import.json`; name it in `task.init_checkpoint`, with
        `task.init_checkpoint_modules: backbone`.
      force: replace files that this program did not write.

    Returns:
      The account.

    Raises:
      OSError: the file cannot be read or the directory not written.
      ValueError: the directory holds something else; the file is no such archive: wrong keys, shapes,
        types, or values that are not finite.
    """
    model_folder.check_import(output, [path], force)
    convolutions = _read_archive(path)
    backbone = _build_backbone(model)
    units = list(_units(backbone))
    extra = len(convolutions) - len(units)
    # Keras ends with a 1x1 convolution to 1,280 channels that no pyramid level uses.
    if extra not in (0, 1):
        raise ValueError(
            f"{path}: has {len(convolutions)} convolutions, MobileNetV2 here has {len(units)}: "
            "is it MobileNetV2 1.0 without top?"
        )
    unused = "a layer above those that the feature pyramid uses"
    skipped = [(f"{name}/{kind}", unused) for name, _ in convolutions[len(units) :] for kind in _KINDS]
    for (name, arrays), variables in zip(convolutions[: len(units)], units, strict=True):
        for kind, variable in variables.items():
            _assign(path, f"{name}/{kind}", variable, arrays[kind])
    checkpoint = os.path.join(output, model_folder.FIRST)
    with inputs.open_input(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    done = import_account.ImportAccount(
        file=path,
        form="npz",
        sha256=digest,
        published="",
        experiment="yolact_mobilenetv2_coco",
        modules="backbone",
        num_classes=0,
        mapped=tuple(f"{name}/{kind}" for name, _ in convolutions[: len(units)] for kind in _KINDS),
        skipped=tuple(skipped),
        notes=(),
        checkpoint=checkpoint,
    )
    with model_folder.open_import(output, done.to_json(), [path], force):
        model_folder.save_model(tf.train.Checkpoint(backbone=backbone), output, "backbone")
    return done


def _build_backbone(model: configs.YolactModel) -> tf_keras.Model:
    backbone = model.backbone
    if backbone.type != "mobilenet" or backbone.mobilenet.model_id != "MobileNetV2":
        raise ValueError(f"backbone {backbone.type!r} is not MobileNetV2: use an experiment that has it")
    return factory.build_backbone(
        input_specs=tf_keras.layers.InputSpec(shape=[None, *model.input_size, 3]),
        backbone_config=backbone,
        norm_activation_config=model.norm_activation,
    )


def _units(backbone: tf_keras.Model) -> Iterator[dict[str, tf.Variable]]:
    """Give the variables of each convolution and its batch norm, in network order."""
    for layer in backbone.layers:
        for suffix in ("", "0", "1", "2"):
            convolution = getattr(layer, f"_conv{suffix}", None)
            norm = getattr(layer, f"_norm{suffix}", None)
            # A block without expansion makes the layer of its expansion too, and never uses it.
            if convolution is not None and norm is not None and getattr(convolution, "built", False):
                kernel = getattr(convolution, "depthwise_kernel", None)
                yield {
                    "kernel": convolution.kernel if kernel is None else kernel,
                    **{kind: getattr(norm, kind) for kind in _NORM_KINDS},
                }


def _read_archive(path: str) -> list[tuple[str, dict[str, npt.NDArray[np.float32]]]]:
    inputs.check(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"{path}: unpacks to {size} bytes, more than MobileNetV2 can need")
        with np.load(path, allow_pickle=False) as arrays:
            return _group(path, {key: arrays[key] for key in arrays.files})
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: is no .npz archive: {error}") from error


def _group(path: str, arrays: dict[str, Any]) -> list[tuple[str, dict[str, npt.NDArray[np.float32]]]]:
    groups: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    names: dict[str, str] = {}
    for key in sorted(arrays):
        parts = key.split("/")
        if len(parts) != 3 or not parts[0].isdigit() or parts[2] not in _KINDS:
            raise ValueError(f"{path}: key {key!r}: expected NN/LAYER/kind with kind one of {_KINDS}")
        groups.setdefault(parts[0], {})[parts[2]] = arrays[key]
        if parts[2] == "kernel":
            names[parts[0]] = f"{parts[0]}/{parts[1]}"
    for number, kinds in groups.items():
        missing = sorted(set(_KINDS) - set(kinds))
        if missing:
            raise ValueError(f"{path}: convolution {number} lacks {missing}")
    return [(names[number], groups[number]) for number in sorted(groups)]


def _assign(path: str, name: str, variable: tf.Variable, value: npt.NDArray[np.float32]) -> None:
    if tuple(value.shape) != tuple(variable.shape) or not np.issubdtype(value.dtype, np.floating):
        raise ValueError(
            f"{path}: {name} is {value.dtype} {value.shape}, the backbone has float32 {tuple(variable.shape)}"
        )
    if not np.isfinite(value).all():
        raise ValueError(f"{path}: {name} holds values that are not finite")
    variable.assign(value.astype(np.float32))
