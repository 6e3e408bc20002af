"""What the Python API is given: each argument is checked before TensorFlow sees it."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime.images import formats

_LONGEST_PATH = 4096
_PICTURE = "a path, the bytes of a file, a uint8 RGB array [H, W, 3], or a list of them"


def check_sources(source: Any) -> list[Any]:
    """Check that each thing is one that a picture can be read from.

    Args:
      source: a list or a tuple of what `images.read_image` takes.

    Returns:
      The list.

    Raises:
      TypeError: the whole, or one of it, is of another type.
      ValueError: bytes that are the name of a file, or a name with NUL.
    """
    if not isinstance(source, list | tuple):
        raise TypeError(f"source is {_describe(source)}: expected {_PICTURE}{_cure(source)}")
    for index, one in enumerate(source):
        _check_source(one, f"source {index} of the list" if len(source) > 1 else "source")
    return list(source)


def check_score_threshold(value: Any) -> float:
    """Check a threshold of scores.

    Raises:
      TypeError: it is no number.
      ValueError: it is NaN, below 0 or above 1.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number:
        raise TypeError(f"score_threshold is {_describe(value)}: expected a number from 0 to 1")
    if not 0 <= value <= 1:
        raise ValueError(f"score_threshold is {value}: expected a number from 0 to 1")
    return float(value)


def check_count(name: str, value: Any) -> int:
    """Check a number of things, such as `max_detections` and `batch_size`.

    Args:
      name: of the argument, for the message.
      value: what was given.

    Raises:
      TypeError: it is no whole number; True and 2.0 are none.
      ValueError: it is below 1.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {_describe(value)}: expected a whole number, 1 or more")
    if value < 1:
        raise ValueError(f"{name} is {value}: expected at least 1")
    return int(value)


def check_network_inputs(images: Any, input_size: Sequence[int]) -> NDArray[np.float32]:
    """Check a batch for the network alone.

    Args:
      images: what was given; an array, or what becomes one.
      input_size: (height, width) of the network.

    Returns:
      float32 [B, H, W, 3].

    Raises:
      TypeError: no floating point numbers.
      ValueError: another rank or size, no image, or values that are not finite.
    """
    try:
        array = np.asarray(images)
    except (TypeError, ValueError) as error:
        raise ValueError(f"images is {_describe(images)}, which is no array: {error}") from None
    height, width = input_size
    expected = f"expected float32 [B, {height}, {width}, 3], normalised"
    if not np.issubdtype(array.dtype, np.floating):
        cure = "; for pictures call the model itself" if array.dtype == np.uint8 else ""
        raise TypeError(f"images are {array.dtype} {list(array.shape)}: {expected}{cure}")
    if array.ndim != 4 or array.shape[1:] != (height, width, 3) or not len(array):
        raise ValueError(f"images are {array.dtype} {list(array.shape)}: {expected}")
    with np.errstate(over="ignore"):  # what float32 does not hold is told below
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"images have {array[tuple(place)]} at {place}: expected finite numbers")
    return array


def _check_source(one: Any, name: str) -> None:
    if isinstance(one, np.ndarray):
        return
    if isinstance(one, bytes):
        _check_bytes(one, name)
        return
    if not isinstance(one, str | os.PathLike):
        raise TypeError(f"{name} is {_describe(one)}: expected {_PICTURE}{_cure(one)}")
    path = os.fspath(one)
    if isinstance(path, bytes):
        raise TypeError(f"{name} is {_describe(one)}, a path of bytes: expected one of text; os.fsdecode it")
    if "\0" in path or not path:
        raise ValueError(f"{name} is {path!r}: no file can have this name")


def _check_bytes(content: bytes, name: str) -> None:
    """Refuse the bytes of a path, which is what a decoder could say nothing about."""
    if not content:
        raise ValueError(f"{name} is 0 bytes: no picture: was the file read to its end before?")
    if len(content) > _LONGEST_PATH or b"\0" in content:
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return
    if text.isprintable() and (text.lower().endswith(formats.EXTENSIONS) or os.path.exists(text)):
        raise ValueError(f"{name} is {content!r}, which looks like a path: give it as text, {text!r}")


def _describe(value: Any) -> str:
    """Name a type, and the value where it is short."""
    text = repr(value) if isinstance(value, str | bytes | bool | int | float | None) else ""
    kind = type(value).__name__
    return f"{text} ({kind})" if text and len(text) <= 40 else f"a {kind}"


def _cure(value: Any) -> str:
    if hasattr(value, "read"):
        return "; of a file that is open, give its bytes: .read()"
    if isinstance(value, bytearray | memoryview):
        return "; give bytes(...) of it"
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return "; give numpy.asarray(...) of it, RGB"
    return ""
