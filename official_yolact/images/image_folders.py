"""The one rule that finds the file which an annotation file means in a folder of images.

An exact name comes first. Otherwise, in this order: the name without URL-encoding, query and backslashes;
in another Unicode form or case, or with spaces at its ends; with another suffix of JPEG or TIFF; in a folder
below; and last without its leading folders, which says the least: only where no other file fits as much of
the name. A name that fits several files is not guessed, and no rule leads out of the folder.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import os
import re
import unicodedata
import urllib.parse
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from official_yolact_runtime.files import inputs
from official_yolact_runtime.images import formats

JPEG_EXTENSIONS = (".jfif", ".jpe", ".jpeg", ".jpg")
"""Suffixes that mean the same format."""

_TIFF_EXTENSIONS = (".tif", ".tiff")

IN_A_FOLDER_BELOW = "in a folder below"
"""The rule that finds a photo deeper than its name says."""

_MOST = 0.9


@dataclasses.dataclass(frozen=True)
class Match:
    """What the rule says of one name.

    Attributes:
      name: of the file relative to the folder, with /; empty where nothing was found.
      rule: how it was found: empty for the exact name.
      reason: why nothing was found, where there is more to say than that.
      is_outside: whether the name leads out of the folder.
    """

    name: str = ""
    rule: str = ""
    reason: str = ""
    is_outside: bool = False


class ImageFolder:
    """Finds names inside one folder, exactly or by rules."""

    def __init__(self, folder: str) -> None:
        """Open an existing folder.

        Raises:
          NotADirectoryError: there is none.
        """
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"{folder}: no such image folder{inputs.hint(folder)}")
        self.folder = folder
        self._root = os.path.realpath(folder)

    def find(self, name: str) -> Match:
        """Find a name.

        Args:
          name: as the annotation file has it.

        Returns:
          The match; its `name` is empty where there is none, or more than one.
        """
        if "\0" in name or not name:
            return Match(reason="not a file name")
        try:
            is_outside = self._leads_out(name)
            path = os.path.join(self.folder, name)
            if not is_outside and os.path.isfile(path):
                return Match(name)
            if not is_outside and os.path.lexists(path):
                return Match(reason=_describe(path))
            whole, shorter = _list_candidates(name)
            found = self._find_whole([("", name), *whole]) or self._find_shorter(shorter)
        except (OSError, ValueError) as error:  # a name that no file system takes
            return Match(reason=str(error))
        return found or Match(is_outside=is_outside)

    def list_unnamed(self, names: Iterable[str]) -> list[str]:
        """List pictures of the folder that are not among `names`, sorted."""
        # A name may lead out of the folder and into it again.
        start = os.path.abspath(self.folder)
        named = {os.path.relpath(os.path.join(start, name), start) for name in names if "\0" not in name}
        others = [name for name in self._all_names if name not in named and is_picture(name)]
        return [name for name in others if os.path.isfile(os.path.join(self.folder, name))]

    def _find_whole(self, candidates: Sequence[tuple[str, str]]) -> Match | None:
        """Find a name with all its folders."""
        for rule, candidate in candidates:
            if rule and self._is_file(candidate):
                return Match(candidate, rule)
        for rule, candidate in candidates:
            for made in self._match_loosely(rule, candidate):
                return made
        for rule, candidate in candidates:
            if below := self._list_below(candidate):
                return self._choose(below, _join(rule, IN_A_FOLDER_BELOW))
        return None

    def _find_shorter(self, candidates: Sequence[tuple[str, str]]) -> Match | None:
        """Find a name without leading folders, where no other file fits as much of it."""
        fits: list[Match] = []
        for rule, candidate in candidates:
            exact = [Match(candidate, rule)] if self._is_file(candidate) else []
            fits += exact or self._match_loosely(rule, candidate)
        named = list(dict.fromkeys(match.name for match in fits if match.name))
        unclear = [match for match in fits if match.reason or not named]
        if unclear or not fits:
            return unclear[0] if unclear else None
        by_name_alone = not any("/" in name for name in named)
        for _, candidate in candidates:
            if "/" in candidate or by_name_alone:
                named += [name for name in self._list_below(candidate) if name not in named]
        return fits[0] if len(named) == 1 else self._choose(named, fits[0].rule)

    def _list_below(self, candidate: str) -> list[str]:
        tails = [fold(candidate), *_list_suffixes(fold(candidate))]
        alike = [name for tail in tails for name in self._by_base.get(os.path.basename(tail), [])]
        return [name for name in alike if any(fold(name).endswith(f"/{tail}") for tail in tails)]

    def _match_loosely(self, rule: str, candidate: str) -> Iterable[Match]:
        folded = fold(candidate)
        alike = [name for name in self._by_base.get(os.path.basename(folded), []) if fold(name) == folded]
        if alike:
            yield self._choose(alike, _join(rule, _name_difference(candidate, alike)))
            return
        others = _list_suffixes(folded)
        alike = [n for o in others for n in self._by_base.get(os.path.basename(o), []) if fold(n) == o]
        if alike:
            yield self._choose(alike, _join(rule, "suffix"))

    def _choose(self, names: list[str], rule: str) -> Match:
        inside = [name for name in names if not self._leads_out(name)]
        if len(inside) == 1:
            return Match(inside[0], rule)
        if not inside:
            return Match(is_outside=True)
        more = f" and {len(inside) - 2} more" if len(inside) > 2 else ""
        return Match(reason=f"fits {inside[0]} and {inside[1]}{more} ({rule}): give the exact name")

    def _is_file(self, name: str) -> bool:
        return not self._leads_out(name) and os.path.isfile(os.path.join(self.folder, name))

    def _leads_out(self, name: str) -> bool:
        return os.path.isabs(name) or not inputs.is_inside(os.path.join(self.folder, name), self._root)

    @functools.cached_property
    def _all_names(self) -> list[str]:
        found = []
        for parent, folders, files in os.walk(self.folder):
            folders.sort()
            relative = os.path.relpath(parent, self.folder).replace(os.sep, "/")
            found += [file if relative == "." else f"{relative}/{file}" for file in files]
        return sorted(found)

    @functools.cached_property
    def _by_base(self) -> dict[str, list[str]]:
        """Map each folded last part of a name to the names; those that are no text are left out."""
        result: dict[str, list[str]] = {}
        for name in self._all_names:
            if not any("\ud800" <= letter <= "\udfff" for letter in name):
                result.setdefault(os.path.basename(fold(name)), []).append(name)
        return result


def open_folder(folder: str) -> ImageFolder:
    """Return the folder's `ImageFolder`, which lists the folder once.

    It is the same one as long as nothing is put into the folder itself or taken out. What changes in folders
    below is seen by exact names, but by the other rules only where the list is not made yet.

    Args:
      folder: that exists.

    Raises:
      OSError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder}: no such image folder{inputs.hint(folder)}")
    return _open_folder(folder, os.stat(folder).st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _open_folder(folder: str, _changed: int) -> ImageFolder:
    return ImageFolder(folder)


def find_files(folder: str, suffixes: tuple[str, ...] = formats.EXTENSIONS) -> list[str]:
    """List files below a folder by suffix, in any case of letters.

    Args:
      folder: is searched with all its folders, save hidden ones; links to folders are not followed.
      suffixes: in lower case, with the dot.

    Returns:
      Paths relative to the folder, with forward slashes, sorted.

    Raises:
      NotADirectoryError: there is no such folder.
      ValueError: a file is a link that leads out of the folder.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder}: no such folder{inputs.hint(folder)}")
    found = sorted(name for name in _walk(folder) if name.lower().endswith(suffixes))
    for name in found:
        refuse_outside(os.path.join(folder, name), folder)
    return found


def describe_unread(folder: str, below: bool = True, named: Container[str] = ()) -> str:
    """Count the picture files that no command reads in a folder.

    Args:
      folder: is searched as `find_files` does.
      below: search its folders too.
      named: files, relative to the folder, that are read all the same.

    Returns:
      Such as `photos: 3 files of a kind that is not read (.heic): convert them to JPEG or PNG`; empty where
      there are none.
    """
    counts = count_unread(folder, below, named)
    if not counts:
        return ""
    total = sum(counts.values())
    files = f"{total} file{'s' * (total > 1)} of a kind that is not read"
    return f"{folder}: {files} ({list_kinds(counts)}): convert them to JPEG or PNG"


def count_unread(folder: str, below: bool = True, named: Container[str] = ()) -> dict[str, int]:
    """Count the picture files that no command reads in a folder by suffix, as `describe_unread` does."""
    names = _walk(folder) if below else (name for name in os.listdir(folder) if not name.startswith("."))
    suffixes = (os.path.splitext(name)[1].lower() for name in names if name not in named)
    return dict(collections.Counter(suffix for suffix in suffixes if suffix in formats.UNREAD))


def list_kinds(counts: Mapping[str, int]) -> str:
    """List suffixes, with their numbers where there are several: `.heic`, or `2 .heic, 1 .avif`."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{counts[suffix]} {suffix}" for suffix in sorted(counts))


def refuse_outside(path: str, folder: str) -> None:
    """Refuse a link to a file elsewhere.

    Raises:
      ValueError: the path is a link that leads out of the folder.
    """
    if os.path.islink(path) and not inputs.is_inside(path, folder):
        raise ValueError(f"{path}: a link that leads out of {folder}: put the file itself there")


def _walk(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")


def is_picture(name: str) -> bool:
    """Check by its suffix whether a file is a picture."""
    return name.lower().endswith(formats.EXTENSIONS)


def fold(name: str) -> str:
    """Map names that differ in Unicode form, case and spaces at their ends only to the same text."""
    composed = unicodedata.normalize("NFC", _trim(os.path.normpath(name))).casefold()
    return unicodedata.normalize("NFC", composed)


def _trim(name: str) -> str:
    """Remove the spaces at both ends of each part of a name."""
    return "/".join(part.strip() for part in name.split("/"))


def _name_difference(candidate: str, names: Sequence[str]) -> str:
    """Name the rule by which a name fits others whose folded form is the same."""
    wanted = unicodedata.normalize("NFC", os.path.normpath(candidate))
    forms = [unicodedata.normalize("NFC", name) for name in names]
    if all(form == wanted for form in forms):
        return "Unicode form"
    return "spaces" if all(_trim(form) == _trim(wanted) for form in forms) else "case"


def _list_suffixes(folded: str) -> list[str]:
    """List a folded name with the other suffixes of its format."""
    stem, suffix = os.path.splitext(folded)
    same = next((group for group in (JPEG_EXTENSIONS, _TIFF_EXTENSIONS) if suffix in group), ())
    return [stem + other for other in same if other != suffix]


def _describe(path: str) -> str:
    """Describe what has the name of a photo and is no file."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"is a link to {os.readlink(path)!r}, where no file is"
    return "is a folder, pipe, socket or device, not a file"


def suggest(folder: str, names: Sequence[str], found: Sequence[tuple[str, str]]) -> str:
    """Say which folder was meant, where another one holds nearly all names as they are.

    Args:
      folder: that was given.
      names: of the annotation file.
      found: for each name, that of its file and the rule that found it; empty where there is none.

    Returns:
      Such as `407 of 407 are in photos/train: give that`; empty where nothing is to be said.
    """
    wrong = [name for name, (file, rule) in zip(names, found, strict=True) if name and (not file or rule)]
    if not wrong or len(wrong) < _MOST * len(names):
        return ""
    best, most = "", 0
    for other in _neighbours(folder):
        count = sum(_holds(other, name) for name in wrong)
        if count > most:
            best, most = other, count
    return f"{most} of {len(names)} are in {best}: give that" if most >= _MOST * len(names) else ""


def _neighbours(folder: str) -> list[str]:
    """List folders below, the one above, and those beside a folder."""
    above = os.path.dirname(os.path.normpath(folder)) or (os.pardir if folder == os.curdir else os.curdir)
    below = _list_folders(folder)
    deeper = [other for one in below for other in _list_folders(one)]
    beside = [other for other in _list_folders(above) if os.path.normpath(other) != os.path.normpath(folder)]
    return [*below, *deeper, above, *beside]


def _list_folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    return [os.path.normpath(os.path.join(folder, name)) for name in names if not name.startswith(".")]


def _holds(folder: str, name: str) -> bool:
    try:
        return not os.path.isabs(name) and ".." not in name and os.path.isfile(os.path.join(folder, name))
    except ValueError:
        return False


def _join(rule: str, other: str) -> str:
    return f"{rule} and {other}" if rule else other


def _cut_query(name: str) -> str:
    """Cut off what an address has behind the name of a picture: `?v=3`, `#top`."""
    start = re.split(r"[?#]", name, maxsplit=1)[0]
    return start if is_picture(start) else name


def _list_candidates(name: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """List (rule, name) pairs to try: whole names, and names without leading folders, longest first."""
    whole: list[tuple[str, str]] = []
    shorter: list[tuple[str, str]] = []
    for rule, start in (("", name), ("url-encoding", urllib.parse.unquote(name))):
        plain = start.partition("?d=")[2] or _cut_query(start)
        slashed = plain.replace("\\", "/")
        rules = [rule] if rule and start != name else []
        rules += ["query"] if plain != start else []
        rules += ["backslashes"] if slashed != plain else []
        if rules:
            whole.append((", ".join(rules), slashed))
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        for first in range(1, len(parts)):
            tail = "/".join(parts[first:])
            how = "basename" if first == len(parts) - 1 else "without the leading folders"
            shorter.append((", ".join([*rules, how]), tail))
        if len(parts) == 1 and parts[0] != slashed:
            shorter.append((", ".join([*rules, "basename"]), parts[0]))
    shorter.sort(key=lambda pair: -pair[1].count("/"))
    known = {"", name, *(candidate for _, candidate in whole)}
    return [pair for pair in whole if pair[1] and pair[1] != name], [
        pair for pair in shorter if pair[1] not in known
    ]
