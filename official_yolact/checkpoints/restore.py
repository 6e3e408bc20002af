"""Verified restoring of checkpoints: all of what was asked for, or one error."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import stored_model

_DEFORMABLE_ADDITION = re.compile(r"/conv2/(bias|offset_conv/(kernel|bias))$")


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
      checkpoint: where the values came from.
      num_tensors: variables of the model that were loaded from it.
      num_untouched: variables of the model outside the modules that were asked for.
      num_skipped: tensors of the stored model that no variable of these modules has.
    """

    checkpoint: str
    num_tensors: int
    num_untouched: int
    num_skipped: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        total = self.num_tensors + self.num_untouched
        rest = f", {self.num_untouched} keep their initial values" if self.num_untouched else ""
        return (
            f"{self.checkpoint}: loaded {self.num_tensors}/{total} tensors, {self.num_skipped} skipped{rest}"
        )


def restore_model(model: Any, path: str, modules: str = "all", prefer_best: bool = True) -> Restored:
    """Load the weights of a checkpoint into a built model.

    Args:
      model: a built `YolactModel`.
      path: model directory or checkpoint, written by training or by import-weights.
      modules: `all`, or `backbone` for the backbone alone.
      prefer_best: of a directory, the best checkpoint is preferred to the last one.

    Returns:
      An account of what was loaded.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: a variable has no value there, or one of another shape; the model is as it was.
    """
    checkpoint = model_dir.find_checkpoint(path, prefer_best)
    source = stored_model.StoredModel(checkpoint)
    slots = source.match(*_part(model, modules))
    if modules == "backbone":
        check_backbone(checkpoint, slots)
        slots = [slot for slot in slots if slot.key is not None]
    unfit = [slot for slot in slots if slot.shape != tuple(slot.variable.shape)]
    if unfit:
        raise ValueError(_describe_mismatch(checkpoint, "model", unfit))
    assign(source, slots)
    skipped = source.paths().keys() - {slot.key for slot in slots}
    return Restored(checkpoint, len(slots), len(model.variables) - len(slots), len(skipped))


def check_backbone(checkpoint: str, slots: list[stored_model.Slot]) -> None:
    """Refuse a checkpoint of another backbone.

    The bias and the offsets of a deformable convolution may be missing: weights of a plain backbone may
    start a deformable one, as in the original.

    Raises:
      ValueError: names what does not fit.
    """
    unfit = [
        slot
        for slot in slots
        if slot.path.startswith("backbone/")
        and slot.shape != tuple(slot.variable.shape)
        and not (slot.key is None and _DEFORMABLE_ADDITION.search(slot.path))
    ]
    if unfit:
        raise ValueError(_describe_mismatch(checkpoint, "backbone", unfit))


def assign(source: stored_model.StoredModel, slots: list[stored_model.Slot]) -> None:
    """Set variables to their stored values; all values are read before the first variable changes.

    Raises:
      ValueError: a value is damaged; the variables are as they were.
    """
    values = [source.read(str(slot.key)) for slot in slots]
    for slot, value in zip(slots, values, strict=True):
        slot.variable.assign(value)


def _part(model: Any, modules: str) -> tuple[Any, str]:
    return (model.backbone, "backbone") if modules == "backbone" else (model, "")


def _describe_mismatch(checkpoint: str, part: str, unfit: list[stored_model.Slot]) -> str:
    section = "task.model" if part == "model" else "task.model.backbone"
    shown = [
        f"{slot.path}: {list(slot.shape) if slot.key else 'nothing'} there, {list(slot.variable.shape)} here"
        for slot in unfit[:3]
    ]
    more = "; ..." if len(unfit) > len(shown) else ""
    return (
        f"{checkpoint}: does not fit this {part} in {len(unfit)} tensors. Use the same {section} section"
        f" as what wrote it. ({'; '.join(shown)}{more})"
    )
