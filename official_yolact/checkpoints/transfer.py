"""Fine-tuning from another model: all that fits is loaded, and every tensor is accounted for."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any

from numpy.typing import NDArray

from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import restore
from official_yolact.checkpoints import stored_categories
from official_yolact.checkpoints import stored_model
from official_yolact.files import storage
from official_yolact_runtime import categories as categories_lib

_CLASS_LAYER = re.compile(r"^(head/class_conv|semantic_head/conv|mask_iou_head/project)/(kernel|bias)$")
_WITH_BACKGROUND = "head/class_conv/"


@dataclasses.dataclass(frozen=True)
class Rows:
    """Which classes of the target model the source model has too.

    Classes are counted from 1; the background is not among them. A row is the slice of a weight that
    belongs to one class.

    Attributes:
      num_here: classes of the target, without background.
      num_there: classes of the source, without background.
      pairs: (class here, class there), of equal names.
      new: names here that are not there.
      unused: names there that are not here.
      same: the lists are equal, so that whole tensors may be taken.
    """

    num_here: int
    num_there: int
    pairs: tuple[tuple[int, int], ...]
    new: tuple[str, ...]
    unused: tuple[str, ...]
    same: bool


@dataclasses.dataclass(frozen=True)
class Transferred:
    """What a transfer did.

    Attributes:
      checkpoint: where the values came from.
      loaded: paths of variables that were loaded whole.
      copied_rows: paths of variables into which the rows of known classes were copied.
      reinitialized: path and reason of each variable that keeps its initial value.
      unused: path of each stored tensor that belongs to no variable.
      rows: of the classes; None if one of the two class lists is not known.
    """

    checkpoint: str
    loaded: tuple[str, ...]
    copied_rows: tuple[str, ...]
    reinitialized: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]
    rows: Rows | None

    def __str__(self) -> str:
        """Say it, one finding a line."""
        whole, mixed, new = len(self.loaded), len(self.copied_rows), len(self.reinitialized)
        lines = [
            f"{self.checkpoint}: loaded {whole + mixed}/{whole + mixed + new} tensors ({mixed} by rows), "
            f"{len(self.unused)} skipped"
        ]
        if self.copied_rows and self.rows is not None:
            lines.append(
                f"  copied the rows of {len(self.rows.pairs)} classes with the same name in"
                f" {', '.join(self.copied_rows)}"
            )
        if self.rows is not None and self.rows.new:
            lines.append(f"  new classes, rows re-initialised: {', '.join(self.rows.new)}")
        if self.rows is not None and self.rows.unused:
            lines.append(f"  classes there that are not here: {', '.join(self.rows.unused)}")
        lines += [f"  re-initialised {path}: {reason}" for path, reason in self.reinitialized]
        if self.unused:
            lines.append(f"  not used: {', '.join(self.unused)}")
        return "\n".join(lines)


def transfer_model(
    model: Any, path: str, target: categories_lib.Categories | None = None, prefer_best: bool = True
) -> Transferred:
    """Load into a built model what fits of another model's weights.

    The rows of classes are copied by name, also where both models have the same number of classes. The
    names come from `target` and from `categories.json` beside the checkpoint.

    Args:
      model: a built `YolactModel`.
      path: model directory or checkpoint.
      target: classes of the model; None: not known.
      prefer_best: of a directory, the best checkpoint is preferred to the last one.

    Returns:
      The account of every tensor on either side.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: the backbone does not fit; the model is as it was.
    """
    checkpoint = model_dir.find_checkpoint(path, prefer_best)
    source = stored_model.StoredModel(checkpoint)
    slots = source.match(model)
    restore.check_backbone(checkpoint, slots)
    rows = match_classes(find_categories(checkpoint), target)
    loaded, mixed, kept = [], [], []
    for slot in slots:
        reason = _refuse(slot, rows)
        if reason:
            kept.append((slot.path, reason))
        elif _CLASS_LAYER.match(slot.path) and rows is not None and not rows.same:
            mixed.append(slot)
        else:
            loaded.append(slot)
    values = [_mix_rows(slot, source.read(str(slot.key)), rows) for slot in mixed]
    restore.assign(source, loaded)
    for slot, value in zip(mixed, values, strict=True):
        slot.variable.assign(value)
    known = {slot.key for slot in slots}
    return Transferred(
        checkpoint,
        tuple(slot.path for slot in loaded),
        tuple(slot.path for slot in mixed),
        tuple(kept),
        tuple(sorted(path for key, path in source.paths().items() if key not in known)),
        rows,
    )


def find_categories(checkpoint: str) -> categories_lib.Categories | None:
    """Read the classes of the model that a checkpoint belongs to; None if they are not known."""
    folder = os.path.dirname(checkpoint if storage.is_remote(checkpoint) else os.path.abspath(checkpoint))
    if os.path.basename(folder) == model_dir.BEST_SUBDIR:
        folder = os.path.dirname(folder)
    return stored_categories.find(folder)


def match_classes(
    source: categories_lib.Categories | None, target: categories_lib.Categories | None
) -> Rows | None:
    """Pair the classes of two models by name; case, spaces, hyphens and underscores do not count."""
    if source is None or target is None:
        return None
    there = {_plain(name): index for index, name in reversed(list(enumerate(source.names, 1)))}
    here = [(index, name, there.get(_plain(name))) for index, name in enumerate(target.names, 1)]
    plain_here = {_plain(name) for name in target.names}
    return Rows(
        len(target.names),
        len(source.names),
        tuple((index, found) for index, _, found in here if found is not None),
        tuple(name for _, name, found in here if found is None),
        tuple(name for name in source.names if _plain(name) not in plain_here),
        [_plain(name) for name in source.names] == [_plain(name) for name in target.names],
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _refuse(slot: stored_model.Slot, rows: Rows | None) -> str:
    """Say why a variable cannot be loaded; "" if it can."""
    if slot.key is None:
        return "the checkpoint has no such tensor"
    here, there = tuple(slot.variable.shape), slot.shape
    if _CLASS_LAYER.match(slot.path) and rows is not None and not rows.same:
        return _refuse_rows(slot, rows)
    if here == there:
        return ""
    reason = f"{list(there)} there, {list(here)} here"
    if _CLASS_LAYER.match(slot.path) and rows is None:
        reason += " (no class names on one side, so that no rows can be matched)"
    return reason


def _refuse_rows(slot: stored_model.Slot, rows: Rows) -> str:
    if not rows.pairs:
        return "no class has the same name"
    there, here = _split(slot, rows)
    if there[-1] is None or (there[0], there[1]) != (here[0], here[1]):
        return f"{list(slot.shape)} there, {list(slot.variable.shape)} here: other anchors or filters"
    return ""


def _split(slot: stored_model.Slot, rows: Rows) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Find the leading shape, number of groups (anchors) and classes of a group, stored and here."""
    background = int(slot.path.startswith(_WITH_BACKGROUND))
    sides = ((slot.shape, rows.num_there), (tuple(slot.variable.shape), rows.num_here))
    shapes = []
    for shape, num_classes in sides:
        classes = num_classes + background
        whole = bool(shape) and shape[-1] % classes == 0
        shapes.append((shape[:-1], shape[-1] // classes, classes if whole else None))
    return shapes[0], shapes[1]


def _mix_rows(slot: stored_model.Slot, value: NDArray[Any], rows: Rows | None) -> NDArray[Any]:
    """Put the stored rows of known classes, and of the background, into the initial value."""
    assert rows is not None
    there, here = _split(slot, rows)
    source = value.reshape(*there[0], there[1], there[2])
    mixed: NDArray[Any] = slot.variable.numpy().reshape(*here[0], here[1], here[2])
    offset = 0 if slot.path.startswith(_WITH_BACKGROUND) else -1
    if offset == 0:
        mixed[..., 0] = source[..., 0]
    for index, found in rows.pairs:
        mixed[..., index + offset] = source[..., found + offset]
    return mixed.reshape(tuple(slot.variable.shape))
