"""Opens whatever is a video, by the best library that is installed."""

from __future__ import annotations

import importlib.util

from official_yolact.video import animation_reader
from official_yolact.video import frames
from official_yolact.video import kinds
from official_yolact_runtime.files import inputs

_START = 64


def is_video(path: str) -> bool:
    """Tell by its content whether a file is a video or an animated picture.

    Args:
      path: of a file; one that cannot be opened is no video.
    """
    try:
        with inputs.open_input(path) as file:
            start = file.read(_START)
            return kinds.is_video(start) or animation_reader.is_animated(start, file)
    except (OSError, ValueError):
        return False


def has_av() -> bool:
    """Tell whether PyAV is installed."""
    try:
        return importlib.util.find_spec("av") is not None
    except ValueError:  # a module that is None
        return False


def open_video(name: str) -> frames.Reader:
    """Open a video.

    Args:
      name: of a file, the address of a stream, or `camera:0`.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is no video, cannot be read, or its frames are too large.
    """
    if kinds.find_camera(name) is not None:
        return _open_by_opencv(name, None)
    if kinds.find_scheme(name):
        return _open_by_av(name) if has_av() else _open_by_opencv(name, None)
    file = inputs.open_input(name)
    try:
        if animation_reader.is_animated(file.read(_START), file):
            file.seek(0)
            return animation_reader.AnimationReader(name, file)
        file.seek(0)
        if has_av():
            from official_yolact.video import av_reader

            return av_reader.AvReader(name, file)
    except BaseException:
        file.close()
        raise
    file.close()
    return _open_by_opencv(name, name)


def _open_by_av(name: str) -> frames.Reader:
    from official_yolact.video import av_reader

    return av_reader.AvReader(name)


def _open_by_opencv(name: str, path: str | None) -> frames.Reader:
    from official_yolact.video import opencv_reader

    return opencv_reader.OpenCvReader(name, path)
