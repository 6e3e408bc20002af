"""Standard streams that may be closed, full or ASCII: what a command finds does not depend on them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO, cast

from official_yolact.files import screen


@contextlib.contextmanager
def lenient() -> Iterator[None]:
    """Let no failure of standard output or standard error end or change what runs inside.

    A closed stream is opened on the null device: otherwise the next file that is opened would have its
    number, and what libraries print would end up in that file. At the end a failure of standard output is
    reported on standard error, unless the reader of a pipe has ended.
    """
    _fill_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = (screen.LenientStream(stream or _open_null()) for stream in before)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield
    finally:
        out.close_quietly()
        if out.error is not None and not isinstance(out.error, BrokenPipeError):
            reason = getattr(out.error, "strerror", None) or out.error
            print(f"yolact: standard output: {reason}: not all results were printed", file=sys.stderr)
        err.close_quietly()
        sys.stdout, sys.stderr = (stream or _open_null() for stream in before)


def _fill_closed_descriptors() -> None:
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one


def _open_null() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
