"""Zip archives from elsewhere, unpacked without trust in their names and sizes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable

from official_yolact.files import downloads
from official_yolact.files import storage
from official_yolact_runtime.files import outputs

MAX_RATIO = 100
"""A file that grows more than so many times is refused; photos hardly grow, COCO's JSON sixfold."""

_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def unpack(
    archive: str,
    output_dir: str,
    folder: str,
    pattern: str,
    progress: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> int:
    """Unpack the files of one folder of a zip archive that are not there yet, each checked by its sum.

    Args:
      archive: the zip file.
      output_dir: gets the folder; it appears when it is complete, or its files do where it exists.
      folder: of the archive.
      pattern: regular expression of the file names in it that are wanted; others are passed over.
      progress: is called with the files done and their total.
      note: is called with a line for each file that is there and is not as in the archive: it stays.

    Returns:
      Number of files of the archive that were wanted.

    Raises:
      OSError: a file cannot be read or written, or does not fit on the disk.
      ValueError: names the archive and what is wrong in it; nothing is left of it then.
    """
    temporary = os.path.join(output_dir, f"{folder}{outputs.INCOMPLETE}")
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary)
    try:
        with _open(archive) as file:
            wanted = _choose(archive, file, folder, pattern)
            missing = _list_missing(archive, wanted, os.path.join(output_dir, folder), note)
            downloads.check_space(output_dir, sum(member.file_size for member in missing), archive)
            for done, member in enumerate(missing, start=1):
                _extract(archive, file, member, os.path.join(temporary, member.filename.rpartition("/")[2]))
                if progress:
                    progress(done, len(missing))
        _publish(temporary, os.path.join(output_dir, folder))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return len(wanted)


def _list_missing(
    archive: str, wanted: list[zipfile.ZipInfo], final: str, note: Callable[[str], None] | None
) -> list[zipfile.ZipInfo]:
    """List the members that are not there; report those that are there and differ."""
    missing = []
    for member in wanted:
        path = os.path.join(final, member.filename.rpartition("/")[2])
        if not os.path.lexists(path):
            missing.append(member)
        elif note and not _is_same(path, member):
            note(f"{path}: is there and is not as in {os.path.basename(archive)}: it stays as it is")
    return missing


def _is_same(path: str, member: zipfile.ZipInfo) -> bool:
    if not os.path.isfile(path) or os.path.getsize(path) != member.file_size:
        return False
    value = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value == member.CRC


def _open(archive: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise ValueError(
            f"{archive}: not a zip archive ({error}): remove it and download it again"
        ) from error


def _choose(archive: str, file: zipfile.ZipFile, folder: str, pattern: str) -> list[zipfile.ZipInfo]:
    wanted: dict[str, zipfile.ZipInfo] = {}
    for member in file.infolist():
        _refuse_escape(archive, member)
        parent, _, name = member.filename.rpartition("/")
        if parent != folder or not re.fullmatch(pattern, name):
            continue
        if name in wanted:
            raise ValueError(f"{archive}: {member.filename} is in it twice: take another archive")
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise ValueError(
                f"{archive}: {member.filename} would grow from {member.compress_size} to {member.file_size}"
                " bytes: take another archive"
            )
        wanted[name] = member
    if not wanted:
        raise ValueError(f"{archive}: no file {folder}/{pattern} in it: is it the right archive?")
    return list(wanted.values())


def _refuse_escape(archive: str, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    mode = stat.S_IFMT(member.external_attr >> 16)
    leads_out = name.startswith("/") or ".." in name.split("/") or re.search(r"[\\:\0]", name)
    if leads_out or mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{archive}: {name!r} is a link or leads out of the folder: take another archive")


def _extract(archive: str, file: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> None:
    # The sum of the content is checked by zipfile at its end.
    with open(path, "xb", buffering=0) as target:
        try:
            with file.open(member) as source:
                while block := source.read(_BLOCK):
                    downloads.write(target, block)
        except _DAMAGED as error:
            raise ValueError(
                f"{archive}: {member.filename} is damaged ({error}): remove the archive and download it again"
            ) from error


def _publish(temporary: str, final: str) -> None:
    if not os.path.isdir(final):
        storage.rename(temporary, final)
        return
    for name in sorted(os.listdir(temporary)):
        # Of 100,000 photos, each made durable would take minutes; a further run compares them all.
        storage.rename(os.path.join(temporary, name), os.path.join(final, name), durable=False)
