"""Checkpoints that another process writes, as they appear."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from absl import logging

from official_yolact.checkpoints import scan
from official_yolact.checkpoints import verify

_NAME = "ckpt"
_POLL_SECONDS = 1.0


def iterate(
    directory: str, is_done: Callable[[], bool], timeout: float | None = None, poll: float = _POLL_SECONDS
) -> Iterator[str]:
    """Yield the newest intact checkpoint whenever there is a newer one; files are only read.

    A checkpoint that is being written or deleted is skipped, and looked at again when its files change.

    Args:
      directory: of the run.
      is_done: called after each checkpoint was used; True ends the iteration.
      timeout: seconds without a new checkpoint that end the iteration; None: wait for ever.
      poll: seconds between two looks.

    Yields:
      Prefix of a checkpoint, without `.index`; numbers rise.
    """
    passed: dict[str, tuple[str, ...]] = {}
    number, since = -1, time.monotonic()
    while True:
        found = _find_newer(directory, number, passed)
        if found is not None:
            number = found.number
            yield found.prefix
            if is_done():
                logging.info("%s: evaluated the last checkpoint, ckpt-%d", directory, number)
                return
            since = time.monotonic()
        elif timeout is not None and time.monotonic() - since > timeout:
            logging.warning(
                "%s: no new checkpoint in %g s (trainer.continuous_eval_timeout)", directory, timeout
            )
            return
        else:
            time.sleep(poll)


def wait_for_first(directory: str, timeout: float | None = None, poll: float = _POLL_SECONDS) -> None:
    """Wait until a training has saved a first checkpoint.

    Args:
      directory: of the run; need not exist.
      timeout: seconds; None: wait for ever.
      poll: seconds between two looks.

    Raises:
      TimeoutError: there is none.
    """
    if not scan.was_saved(directory):
        logging.info("%s: waiting for a first checkpoint", directory)
    try:
        next(iterate(directory, lambda: True, timeout, poll))
    except StopIteration:
        raise TimeoutError(
            f"{directory}: no intact checkpoint in {timeout:g} s (trainer.continuous_eval_timeout): is this "
            "the --model_dir of the training?"
        ) from None


def _find_newer(
    directory: str, number: int, passed: dict[str, tuple[str, ...]]
) -> scan.CheckpointFiles | None:
    for found in scan.find_checkpoints(directory, _NAME):
        if found.number <= number:
            return None
        if not found.has_index or passed.get(found.prefix) == found.endings:
            continue
        problem = verify.find_damage(found)
        if not problem:
            return found
        logging.warning("passing over %s, which may be being written: %s", found.prefix, problem)
        passed[found.prefix] = found.endings
    return None
