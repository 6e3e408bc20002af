"""What stored weights mean beside their shapes: the anchors, pixels and levels of their configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from official_yolact.checkpoints import model_dir
from official_yolact.configs import architecture
from official_yolact.configs import loading
from official_yolact.configs import yolact as configs
from official_yolact_runtime import model_files

_MODEL = "task.model."
_ANCHOR = f"{_MODEL}anchor."
_PER_CELL = (f"{_ANCHOR}scales_per_octave", f"{_ANCHOR}aspect_ratios")
_PIXELS = f"{_MODEL}normalization."
_LEVELS = (f"{_MODEL}min_level", f"{_MODEL}max_level")
_ASPECT = f"{_MODEL}keep_aspect"
_OF_THE_SET = (f"{_MODEL}num_classes", f"{_MODEL}input_size")
"""Classes are matched by name, and the weights know no input size."""


def find_differences(path: str, model: configs.YolactModel, modules: str = "all") -> list[str]:
    """Compare what the weights of a model directory were trained for with a configuration.

    Args:
      path: `task.init_checkpoint`: a model directory, or a checkpoint in one.
      model: the section of the network that takes over the weights.
      modules: `all`, or `backbone`, which has neither head nor anchors.

    Returns:
      A line for each difference that the shapes of the weights do not tell; none where the directory has
      no configuration, as that of a backbone has none.
    """
    stored = _read(path)
    if stored is None:
        return []
    changes = architecture.find_changes(stored, {"task": {"model": model.as_dict()}})
    if modules == "backbone":
        chosen = (_PIXELS, f"{_MODEL}backbone.", f"{_MODEL}norm_activation.")
        changes = {key: pair for key, pair in changes.items() if key.startswith(chosen)}
    return list(_describe(changes, stored, model))


def _read(path: str) -> Mapping[str, Any] | None:
    """Read the architecture from `params.yaml` beside a checkpoint; above, where it is one of the best."""
    folder = path if tf.io.gfile.isdir(path) else os.path.dirname(path)
    if os.path.basename(os.path.normpath(folder)) == model_dir.BEST_SUBDIR:
        folder = os.path.dirname(os.path.normpath(folder))
    file = os.path.join(folder, model_files.PARAMS_FILE)
    return architecture.select(loading.read_yaml(file)) if tf.io.gfile.exists(file) else None


def _describe(
    changes: Mapping[str, tuple[Any, Any]], stored: Mapping[str, Any], model: configs.YolactModel
) -> Iterator[str]:
    left = {key: pair for key, pair in changes.items() if key not in _OF_THE_SET}
    anchors = {key: pair for key, pair in left.items() if key.startswith(_ANCHOR)}
    if anchors:
        octaves, ratios = (stored.get(key) for key in _PER_CELL)
        then = "its outputs start anew"
        if octaves is not None and ratios is not None and octaves * len(ratios) == model.anchor.num_per_cell:
            then = "its outputs are loaded all the same, and have to learn these anchors"
        yield f"other anchors than the head was trained with ({_list(anchors, _ANCHOR)}): {then}"
    levels = {key: pair for key, pair in left.items() if key in _LEVELS}
    if levels:
        yield f"other levels and strides ({_list(levels, _MODEL)}): the head has not seen all of them"
    shapes = {key: pair for key, pair in left.items() if key == _ASPECT}
    if shapes:
        yield (
            f"other proportions of the photos than the weights were trained with ({_list(shapes, _MODEL)}):"
            " write those, or objects have another shape than was learned"
        )
    pixels = {key: pair for key, pair in left.items() if key.startswith(_PIXELS)}
    if pixels:
        yield (
            f"other pixels than the weights were trained with ({_list(pixels, _MODEL)}): write those,"
            " or every layer has to learn anew"
        )
    rest = {key: pair for key, pair in left.items() if key not in {**anchors, **levels, **shapes, **pixels}}
    if rest:
        yield f"another network ({_list(rest, _MODEL)}): what has another shape starts anew"


def _list(changes: Mapping[str, tuple[Any, Any]], prefix: str) -> str:
    return "; ".join(
        f"{key.removeprefix(prefix)} {there} there, {here} here" for key, (there, here) in changes.items()
    )
