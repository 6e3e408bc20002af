"""A watch for the one way in which YOLACT fails in silence: boxes learn and masks do not."""

from __future__ import annotations

import math
from collections import deque

_LOOPS = 5
_MIN_STEPS = 100
_SPREAD = 0.02
_HIGHEST = 1.5


class MaskPlateau:
    """Notices a mask loss that stands still at the value of masks that are 0.5 everywhere.

    With mask logits at 0 each pixel of the window costs ln 2, so the loss is the weight times ln 2,
    a little more by the border that the window adds to the box. Dead prototypes give just that, for
    ever, while boxes and classes go on learning.
    """

    def __init__(self, mask_weight: float):
        """Take the weight that the loss is reported with.

        Args:
          mask_weight: `task.losses.mask_weight`.
        """
        self._plateau = mask_weight * math.log(2.0)
        self._recent: deque[tuple[int, float]] = deque(maxlen=_LOOPS)
        self._reported = False

    def update(self, step: int, mask_loss: float) -> str | None:
        """Take the mean mask loss of a training loop.

        Args:
          step: global step at its end.
          mask_loss: mean over the loop, weighted.

        Returns:
          A message, once, when the loss has stood at the plateau over the last five loops and at
          least 100 steps; otherwise None.
        """
        self._recent.append((step, mask_loss))
        if self._reported or not self._stands_still():
            return None
        self._reported = True
        return (
            f"mask_loss has stood at {mask_loss:.3f} since step {self._recent[0][0]}: that is "
            f"{self._plateau:.3f} (mask_weight x ln 2) and the window's border, the loss of masks that are "
            "0.5 everywhere. Masks are not learning. Start from pretrained weights (task.init_checkpoint), "
            "lengthen the warm-up, lower the learning rate, or train batch norm (task.model.freeze_bn=false)."
        )

    def _stands_still(self) -> bool:
        if self._plateau <= 0 or len(self._recent) < _LOOPS:
            return False
        if self._recent[-1][0] - self._recent[0][0] < _MIN_STEPS:
            return False
        losses = [loss for _, loss in self._recent]
        near = all(0.99 * self._plateau <= loss <= _HIGHEST * self._plateau for loss in losses)
        return near and max(losses) - min(losses) <= _SPREAD * self._plateau
