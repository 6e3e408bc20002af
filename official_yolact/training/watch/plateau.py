"""A watch for the one way in which YOLACT fails in silence: boxes learn and masks do not."""

from __future__ import annotations

import math

from official_yolact.training.watch import watcher

_LOOPS = 5
_MIN_STEPS = 100
_SPREAD = 0.02
_HIGHEST = 1.5


class MaskPlateau:
    """Notices a mask loss that does not leave the value of masks that are 0.5 everywhere.

    With mask logits at 0 each pixel of the window costs ln 2, so the loss is the weight times ln 2, and
    a little more for the border that the window adds to the box. Dead prototypes keep the loss there for
    ever, while boxes and classes go on learning.
    """

    def __init__(self, mask_weight: float):
        """Compute the plateau from `task.losses.mask_weight`, which the reported loss contains."""
        self._plateau = mask_weight * math.log(2.0)
        self._still: list[tuple[int, float]] = []
        self._reported = False

    def update(self, result: watcher.LoopResult) -> str | None:
        """Return a message, once, when the loss has stood still over five loops and 100 steps at least."""
        self._still.append((result.step, result.mask_loss))
        while self._still and not self._is_still():
            self._still.pop(0)
        if self._reported or len(self._still) < _LOOPS or result.step - self._still[0][0] < _MIN_STEPS:
            return None
        self._reported = True
        return (
            f"mask_loss has stood at {result.mask_loss:.3f} since step {self._still[0][0]}: that is "
            f"{self._plateau:.3f} (mask_weight x ln 2) and the window's border, the loss of masks that are "
            "0.5 everywhere. Masks are not learning. Start from pretrained weights (task.init_checkpoint), "
            "set task.model.class_prior=0.01, lengthen the warm-up, lower the learning rate, or train batch "
            "norm (task.model.freeze_bn=false)."
        )

    def _is_still(self) -> bool:
        losses = [loss for _, loss in self._still]
        near = all(0.99 * self._plateau <= loss <= _HIGHEST * self._plateau for loss in losses)
        return self._plateau > 0 and near and max(losses) - min(losses) <= _SPREAD * self._plateau
