"""Photos of two splits that were made from one photo or one video, as their names tell."""

from __future__ import annotations

import collections
import dataclasses
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence

import numpy as np

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "images", "img", "imgs"}
"""Names of folders that say nothing of a photo."""

_COPIES = (
    "aug|augment|augmented|augmentation|blur|blurred|bright|brightness|brighter|contrast|copy|crop|cropped|dark|"
    "darker|equalized|flip|flipped|fliplr|flipud|flop|gray|grayscale|grey|hflip|horizontal|hsv|hue|jitter|mirror|"
    "mirrored|noise|noisy|original|resize|resized|rot|rotate|rotated|rotation|saturation|scale|scaled|shear|"
    "sheared|shift|shifted|translate|translated|transposed|vertical|vflip|zoom|zoomed"
)
_TILES = "block|chunk|grid|patch|slice|subimage|tile|window"
_ROW_COLUMN = r"(?:x|y|r|c|row|col|column)_?\d+[_. -]?(?:y|x|c|r|col|column|row)_?\d+"
_VIDEO = r"(?:frames?|frm|video|vid|clip|seq|sequence|cam|camera|scene|movie|drive|track|session)"
_CAMERA = re.compile(
    r"(?i)(?:img|imag|image|photo|picture|pic|dsc[a-z]?|dcim|p|pxl|dji|gopr|scan|sample|screenshot|signal|whatsapp"
    r"|untitled|file|data|item|foto|bild)?[ _.-]*(?:\d{4}[ _.-]?\d\d[ _.-]?\d\d)?"
)
_PREFIX = re.compile(rf"(?i)(?P<token>(?:{_COPIES})\d*[_. -]+)(?P<number>(?:\d+[_. -]+)?)(?P<source>.+)")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_FRAME = re.compile(r"(?i)(?P<source>.*?)(?P<token>[ _.-]*(?:frame|frm)?[ _.-]*)(?P<number>(?<!\d)\d+)")

_MOST_COPIES, _MOST_WITHOUT_DIGIT, _MOST_NUMBERED = 100, 8, 5
"""Images of one photo; a name that more have is that of a set or a class."""

_LONGEST = 300
"""Characters of a name; no file system has longer ones."""

_FULL_GRID = 0.7
"""Share of the cells of a grid that are there."""

_FEWEST_FRAMES, _WIDEST_STEP = 3, 30
"""Frames of one video in each split, and the usual step of their numbers."""


@dataclasses.dataclass(frozen=True)
class Leak:
    """What two splits have in common.

    Attributes:
      places: of the common stems in the names, such as "before `_flip`", to number of stems.
      partners: position in the first split to a position in the second of the same stem.
      pattern: regular expression for `data split --group-by`, which matches every file name; empty where it
        would put all of them into one group.
    """

    places: dict[str, int]
    partners: dict[int, int]
    pattern: str

    def describe(self) -> str:
        """Say what is common, and with which option a split keeps it together."""
        found = [
            f"{number} {'stem' if number == 1 else 'stems'} {place}" for place, number in self.places.items()
        ]
        verb = "is" if sum(self.places.values()) == 1 else "are"
        return f"{' and '.join(found)} {verb} in both"

    def list_commands(self, ours: str, theirs: str, images_dirs: Sequence[str]) -> list[str]:
        """List the commands that split two annotation files again; their photos may have a folder each."""
        if not self.pattern:
            return []
        images = [word for folder in dict.fromkeys(images_dirs) for word in ("--images", folder)]
        merge = ["yolact", "data", "merge", ours, theirs, *images, "--output", "all.json"]
        return [shlex.join(merge), f"yolact data split all.json --output parts {self.option()}"]

    def option(self) -> str:
        """Write the option for a shell; empty where no option helps."""
        return shlex.join(["--group-by", self.pattern]) if self.pattern else ""


@dataclasses.dataclass(frozen=True)
class _Name:
    """A file name in two pieces: what names the photo, and what was added; `token` begins the latter."""

    source: str
    token: str = ""
    suffix: str = ""


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A way in which names are made of that of a photo.

    Attributes:
      read: takes a stem; None where it was not made so.
      may_be: takes a source and the names that have it in both splits: whether it is that of one photo.
      write: the regular expression of what was added, for these tokens.
      is_first: what was added stands before the source.
      is_last: numbers alone were added; those of names that have more are not looked at.
    """

    read: Callable[[str], _Name | None]
    may_be: Callable[[str, list[_Name]], bool]
    write: Callable[[Iterable[str]], str]
    is_first: bool = False
    is_last: bool = False


def find(ours: Sequence[str], theirs: Sequence[str]) -> Leak | None:
    """Find names of two splits that come from one photo or one video.

    Args:
      ours: file names of a split, with or without folders.
      theirs: those of another one.

    Returns:
      What they have in common; None where there is nothing. Equal names are no leak of this kind.
    """
    places: collections.Counter[str] = collections.Counter()
    partners: dict[int, int] = {}
    added: dict[bool, list[str]] = {True: [], False: []}
    pieces = [_cut(names) for names in (ours, theirs)]
    for kind in _KINDS:
        if kind.is_last and places:
            break
        stems, used = _find_of_kind(kind, pieces, partners)
        if used:
            added[kind.is_first].append(kind.write(used))
            word = "after" if kind.is_first else "before"
            places.update({f"{word} `{token}`": number for token, number in stems.items()})
    if not places:
        return None
    names = [*ours, *theirs]
    before, after = (f"(?:{'|'.join(listed)})?" if listed else "" for listed in added.values())
    pattern = rf"{_write_start(names, before)}{after}\.[^./]+$"
    found = [re.search(pattern, name) for name in names if len(name) <= _LONGEST]
    several = len({match.groups() for match in found if match is not None}) > 1 and None not in found
    return Leak(dict(places.most_common()), partners, pattern if several else "")


def _write_start(names: Sequence[str], before: str) -> str:
    """Write the expression of the source, with the folders that tell photos apart, where there are any."""
    if not any(map(_folder, names)):
        return rf"{before}([^/]+?)"
    first = {name.replace("\\", "/").split("/")[0] for name in names if "/" in name}
    splits = "|".join(sorted(re.escape(folder) for folder in first if folder.lower() in _SPLITS))
    return rf"^{f'(?:(?:{splits})/)*' if splits else ''}(.*/)?{before}([^/]+?)"


def _find_of_kind(
    kind: _Kind, pieces: Sequence[Sequence[tuple[str, str]]], partners: dict[int, int]
) -> tuple[collections.Counter[str], set[str]]:
    """Find the stems of a kind, note the partners; return tokens with their stems, and all that was added."""
    stems: collections.Counter[str] = collections.Counter()
    used: set[str] = set()
    read = [[_read(kind, stem) for _, stem in split] for split in pieces]
    if not any(map(any, read)):
        return stems, used
    groups = [_group(*split) for split in zip(pieces, read, strict=True)]
    for key in groups[0].keys() & groups[1].keys():
        own, other = groups[0][key], groups[1][key]
        names = [name for _, name in (*own, *other)]
        made = [name for name in names if name.token]
        if not made or not kind.may_be(key[1], names):
            continue
        if kind is _FRAMES and not _is_interleaved(own, other):
            continue
        stems[collections.Counter(name.token for name in made).most_common(1)[0][0]] += 1
        used.update(name.token for name in made)
        for at, _ in own:
            partners.setdefault(at, other[0][0])
    return stems, used


def _cut(names: Sequence[str]) -> list[tuple[str, str]]:
    """Cut each name into its folder and its stem."""
    return [(_folder(name), os.path.splitext(os.path.basename(name))[0]) for name in names]


def _read(kind: _Kind, stem: str) -> _Name | None:
    return None if stem.isdigit() or len(stem) > _LONGEST else kind.read(stem)


def _group(
    pieces: Sequence[tuple[str, str]], read: Sequence[_Name | None]
) -> dict[tuple[str, str], list[tuple[int, _Name]]]:
    """Map folder and source to positions; a name that was not made so is a source itself."""
    groups: dict[tuple[str, str], list[tuple[int, _Name]]] = {}
    for at, ((folder, stem), made) in enumerate(zip(pieces, read, strict=True)):
        name = made or _Name(stem)
        groups.setdefault((folder, name.source), []).append((at, name))
    return groups


def _folder(name: str) -> str:
    """Give the folders of a name that tell photos apart."""
    parts = os.path.dirname(name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", ".") and part.lower() not in _SPLITS)


def _by_suffix(pattern: str) -> Callable[[str], _Name | None]:
    compiled = re.compile(rf"(?P<source>.+?)(?P<suffix>{pattern})", re.IGNORECASE)

    def read(stem: str) -> _Name | None:
        found = compiled.fullmatch(stem)
        return None if found is None else _Name(found["source"], found["token"], found["suffix"])

    return read


def _read_prefix(stem: str) -> _Name | None:
    found = _PREFIX.fullmatch(stem)
    if found is None or (found["number"] and found["source"].isdigit()):
        return None
    return _Name(found["source"], found["token"], found["number"])


def _has_digit(source: str) -> bool:
    return any(map(str.isdigit, source))


def _is_one_photo(source: str, names: list[_Name]) -> bool:
    """Tell whether a source names one photo, and not a set or a class."""
    if any(len(re.findall(r"\d+", name.suffix)) >= 2 for name in names if name.token.strip("_-. ") in _TILES):
        return True
    most = _MOST_COPIES if _has_digit(source) else _MOST_WITHOUT_DIGIT
    has_original = any(not name.token for name in names)
    return len(names) <= most and (_has_digit(source) or has_original)


def _write_words(tokens: Iterable[str]) -> str:
    words = sorted({token.strip("_-. ").lower() for token in tokens})
    return rf"[_. -]+(?i:{'|'.join(words)})(?![A-Za-z]).*"


def _is_grid(source: str, names: list[_Name]) -> bool:
    """Tell whether the two numbers that were added run over rows and columns, of which most are there."""
    if not re.search("[A-Za-z]", source) or _YEAR.search(source) or _CAMERA.fullmatch(source):
        return False
    cells = {tuple(map(int, re.findall(r"\d+", name.suffix))) for name in names if name.token}
    rows, columns = (len(set(numbers)) for numbers in zip(*cells, strict=True))
    is_full = len(cells) >= _FULL_GRID * rows * columns
    return is_full and min(rows, columns) > 1


def _write_prefixes(tokens: Iterable[str]) -> str:
    words = sorted({token.strip("_-. 0123456789").lower() for token in tokens})
    return rf"(?i:{'|'.join(words)})\d*[_. -]+(?:\d+[_. -]+(?=.*[^\d.].*\.))?"


def _read_frame(stem: str) -> _Name | None:
    found = _FRAME.fullmatch(stem)
    if (
        found is None
        or _PREFIX.fullmatch(stem)
        or (not found["token"].strip("_-. ") and _CAMERA.fullmatch(found["source"]))
    ):
        return None
    return _Name(found["source"], found["token"] or "0001", found["number"])


def _may_be_video(source: str, names: list[_Name]) -> bool:
    """Tell whether a source names a video: it has a number of its own, or words say so."""
    said = any("fr" in name.token.lower() for name in names)
    return (
        said
        or bool(re.search(rf"(?i)(?<![a-z]){_VIDEO}(?![a-z])", source))
        or bool(re.search(r"[a-z]\d", source, re.I))
    )


def _is_interleaved(own: list[tuple[int, _Name]], other: list[tuple[int, _Name]]) -> bool:
    """Tell whether the numbers of both splits are close to one another, as frames of a video are."""
    numbers = [sorted(int(name.suffix) for _, name in split if name.token) for split in (own, other)]
    if min(map(len, numbers)) < _FEWEST_FRAMES:
        return False
    steps = np.diff(np.sort(np.concatenate(numbers)))
    return bool(np.median(steps) <= _WIDEST_STEP)


_FRAMES = _Kind(
    _read_frame, _may_be_video, lambda _: r"[ _.-]*(?i:frame|frm)?[ _.-]*(?<!\d)\d+", is_last=True
)

_KINDS = (
    # Roboflow: name_jpg.rf.0123456789abcdef
    _Kind(
        _by_suffix(r"(?P<token>\.rf\.)[0-9A-Za-z]{6,}"),
        lambda *_: True,
        lambda _: r"\.rf\.[0-9A-Za-z]{6,}",
    ),
    _Kind(
        _by_suffix(rf"(?P<token>[_. -]+(?:{_COPIES}|{_TILES})(?![A-Za-z])[_. -]?).*"),
        _is_one_photo,
        _write_words,
    ),
    # flip_name, aug_3_name
    _Kind(_read_prefix, _is_one_photo, _write_prefixes, is_first=True),
    # name (1), name - Copy (2)
    _Kind(
        _by_suffix(r"(?P<token> \()\d{1,2}\)"),
        lambda source, names: len(names) <= _MOST_NUMBERED and (_has_digit(source) or len(names) == 2),
        lambda _: r" \(\d{1,2}\)",
    ),
    # name_x0_y512, name_r1_c2
    _Kind(
        _by_suffix(rf"(?P<token>[_. -]+){_ROW_COLUMN}"),
        lambda *_: True,
        lambda _: rf"[_. -]+(?i:{_ROW_COLUMN})",
    ),
    # name_0_512
    _Kind(
        _by_suffix(r"(?P<token>[_-])\d{1,5}[_-]\d{1,5}"),
        _is_grid,
        lambda _: r"[_-]\d{1,5}[_-]\d{1,5}",
        is_last=True,
    ),
    _FRAMES,
)
