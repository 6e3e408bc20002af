"""A watch for the one way in which YOLACT fails in silence: boxes learn and masks do not."""

from __future__ import annotations

import math

from official_yolact.training.watch import watcher

_LOOPS = 5
_MIN_STEPS = 100
_SPREAD = 0.02
_HIGHEST = 1.5
_NOISY_LOOPS = 20
_NOISY_STEPS = 1000


class MaskPlateau:
    """Notices a mask loss that does not leave the value of masks that are 0.5 everywhere.

    With mask logits at 0 each pixel of the window costs ln 2, so the loss is the weight times ln 2, and
    a little more for the border that the window adds to the box. Dead prototypes keep the loss there for
    ever, while boxes and classes go on learning. Of few objects a batch the border makes the loss go up and
    down: then it has to stay near that value for longer, and its mean must not fall.
    """

    def __init__(self, mask_weight: float):
        """Compute the plateau from `task.losses.mask_weight`, which the reported loss contains."""
        self._plateau = mask_weight * math.log(2.0)
        self._still: list[tuple[int, float]] = []
        self._near: list[tuple[int, float]] = []
        self._reported = False

    def update(self, result: watcher.LoopResult) -> str | None:
        """Return a message, once, when the loss has stood still.

        Either it has hardly changed over five loops and 100 steps at least, or its mean has not fallen over
        20 loops and 1,000 steps at least.
        """
        latest = (result.step, result.mask_loss)
        self._still.append(latest)
        while self._still and not self._is_still():
            self._still.pop(0)
        self._near = [*self._near, latest] if self._is_near(result.mask_loss) else []
        while len(self._near) > _NOISY_LOOPS and _count_steps(self._near[1:]) >= _NOISY_STEPS:
            self._near.pop(0)
        stood = next((each for each in (self._still, self._near) if self._is_long(each)), None)
        if self._reported or stood is None:
            return None
        self._reported = True
        return (
            f"mask_loss has stood at {result.mask_loss:.3f} since step {stood[0][0]}: that is "
            f"{self._plateau:.3f} (mask_weight x ln 2) and the window's border, the loss of masks that are "
            "0.5 everywhere. Masks are not learning. Start from pretrained weights (task.init_checkpoint), "
            "set task.model.class_prior=0.01, lengthen the warm-up, lower the learning rate, or train batch "
            "norm (task.model.freeze_bn=false)."
        )

    def _is_long(self, stood: list[tuple[int, float]]) -> bool:
        if stood is self._still:
            return len(stood) >= _LOOPS and _count_steps(stood) >= _MIN_STEPS
        half = len(stood) // 2
        first, second = (sum(loss for _, loss in part) for part in (stood[:half], stood[-half:]))
        return len(stood) >= _NOISY_LOOPS and _count_steps(stood) >= _NOISY_STEPS and second >= first

    def _is_still(self) -> bool:
        losses = [loss for _, loss in self._still]
        near = all(map(self._is_near, losses))
        return near and max(losses) - min(losses) <= _SPREAD * self._plateau

    def _is_near(self, loss: float) -> bool:
        return self._plateau > 0 and 0.99 * self._plateau <= loss <= _HIGHEST * self._plateau


def _count_steps(stood: list[tuple[int, float]]) -> int:
    return stood[-1][0] - stood[0][0]
