"""What the image files of a data set are: found, opened, decoded, hashed; nothing is trusted or written."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import PIL.Image

from official_yolact.images import image_files
from official_yolact.images import image_folders
from official_yolact.images import jpeg_warnings
from official_yolact_runtime.images import deep_pixels
from official_yolact_runtime.images import formats
from official_yolact_runtime.images import reading

FOUND = "found"
MISSING = "missing"
OUTSIDE = "outside"
UNREADABLE = reading.UNREADABLE
TRUNCATED = reading.TRUNCATED
TOO_LARGE = reading.TOO_LARGE

Progress = Callable[[int, int], None]

_FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG",
    ".png": "PNG", ".bmp": "BMP", ".gif": "GIF",
    ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
_MIN_CONTRAST = 4.0
_DHASH_SIDE = 8


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """One image file.

    Attributes:
      state: `found`, or why it cannot be used: `missing`, `outside`, `unreadable`, `truncated`,
        `too_large`.
      name: relative to the folder, with /; empty where nothing was found.
      rule: how the name was found: empty (as it is), or the rule.
      reason: why it cannot be used.
      format: Pillow's name of the true format.
      mode: Pillow's mode.
      is_transcoded: whether conversion has to encode it anew for its format, colours or depth.
      stored: (height, width) of the pixels as stored, (0, 0) unknown.
      orientation: EXIF's, 1 upright.
      bits: of a file of 16 bits a channel, how many of them its values fill; 0 for others, or not decoded.
      sha256: of the bytes.
      dhash: 64 signs of horizontal differences as an int; None where not made or without contrast.
    """

    state: str
    name: str = ""
    rule: str = ""
    reason: str = ""
    format: str = ""
    mode: str = ""
    is_transcoded: bool = False
    stored: tuple[int, int] = (0, 0)
    orientation: int = 1
    bits: int = 0
    sha256: str = ""
    dhash: int | None = None

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) after turning by the orientation."""
        return reading.Header(self.stored, self.orientation).upright

    @property
    def lying_suffix(self) -> bool:
        """Whether the name promises another format."""
        expected = _FORMAT_OF_SUFFIX.get(os.path.splitext(self.name)[1].lower())
        true = "JPEG" if self.format == "MPO" else self.format
        return expected is not None and bool(true) and expected != true


def locate(folder: image_folders.ImageFolder, name: str) -> FileFacts:
    """Find a name; gives state `found` with name and rule, `missing` or `outside`."""
    match = folder.find(name)
    if match.name:
        return FileFacts(FOUND, match.name, match.rule)
    return FileFacts(OUTSIDE if match.is_outside else MISSING, reason=match.reason)


def inspect(
    names: Sequence[str],
    folder: image_folders.ImageFolder,
    *,
    decode: bool = True,
    hashes: bool = False,
    max_pixels: int = image_files.MAX_PIXELS,
    workers: int = 2,
    progress: Progress | None = None,
) -> list[FileFacts]:
    """Look at the files of names.

    Args:
      names: as the JSON has them; empty where there is none.
      folder: that they are relative to.
      decode: decode the pixels; otherwise headers only.
      hashes: make dHashes, which needs `decode`.
      max_pixels: larger ones are not decoded.
      workers: threads.
      progress: is called after each file.

    Returns:
      Facts for each name.
    """

    def look(name: str) -> FileFacts:
        located = locate(folder, name)
        if located.state != FOUND:
            return located
        return _look(os.path.join(folder.folder, located.name), located, decode, hashes, max_pixels)

    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
            for done, facts in enumerate(pool.map(look, names), start=1):
                results.append(facts)
                if progress:
                    progress(done, len(names))
    return results


def _look(path: str, facts: FileFacts, decode: bool, hashes: bool, max_pixels: int) -> FileFacts:
    """Read a file and describe it."""
    try:
        data = reading.read_bytes(path)
    except reading.PictureError as error:
        return dataclasses.replace(facts, state=error.state, reason=str(error))
    except OSError as error:
        return dataclasses.replace(facts, state=UNREADABLE, reason=error.strerror or str(error))
    facts = dataclasses.replace(facts, sha256=hashlib.sha256(data).hexdigest())
    return _open(data, facts, decode, hashes, max_pixels)


def _open(data: bytes, facts: FileFacts, decode: bool, hashes: bool, max_pixels: int) -> FileFacts:
    """Tell from the header what a file is before it is decoded."""
    try:
        with reading.open_picture(data) as picture:
            facts = _describe(picture, data, facts, decode, hashes, max_pixels)
    except reading.PictureError as error:
        return dataclasses.replace(facts, state=error.state, reason=str(error))
    damage = ""
    if facts.state == FOUND and facts.mode == "F":
        damage = "floating-point pixels: save it with 8 bits a channel"
    elif facts.state == FOUND and decode and facts.format in formats.JPEGS:
        damage = jpeg_warnings.find(data)
    return dataclasses.replace(facts, state=UNREADABLE, reason=damage) if damage else facts


def _describe(
    picture: PIL.Image.Image, data: bytes, facts: FileFacts, decode: bool, hashes: bool, max_pixels: int
) -> FileFacts:
    facts = dataclasses.replace(
        facts,
        format=picture.format or "",
        mode=picture.mode,
        stored=(picture.height, picture.width),
        is_transcoded=not image_files.is_kept(picture, data),
    )
    try:
        reading.check_size(picture, data, max_pixels)
        if decode:
            reading.load(picture)
    except reading.PictureError as error:
        return dataclasses.replace(facts, state=error.state, reason=str(error))
    dhash = make_dhash(picture) if decode and hashes else None
    bits = _find_bits(picture, data) if decode else 0
    return dataclasses.replace(facts, orientation=reading.find_orientation(picture), dhash=dhash, bits=bits)


def _find_bits(picture: PIL.Image.Image, data: bytes) -> int:
    if not deep_pixels.is_deep(picture, data):
        return 0
    try:
        return deep_pixels.find_bits(deep_pixels.read(picture, data))
    except ValueError:
        return 0


def make_dhash(picture: PIL.Image.Image) -> int | None:
    """Hash a picture by the signs of differences between neighbours in 9 by 8 grey pixels.

    Returns:
      64 bits, or None for a picture without contrast, whose hash says nothing.
    """
    size = (_DHASH_SIDE + 1, _DHASH_SIDE)
    grey = np.asarray(picture.convert("RGB").convert("L").resize(size, PIL.Image.Resampling.BOX), np.float64)
    if grey.std() < _MIN_CONTRAST:
        return None
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")
