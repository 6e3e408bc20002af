"""H.264 in MP4 by PyAV, with the time of each frame; playable also where the disk is full before the end."""

from __future__ import annotations

import contextlib
import errno
import os
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from official_yolact.video import sizes
from official_yolact_runtime.files import outputs

_ENCODER = "libx264"
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}
# Without frames that depend on later ones (bf), the first one is shown at time 0.
_SECONDS_PER_FRAGMENT = 2
_MOST_TIME_BASE = 1_000_000


class AvWriter:
    """Writes a video; see `writing.Writer`.

    While it is written, the file has fragments that each can be played: what a full disk leaves of it is
    cut behind the last whole one. A complete file is copied into the usual form, its index at the start.
    """

    def __init__(self, path: str, time_base: Fraction, rate: Fraction) -> None:
        self._path, self._rate = path, rate
        self._time_base = (
            time_base if time_base.denominator <= _MOST_TIME_BASE else Fraction(1, _MOST_TIME_BASE)
        )
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(outputs.create_by_name(path))
        self._container: Any = None
        self._stream: Any = None
        self._fitted = sizes.Fitted()
        self._first = Fraction(0)
        self._last = -1
        self._count = 0
        self._is_full = self._is_finished = False

    def write(self, image: NDArray[np.uint8], time: Fraction) -> None:
        """Append a frame."""
        image = self._fitted.fit(image)
        with self._naming():
            if self._container is None:
                self._first = time
                self._begin(*image.shape[:2])
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = self._last = max(round((time - self._first) / self._time_base), self._last + 1)
            frame.time_base = self._time_base
            self._count += 1
            self._mux(frame)

    def finish(self) -> None:
        """Complete the file."""
        if self._is_finished:
            return
        is_told, self._is_finished = self._is_full, True
        with self._stack:
            if self._container is None:
                raise ValueError(f"{self._path}: a video without frames cannot be written")
            if not is_told:
                with contextlib.suppress(OSError):
                    self._mux(None)
                    self._container.close()
                # FFmpeg does not always tell that the disk is full.
                self._is_full = _count_packets(self._temporary) < self._count
            if self._is_full:
                _cut(self._temporary)
            else:
                self._put_index_first()
        if self._is_full and not is_told:
            raise OSError(errno.ENOSPC, "cannot be written whole: perhaps the disk is full", self._path)

    def _begin(self, height: int, width: int) -> None:
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        self._container = av.open(self._temporary, "w", format="mp4", options=options)
        stream = self._container.add_stream(_ENCODER, rate=self._rate.limit_denominator(100_000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = self._time_base
        stream.options = {**_OPTIONS, "g": str(max(1, round(_SECONDS_PER_FRAGMENT * self._rate)))}
        self._stream = stream

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    @contextlib.contextmanager
    def _naming(self) -> Any:
        """Let a failure of the system name the file, and remember that there is no room."""
        try:
            yield
        except OSError as error:
            self._is_full = True
            code = error.errno or errno.EIO
            raise OSError(code, f"cannot be written on: {os.strerror(code)}", self._path) from error

    def _put_index_first(self) -> None:
        """Copy the fragments into one file with its index at the start, which every player seeks in."""
        whole = f"{self._temporary}.whole"
        try:
            with (
                av.open(self._temporary) as source,
                av.open(whole, "w", format="mp4", options=_INDEX) as target,
            ):
                stream = target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(source.streams.video[0]):
                    if packet.dts is not None:
                        packet.stream = stream
                        target.mux(packet)
            if _count_packets(whole) == self._count:
                outputs.rename(whole, self._temporary, durable=False)
        except OSError:
            pass  # the fragments can be played as well
        finally:
            with contextlib.suppress(OSError):
                os.remove(whole)


_INDEX = {"movflags": "faststart"}


def _count_packets(path: str) -> int:
    """Count the encoded frames of a file; 0 where it cannot be opened."""
    count = 0
    with contextlib.suppress(OSError, ValueError), av.open(path) as file:
        for packet in file.demux(video=0):
            count += packet.dts is not None
    return count


def _cut(path: str) -> None:
    """Cut a file of fragments behind the last whole one.

    Source: ISO/IEC 14496-12: a box begins with its size, of 4 bytes, and its kind, of 4 letters.
    """
    size, end, at = os.path.getsize(path), 0, 0
    with open(path, "r+b") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(8)
            length = int.from_bytes(head[:4], "big")
            if length < 8 or at + length > size:
                break
            at += length
            if head[4:] in (b"ftyp", b"moov", b"mdat"):
                end = at
        file.truncate(end)
