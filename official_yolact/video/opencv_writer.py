"""VP8 in WebM by OpenCV, at a constant rate; Motion JPEG in AVI where OpenCV has no VP8."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import tempfile
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from official_yolact.files import standard_error
from official_yolact.video import opencv_reader
from official_yolact.video import sizes
from official_yolact_runtime.files import outputs

_CODES = {".webm": "VP80", ".avi": "MJPG"}
_PROBE = (16, 16)


class OpenCvWriter:
    """Writes a video; see `writing.Writer`. Times are those of the rate."""

    def __init__(self, path: str, rate: Fraction) -> None:
        self._path, self._rate = path, float(rate)
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(outputs.create_by_name(path))
        # OpenCV chooses the container by the suffix.
        self._working = self._temporary + os.path.splitext(path)[1]
        self._fitted = sizes.Fitted()
        self._writer: cv2.VideoWriter | None = None
        self._count = 0
        self._is_finished = False

    def write(self, image: NDArray[np.uint8], time: Fraction) -> None:  # noqa: ARG002  the rate decides
        """Append a frame."""
        image = self._fitted.fit(image)
        if self._writer is None:
            self._writer = _begin(self._working, self._rate, (image.shape[1], image.shape[0]))
        with opencv_reader.quiet():
            self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._count += 1

    def finish(self) -> None:
        """Complete the file."""
        if self._is_finished:
            return
        self._is_finished, written = True, 0
        with self._stack:
            try:
                if self._writer is not None:
                    with opencv_reader.quiet():
                        self._writer.release()
                    written = _count_frames(self._working)
                if not written:
                    self._fail()
                outputs.rename(self._working, self._temporary, durable=False)
            finally:
                with contextlib.suppress(OSError):
                    os.remove(self._working)
        # OpenCV is silent about a disk that is full.
        if written < self._count:
            self._fail()

    def _fail(self) -> None:
        raise OSError(errno.ENOSPC, "cannot be written whole: perhaps the disk is full", self._path)


@functools.cache
def find_extension() -> str:
    """Choose the container for which this OpenCV has a codec."""
    with tempfile.TemporaryDirectory() as folder:
        for extension in _CODES:
            writer = _begin(os.path.join(folder, f"probe{extension}"), 25.0, _PROBE)
            works = writer.isOpened()
            writer.release()
            if works:
                return extension
    raise ValueError("this OpenCV writes no video: pip install 'official-yolact[video]'")


def _begin(path: str, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    code = cv2.VideoWriter.fourcc(*_CODES[os.path.splitext(path)[1]])
    # OpenCV finds VP8 in WebM unusual, and no option hides it.
    with opencv_reader.quiet(), standard_error.hear():
        return cv2.VideoWriter(path, cv2.CAP_FFMPEG, code, rate, size)


def _count_frames(path: str) -> int:
    with opencv_reader.quiet():
        capture, count = cv2.VideoCapture(path, cv2.CAP_FFMPEG), 0
        while capture.grab():
            count += 1
        capture.release()
    return count
