"""What every sink has: it is given pictures with what was found in them, and writes."""

from __future__ import annotations

import abc
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from official_yolact.serving import interrupts
from official_yolact.serving import shots
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime.files import outputs

Write = Callable[[shots.Shot, detections_lib.Detections], None]


class Place:
    """The folder that sinks write into, and the rule of what is replaced there.

    Attributes:
      folder: the folder.
    """

    def __init__(self, folder: str, inputs: Sequence[str], force: bool) -> None:
        """Remember the rule.

        Args:
          folder: to write into; made where something is written.
          inputs: files that are read, and never replaced.
          force: replace files that this program did not write.
        """
        self.folder = folder
        self._rule: dict[str, Any] = {"inputs": list(inputs), "force": force}

    def claim(self, *names: str) -> str:
        """Give the path of a file after checking that nothing is lost by it.

        Raises:
          ValueError: something would be lost; names the file and the cure.
        """
        path = os.path.join(self.folder, *names)
        if outputs.find_input(path, self._rule["inputs"]):
            raise ValueError(f"{path}: would overwrite the picture itself: choose another --output folder")
        outputs.check(path, **self._rule)
        return path

    def begin(self, *names: str) -> str:
        """As `claim`; makes the file's folder."""
        path = self.claim(*names)
        with outputs.named(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return path

    def write(self, content: bytes, *names: str) -> str:
        """Write a file, whole or not at all; gives its path."""
        path = self.claim(*names)
        outputs.write(path, content, **self._rule)
        return path

    def save(self, found: detections_lib.Detections, *names: str) -> None:
        """Write a picture with its instances, whole or not at all."""
        found.save(self.claim(*names), **self._rule)


class Sink(abc.ABC):
    """Writes what was found in pictures, in their order; those of a video come one after another.

    Attributes:
      notes: lines for people about the files, once they are complete.
    """

    notes: Sequence[str] = ()

    @abc.abstractmethod
    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write what was found in a picture.

        Raises:
          OSError: names the file.
        """

    def finish(self) -> None:  # noqa: B027  not every sink has something left to do
        """Complete the files with what was written so far.

        Raises:
          OSError: names the file.
        """

    def abandon(self) -> None:  # noqa: B027
        """Leave nothing of a file that could not be written; a video stays as far as it can be played."""


@contextlib.contextmanager
def finishing(sinks: Sequence[Sink]) -> Iterator[Write]:
    """Give the function that writes into all sinks, and finish all of them, whatever happens.

    An interruption waits until a picture is in all sinks.

    Raises:
      OSError: of the first sink that fails; names the file.
    """
    failed: list[Sink] = []
    with interrupts.holding() as hold:

        def write(shot: shots.Shot, found: detections_lib.Detections) -> None:
            with hold:
                # Pictures may wait behind the one at which a sink has failed.
                for sink in () if failed else sinks:
                    try:
                        sink.write(shot, found)
                    except BaseException:
                        failed.append(sink)
                        raise

        try:
            yield write
        finally:
            with hold:
                _finish_all(sinks, failed)


def _finish_all(sinks: Sequence[Sink], failed: Sequence[Sink]) -> None:
    errors: list[Exception] = []
    for sink in sinks:
        try:
            sink.abandon() if sink in failed else sink.finish()
        except (OSError, ValueError) as error:
            errors.append(error)
            sink.abandon()
    if errors and not failed:
        raise errors[0]
