"""Import of ImageNet MobileNetV2 weights of Keras, as a backbone to start from.

A file is a weights file that `tf_keras.applications` downloads (.h5), or an .npz archive: for each of the 52
convolutions in network order, `NN/LAYER/kernel`, and the batch norm after it as `gamma`, `beta`,
`moving_mean`, `moving_variance` (`NN/LAYER_BN/...`), in the layouts of Keras' MobileNetV2 without top.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from official.vision.modeling.backbones import factory
from official_yolact.configs import yolact as configs
from official_yolact.files import storage
from official_yolact.importing import import_account
from official_yolact.importing import keras_file
from official_yolact.importing import model_folder
from official_yolact.weights import named_weights
from official_yolact_runtime.files import inputs as inputs_lib

_NORM_KINDS = ("gamma", "beta", "moving_mean", "moving_variance")
_KINDS = ("kernel", *_NORM_KINDS)
_MAX_BYTES = 256 * 2**20
_CONVOLUTIONS = 52  # the last one ends in 1,280 channels that no pyramid level uses
_LAST_FILTERS = 320  # of the last but one, before the width
_Convolutions = list[tuple[str, dict[str, npt.NDArray[np.float32]]]]


def import_mobilenet_v2(
    path: str,
    model: configs.YolactModel,
    output: str,
    *,
    width: float | None = None,
    inputs: Sequence[str] = (),
    force: bool = False,
) -> import_account.ImportAccount:
    """Write a checkpoint of the backbone alone.

    Args:
      path: weights file of Keras, or .npz archive.
      model: configuration whose backbone is MobileNetV2 of Model Garden; the file decides its width.
      output: directory that gets `ckpt-0` and `import.json`; name it in `task.init_checkpoint`, with
        `task.init_checkpoint_modules: backbone`.
      width: that the file must have; None: any.
      inputs: files that are never replaced, beside `path`.
      force: replace files that this program did not write.

    Returns:
      The account.

    Raises:
      OSError: the file cannot be read or the directory not written.
      ValueError: the directory holds something else; the file is no such file: wrong keys, shapes, types,
        width, or values that are not finite.
    """
    read = [path, *inputs]
    model_folder.check_import(output, read, force)
    is_keras = keras_file.is_keras_file(path)
    convolutions, skipped = _read_keras(path) if is_keras else (_read_archive(path), [])
    found = _find_width(path, convolutions)
    if width not in (None, found):
        raise ValueError(f"{path}: is MobileNetV2 of width {found:g}, expected is width {width:g}")
    backbone = _build_backbone(model, found)
    units = list(_units(backbone))
    unused = "a layer above those that the feature pyramid uses"
    skipped += [(f"{name}/{kind}", unused) for name, _ in convolutions[len(units) :] for kind in _KINDS]
    for (name, arrays), variables in zip(convolutions[: len(units)], units, strict=True):
        for kind, variable in variables.items():
            _assign(path, f"{name}/{kind}", variable, arrays[kind])
    checkpoint = os.path.join(output, model_folder.FIRST)
    done = import_account.ImportAccount(
        file=path,
        form="h5" if is_keras else "npz",
        sha256=storage.measure(path)[1],
        published="",
        experiment="yolact_mobilenetv2_coco",
        modules="backbone",
        num_classes=0,
        mapped=tuple(f"{name}/{kind}" for name, _ in convolutions[: len(units)] for kind in _KINDS),
        skipped=tuple(skipped),
        notes=(f"width {found:g}: fits task.model.backbone.mobilenet.filter_size_scale={found:g}",),
        checkpoint=checkpoint,
    )
    with model_folder.open_import(output, done.to_json(), read, force):
        model_folder.save_model(tf.train.Checkpoint(backbone=backbone), output, "backbone")
    return done


def _find_width(path: str, convolutions: _Convolutions) -> float:
    """Read the width off the last block."""
    count = len(convolutions)
    # Another one may follow: the archives of some have a classifier that is a convolution.
    if count not in (_CONVOLUTIONS, _CONVOLUTIONS + 1):
        raise ValueError(
            f"{path}: has {count} convolutions, MobileNetV2 here has {_CONVOLUTIONS}:"
            " is it MobileNetV2 without top?"
        )
    kernel = convolutions[_CONVOLUTIONS - 2][1]["kernel"]
    filters = kernel.shape[-1] if kernel.ndim else 0
    for width in named_weights.WIDTHS:
        if filters == round(_LAST_FILTERS * width):
            return width
    raise ValueError(
        f"{path}: its last block has {filters} filters, not {_LAST_FILTERS} times a published width:"
        f" {', '.join(map(str, named_weights.WIDTHS))}"
    )


def _read_keras(path: str) -> tuple[_Convolutions, list[tuple[str, str]]]:
    """Pair each convolution with the batch norm after it; what else has weights is skipped."""
    found: _Convolutions = []
    skipped = []
    for name, arrays in keras_file.read_layers(path, _MAX_BYTES):
        if set(arrays) == {"kernel"}:
            found.append((name, arrays))
        elif set(arrays) == set(_NORM_KINDS) and found and len(found[-1][1]) == 1:
            found[-1][1].update(arrays)
        elif set(arrays) == {"kernel", "bias"}:
            skipped += [(f"{name}/{kind}", "the classifier of ImageNet") for kind in arrays]
        else:
            raise ValueError(
                f"{path}: layer {name} has {sorted(arrays)}: MobileNetV2 has no such layer there"
            )
    for name, arrays in found:
        if len(arrays) != len(_KINDS):
            raise ValueError(f"{path}: no batch norm follows the convolution {name}")
    return found, skipped


def _build_backbone(model: configs.YolactModel, width: float = 1.0) -> tf_keras.Model:
    model = model.replace()
    backbone = model.backbone
    if backbone.type != "mobilenet" or backbone.mobilenet.model_id != "MobileNetV2":
        raise ValueError(f"backbone {backbone.type!r} is not MobileNetV2: use an experiment that has it")
    backbone.mobilenet.filter_size_scale = width
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


def _read_archive(path: str) -> _Convolutions:
    inputs_lib.check(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"{path}: unpacks to {size} bytes, more than MobileNetV2 can need")
        with np.load(path, allow_pickle=False) as arrays:
            return _group(path, {key: arrays[key] for key in arrays.files})
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: is no .npz archive: {error}") from error


def _group(path: str, arrays: dict[str, Any]) -> _Convolutions:
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
