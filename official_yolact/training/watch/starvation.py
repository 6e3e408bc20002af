"""A watch for an input that is slower than the device."""

from __future__ import annotations

from official_yolact.training.watch import watcher

_SHARE = 0.3
_LOOPS = 3


class InputStarvation:
    """Notices when a good part of the time goes into waiting for batches."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._reported = False

    def update(self, result: watcher.LoopResult) -> str | None:
        """Return a message, once, when more than 30 % of three loops in a row was waiting."""
        num_steps, seconds, wait_seconds = result.times
        if not num_steps:
            return None
        share = wait_seconds / seconds if seconds > 0 else 0.0
        self._in_a_row = self._in_a_row + 1 if share > _SHARE else 0
        if self._reported or self._in_a_row < _LOOPS:
            return None
        self._reported = True
        return (
            f"the input is slower than the device: {1000 * wait_seconds / num_steps:.0f} ms of waiting for a "
            f"batch and {1000 * (seconds - wait_seconds) / num_steps:.0f} ms of computing in each step, "
            f"{share:.0%} of the time. Give the run more CPU cores, put the records on a faster disk, leave "
            "task.train_data.prefetch_buffer_size unset, or let other machines make the batches "
            "(task.train_data.enable_tf_data_service)"
        )
