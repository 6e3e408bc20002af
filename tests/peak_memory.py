"""The largest resident memory of this process, for programs that tests run in processes of their own."""

from __future__ import annotations

import pathlib
import resource
import sys

_STATUS = pathlib.Path("/proc/self/status")


def peak_kb() -> int:
    """Return the peak since this program began.

    Linux counts into `ru_maxrss` what the process was before it became this program, a copy of its
    parent with the parent's peak. The high-water mark in /proc belongs to the program alone.
    """
    if _STATUS.exists():
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
