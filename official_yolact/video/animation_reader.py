"""Animated GIF, PNG and WebP pictures as videos, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

import numpy as np

from official_yolact.video import frames
from official_yolact.video import spans
from official_yolact_runtime.images import reading

_FORMATS = ("GIF", "PNG", "WEBP")
_MILLISECOND = Fraction(1, 1000)
_USUAL = 100
"""Milliseconds that browsers show a frame whose duration is 0."""


class AnimationReader:
    """Reads an animated picture; see `frames.Reader`."""

    time_base = _MILLISECOND
    num_damaged = 0

    def __init__(self, name: str, file: IO[bytes]) -> None:
        """Open an animated picture.

        Args:
          name: of the file, for messages.
          file: open; is closed by `close`.

        Raises:
          ValueError: it is no picture, or too large a one.
        """
        self._file = file
        try:
            self._picture: Any = reading.open_picture(file)
            reading.check_size(self._picture)
            self.num_frames: int | None = int(getattr(self._picture, "n_frames", 1))
        except Exception as error:  # decoders raise errors of many kinds for damaged files
            raise ValueError(f"{name}: not a picture that can be read: {error}") from error
        self.rate = Fraction(1000, int(self._picture.info.get("duration", 0)) or _USUAL)

    def read(self, span: spans.Span) -> Iterator[frames.Frame]:
        """Give the frames of a span; what is transparent is black."""
        at, chosen = Fraction(0), 0
        for number in range(self.num_frames or 0):
            if span.is_past(at):
                return
            image, duration = self._show(number)
            if at >= span.start:
                if chosen % span.every == 0:
                    yield frames.Frame(number, at, image)
                chosen += 1
            at += duration * _MILLISECOND

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _show(self, number: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], int]:
        try:
            self._picture.seek(number)
            self._picture.load()
            image = np.asarray(self._picture.convert("RGB"), np.uint8)
        except Exception as error:  # as above
            raise frames.EndsEarlyError(f"cannot be read on at frame {number}: {error}") from error
        return image, round(self._picture.info.get("duration", 0)) or _USUAL


def is_animated(start: bytes, file: IO[bytes]) -> bool:
    """Tell whether a picture is animated.

    Args:
      start: its first bytes.
      file: open; is left at any place.
    """
    if not start.startswith((b"GIF8", b"\x89PNG", b"RIFF")):
        return False
    file.seek(0)
    try:
        picture = reading.open_picture(file)
        return picture.format in _FORMATS and bool(getattr(picture, "is_animated", False))
    except Exception:  # as above; whoever reads it as a picture says why
        return False
