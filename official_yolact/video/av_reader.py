"""Videos and streams by PyAV (FFmpeg), with the exact time of each frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, Any

import av
import av.sidedata.sidedata
import numpy as np
from numpy.typing import NDArray

from official_yolact.video import frames
from official_yolact.video import kinds
from official_yolact.video import spans

_BLOCK = 1 << 18
_TOLERANCE = 2
"""Frames by which a stated duration may miss the last frame."""


class AvReader:
    """Reads a video; see `frames.Reader`."""

    def __init__(self, name: str, file: IO[bytes] | None = None) -> None:
        """Open a video.

        Args:
          name: of the file, for messages, or the address of a stream.
          file: the open file, so that no name is ever interpreted by FFmpeg; None: `name` is an address.

        Raises:
          ValueError: it cannot be opened, is no video, or its frames are too large.
        """
        shown = kinds.hide_password(name)
        try:
            self._container = av.open(file or name, **_choose_options(file is not None))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ValueError(f"{shown}: {_describe_opening(name, error)}") from error
        try:
            self._stream = _find_stream(self._container, shown)
        except ValueError:
            self._container.close()
            raise
        stream = self._stream
        self.time_base = Fraction(stream.time_base or Fraction(1, 90_000))
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
        self.num_frames = stream.frames or _estimate(stream, self._container, self.rate)
        self.num_damaged = 0
        # Between frames without times: those of a constant rate.
        self._step = round(1 / (self.rate or 25) / self.time_base)
        self._matrices: dict[int, NDArray[np.int32] | None] = {}

    def read(self, span: spans.Span) -> Iterator[frames.Frame]:
        """Give the frames of a span; others are decoded, since each frame is made of those before it."""
        number, chosen, last = -1, 0, None
        for number, (time, frame) in enumerate(self._decode()):
            if span.is_past(time):
                return
            last = time
            if time < span.start:
                continue
            if chosen % span.every == 0:
                yield frames.Frame(number, time, self._to_upright(frame))
            chosen += 1
        self._check_end(number + 1, last)

    def close(self) -> None:
        """Close the file or the stream."""
        self._container.close()

    def _decode(self) -> Iterator[tuple[Fraction, Any]]:
        """Give each frame with its time."""
        start, shift, is_guessed = self._stream.start_time, 0, False
        last: int | None = None
        for frame in self._decode_packets():
            following = (start or 0) if last is None else last + self._step
            pts = following if frame.pts is None else frame.pts + shift
            if is_guessed and frame.pts is not None and last is not None and pts <= last:
                # The first frames of a stream have no times; the others are counted from the first that has.
                shift += following - pts
                pts = following
            is_guessed = frame.pts is None
            start = pts if start is None else start
            last = pts
            yield (pts - start) * self.time_base, frame

    def _decode_packets(self) -> Iterator[Any]:
        for packet in self._demux():
            try:
                yield from packet.decode()
            except av.FFmpegError:
                # As FFmpeg's own player: what cannot be decoded is left out, and counted.
                self.num_damaged += 1

    def _demux(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.EOFError):
                return
            except (av.FFmpegError, OSError) as error:
                raise frames.EndsEarlyError(f"cannot be read on: {_explain(error)}") from error
            yield packet

    def _to_upright(self, frame: Any) -> NDArray[np.uint8]:
        """Convert a decoded frame to uint8 RGB [H, W, 3], turned by its display matrix."""
        width, height = frame.width, frame.height
        if width * height > kinds.MAX_PIXELS:
            raise ValueError(f"a frame of {width}x{height} pixels is more than {kinds.MAX_PIXELS}")
        if frame.rotation not in self._matrices:
            # Not of each frame: who asks a frame for its side data ties it into a cycle, and memory grows.
            matrix = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
            found = None if matrix is None else np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)
            self._matrices[frame.rotation] = found
        matrix = self._matrices[frame.rotation]
        image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        return image if matrix is None else turn(image, matrix)

    def _check_end(self, count: int, last: Fraction | None) -> None:
        """Compare the end with what the file states of it."""
        stated = self._stream.frames
        if stated:
            # What was damaged is not missing at the end.
            if count + self.num_damaged < stated:
                raise frames.EndsEarlyError(f"its header states {stated} frames, and {count} are there")
            return
        duration = _find_duration(self._stream, self._container)
        if duration is None or not self.rate:
            return
        end = Fraction(0) if last is None else last + 1 / self.rate
        if end + max(_TOLERANCE / self.rate, Fraction(1, 5)) < duration:
            raise frames.EndsEarlyError(
                f"its header states {float(duration):.2f} s, and it ends at {float(end):.2f} s"
            )


def _choose_options(is_file: bool) -> dict[str, Any]:
    allowed = {
        "format_whitelist": kinds.FILE_FORMATS if is_file else kinds.STREAM_FORMATS,
        "protocol_whitelist": "none" if is_file else kinds.STREAM_PROTOCOLS,
    }
    found: dict[str, Any] = {
        "container_options": allowed,
        "options": {"max_pixels": str(kinds.MAX_PIXELS)},
        "metadata_errors": "replace",
    }
    if is_file:
        return {**found, "buffer_size": _BLOCK}
    allowed["rtsp_transport"] = "tcp"
    return {**found, "timeout": (kinds.TIMEOUT_SECONDS, kinds.TIMEOUT_SECONDS)}


def _find_stream(container: Any, name: str) -> Any:
    if not container.streams.video:
        raise ValueError(f"{name}: holds no video{', but sound alone' if container.streams.audio else ''}")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ValueError(f"{name}: its frames are of a kind that cannot be decoded: convert it to H.264")
    width, height = stream.width, stream.height
    if width * height > kinds.MAX_PIXELS:
        raise ValueError(f"{name}: its frames of {width}x{height} pixels are more than {kinds.MAX_PIXELS}")
    stream.thread_type = "AUTO"
    return stream


def _find_duration(stream: Any, container: Any) -> Fraction | None:
    """Find how long the video is by its header, in seconds; None where that states only the sound too."""
    if stream.duration is not None:
        return Fraction(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")
    try:
        return spans.parse_time(tag)
    except ValueError:
        pass
    if container.duration is None or len(container.streams) > 1:
        return None
    return Fraction(container.duration, av.time_base)


def _estimate(stream: Any, container: Any, rate: Fraction) -> int | None:
    duration = _find_duration(stream, container)
    return round(duration * rate) if duration and rate else None


def turn(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror a frame by the nearest multiple of 90 degrees.

    Args:
      image: uint8 RGB [H, W, 3] as stored.
      matrix: int32 [3, 3]; a point (x, y) of the frame is shown at (x, y, 1) @ matrix.

    Source: ISO/IEC 14496-12, the matrix of a track header.
    """
    (a, b), (c, d) = matrix[:2, :2].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        # Columns become rows: y of what is shown is x of what is stored.
        image = image.transpose(1, 0, 2)
        a, d = c, b
    image = image[:, ::-1] if a < 0 else image
    image = image[::-1] if d < 0 else image
    return np.ascontiguousarray(image)


def _describe_opening(name: str, error: Exception) -> str:
    if kinds.find_scheme(name):
        return f"the stream cannot be opened: {_explain(error)}"
    if isinstance(error, av.error.ArgumentError):  # what FFmpeg says of a format that is not allowed
        return "not a video that can be read: its format is none of those that are read, such as MP4"
    return f"not a video that can be read: {_explain(error)}"


def _explain(error: Exception) -> str:
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"nothing came for {kinds.TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(getattr(error, "strerror", "") or error)
