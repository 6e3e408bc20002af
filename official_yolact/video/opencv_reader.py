"""Videos, streams and cameras by OpenCV: cameras always, the others where PyAV is not installed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from official_yolact.video import frames
from official_yolact.video import kinds
from official_yolact.video import spans

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_LOG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_MICROSECOND = Fraction(1, 1_000_000)
_TIMEOUT = int(1000 * kinds.TIMEOUT_SECONDS)
_MISSING_SHARE = 0.02
"""OpenCV computes the number of frames of some formats from the duration."""


class OpenCvReader:
    """Reads a video; see `frames.Reader`."""

    num_damaged = 0

    def __init__(self, name: str, path: str | None = None) -> None:
        """Open a video.

        Args:
          name: of the file or the stream, for messages, or `camera:0`.
          path: of the file; None: `name` is an address or a camera.

        Raises:
          ValueError: it cannot be opened, or its frames are too large.
        """
        self._is_camera = kinds.find_camera(name) is not None
        self._is_live = path is None
        self._capture = _open(name, path)
        width, height = (
            int(self._capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > kinds.MAX_PIXELS:
            self.close()
            shown = kinds.hide_password(name)
            raise ValueError(
                f"{shown}: its frames of {width}x{height} pixels are more than {kinds.MAX_PIXELS}"
            )
        self.time_base = _MICROSECOND
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if 0 < rate < 1000 else Fraction(0)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.num_frames = int(count) if count > 0 and not self._is_live else None

    def read(self, span: spans.Span) -> Iterator[frames.Frame]:
        """Give the frames of a span."""
        number, chosen, start, last = -1, 0, None, Fraction(-1)
        while self._capture.grab():
            number += 1
            now = self._find_time(number)
            start = now if start is None else start
            at = now - start
            if at <= last:  # a container without times
                at = last + 1 / (self.rate or Fraction(25))
            last = at
            if span.is_past(at):
                return
            if at < span.start:
                continue
            if chosen % span.every == 0:
                image = self._retrieve()
                yield frames.Frame(number, at, image)
            chosen += 1
        self._check_end(number + 1)

    def close(self) -> None:
        """Close the file, the stream or the camera."""
        self._capture.release()

    def _find_time(self, number: int) -> Fraction:
        if self._is_camera:
            seconds = time.monotonic()
        else:
            seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if not seconds and number and self.rate:
                return number / self.rate
        return round(seconds * 1_000_000) * _MICROSECOND

    def _retrieve(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        done, image = self._capture.retrieve()
        if not done:
            raise frames.EndsEarlyError("cannot be read on: a frame cannot be decoded")
        if image.shape[0] * image.shape[1] > kinds.MAX_PIXELS:
            raise ValueError(
                f"a frame of {image.shape[1]}x{image.shape[0]} pixels is more than {kinds.MAX_PIXELS}"
            )
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def _check_end(self, count: int) -> None:
        if self._is_camera:
            raise frames.EndsEarlyError("the camera gives no more frames")
        if self.num_frames is not None and count + 1 < self.num_frames * (1 - _MISSING_SHARE):
            raise frames.EndsEarlyError(f"its header states {self.num_frames} frames, and {count} are there")


def _open(name: str, path: str | None) -> cv2.VideoCapture:
    camera = kinds.find_camera(name)
    with quiet():
        if camera is not None:
            capture = cv2.VideoCapture(camera)
        else:
            with _allowing(is_file=path is not None):
                # A path from the root has no protocol before it.
                source = name if path is None else os.path.abspath(path)
                timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
                limits = [] if path else [item for key in timeouts for item in (key, _TIMEOUT)]
                capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return capture
    if camera is not None:
        raise ValueError(f"{name}: there is no such camera, or another program uses it")
    what = "the stream cannot be opened" if path is None else "not a video that can be read"
    raise ValueError(f"{kinds.hide_password(name)}: {what}")


@contextlib.contextmanager
def _allowing(is_file: bool) -> Iterator[None]:
    """Let FFmpeg inside OpenCV open the allowed formats by the allowed protocols alone."""
    before = os.environ.get(_OPTIONS)
    allowed = {
        "format_whitelist": kinds.FILE_FORMATS if is_file else kinds.STREAM_FORMATS,
        "protocol_whitelist": "file" if is_file else kinds.STREAM_PROTOCOLS,
        "max_pixels": str(kinds.MAX_PIXELS),
    }
    if not is_file:
        allowed["rtsp_transport"] = "tcp"
    os.environ[_OPTIONS] = "|".join(f"{key};{value}" for key, value in allowed.items())
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPTIONS]
        else:
            os.environ[_OPTIONS] = before


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV's own lines about what cannot be opened off the terminal."""
    os.environ.setdefault(_LOG_LEVEL, "-8")
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
