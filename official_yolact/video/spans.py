"""Which frames of a video are looked at."""

from __future__ import annotations

import dataclasses
import math
import re
from fractions import Fraction

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


@dataclasses.dataclass(frozen=True)
class Span:
    """Every nth frame of a part of a video.

    Attributes:
      every: 1 is each frame, 2 every other one, counted from the first frame of the part.
      start: seconds from the start of the video, where the part begins.
      end: seconds, where it ends; a frame at that time is left out. None: at the end of the video.
    """

    every: int = 1
    start: Fraction = Fraction(0)
    end: Fraction | None = None

    def __post_init__(self) -> None:
        """Refuse a part without frames."""
        if self.end is not None and self.end <= self.start:
            raise ValueError(
                f"--end is {float(self.end):g} s and --start is {float(self.start):g} s: end later"
            )

    def is_past(self, time: Fraction) -> bool:
        """Tell whether a time lies behind the part."""
        return self.end is not None and time >= self.end

    def count(self, num_frames: int | None, rate: Fraction) -> int | None:
        """Estimate how many frames there are; None where the video states too little.

        Args:
          num_frames: of the whole video.
          rate: frames a second.
        """
        if self.end is not None and rate:
            stop = math.ceil(self.end * rate)
            num_frames = stop if num_frames is None else min(stop, num_frames)
        if num_frames is None:
            return None
        return -(-max(0, num_frames - math.ceil(self.start * rate)) // self.every)


def parse_time(text: str) -> Fraction:
    """Read a time: seconds, mm:ss or hh:mm:ss, the seconds with any number of digits.

    Raises:
      ValueError: it is no time.
    """
    match = _CLOCK.fullmatch(text.strip())
    if not match or (match[2] and Fraction(match[3]) >= 60) or (match[1] and int(match[2]) >= 60):
        raise ValueError(f"{text} is no time: write seconds, mm:ss or hh:mm:ss")
    return 3600 * Fraction(match[1] or 0) + 60 * Fraction(match[2] or 0) + Fraction(match[3])
