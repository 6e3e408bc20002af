"""The directory of a PyTorch zip file, read strictly: stored entries that lie apart and inside.

`zipfile` would allocate what a directory states, and lets entries share bytes; PyTorch itself maps
entries and unpacks nothing, so a few records are all there is to read.
Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib

from official_yolact.importing import torch_source

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_ENTRY_BYTES = 1024
_ENCRYPTED = 1
# Sizes that follow the data, and names in UTF-8.
_FLAGS = 0x808
_NEWEST_VERSION = 63
_NEEDS_64 = 2**32 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class ZipEntry:
    """A stored entry.

    Attributes:
      name: its path in the archive.
      header: the first byte of its header.
      start: the first byte of its data.
      end: the first byte behind its data.
      checksum: CRC-32 of its data as the directory has it.
      stored: whether its data is plain, not compressed.
    """

    name: str
    header: int
    start: int
    end: int
    checksum: int
    stored: bool


def read_directory(source: torch_source.TorchSource) -> dict[str, ZipEntry]:
    """Read which entries a zip file has and where.

    Args:
      source: the file.

    Returns:
      The entries by name, compressed ones too, in the order of the directory; names are relative and
      have no `..`.

    Raises:
      TorchFileError: there is no directory, or an entry is encrypted, occurs twice, shares bytes
        with another, has a name that leads out, or lies outside the file.
    """
    position, end, num_entries = _find_directory(source)
    entries: dict[str, ZipEntry] = {}
    directory = position
    for _ in range(num_entries):
        source.charge(_ENTRY_BYTES)
        entry, position = _read_entry(source, position, end, directory)
        if entry.name in entries:
            raise source.refuse(f"entry {torch_source.quote(entry.name)} occurs twice in the archive")
        entries[entry.name] = entry
    if position != end:
        raise source.refuse("the archive's directory is longer than its entries: it is damaged")
    _check_apart(source, entries)
    return entries


def check_stored(source: torch_source.TorchSource, entries: dict[str, ZipEntry]) -> None:
    """Refuse an archive with compressed entries.

    Args:
      source: the file.
      entries: its directory.

    Raises:
      TorchFileError: an entry is compressed.
    """
    for entry in entries.values():
        if not entry.stored:
            raise source.refuse(
                f"entry {torch_source.quote(entry.name)} is compressed; torch.save never does this: "
                "load and save the file with PyTorch"
            )


def check_content(source: torch_source.TorchSource, entry: ZipEntry) -> None:
    """Compare an entry's data with its checksum.

    Args:
      source: the file.
      entry: one of its entries. A checksum of 0 is none: PyTorch can be told to leave it out.

    Raises:
      TorchFileError: they differ.
    """
    with memoryview(source.data) as whole, whole[entry.start : entry.end] as data:
        differs = entry.checksum not in (0, zlib.crc32(data))
    if differs:
        raise source.refuse(
            f"entry {torch_source.quote(entry.name)} has not the content its checksum states: "
            "the file is damaged, download it again"
        )


def _find_directory(source: torch_source.TorchSource) -> tuple[int, int, int]:
    """Give the directory's first byte, the byte behind it, and how many entries it has."""
    lowest = max(0, source.size - _END.size - 2**16)
    at = source.data.rfind(b"PK\5\6", lowest)
    if at < 0 or at + _END.size > source.size:
        raise source.refuse("is a zip archive without its directory: it is truncated, download it again")
    record = _END.unpack(source.take(at, _END.size))
    _, disk, first_disk, here, total, length, start, comment = record
    if at + _END.size + comment != source.size:
        raise source.refuse("the archive does not end where its directory says: it is damaged")
    end = at
    if source.data[max(0, at - _LOCATOR_64.size) : at].startswith(b"PK\6\7"):
        end, disk, first_disk, here, total, length, start = _read_end_64(source, at)
    if disk or first_disk or here != total or start + length != end:
        raise source.refuse("the archive's directory is not where it should be: it is damaged")
    return start, end, total


def _read_end_64(source: torch_source.TorchSource, at: int) -> tuple[int, ...]:
    _, disk, start, disks = _LOCATOR_64.unpack(source.take(at - _LOCATOR_64.size, _LOCATOR_64.size))
    fields = _END_64.unpack(source.take(start, _END_64.size, at))
    if fields[0] != b"PK\6\6" or disk or disks != 1 or start + 12 + fields[1] + _LOCATOR_64.size != at:
        raise source.refuse("the archive's directory is not where it should be: it is damaged")
    return (start, *fields[4:])


def _read_entry(
    source: torch_source.TorchSource, position: int, end: int, directory: int
) -> tuple[ZipEntry, int]:
    fields = _CENTRAL.unpack(source.take(position, _CENTRAL.size, end))
    magic, _, version, flags, method, _, _, checksum, packed, size, name_length, extra, comment = fields[:13]
    position += _CENTRAL.size
    if magic != b"PK\1\2":
        raise source.refuse("the archive's directory is damaged")
    source.charge(4 * name_length)
    raw = source.take(position, name_length, end)
    name = _check_name(source, raw)
    shown = torch_source.quote(name)
    if flags & _ENCRYPTED:
        raise source.refuse(f"entry {shown} is encrypted; torch.save never does this")
    if flags & ~_FLAGS or version & 0xFF > _NEWEST_VERSION:
        raise source.refuse(f"entry {shown} needs features of zip archives that torch.save never uses")
    header = fields[16]
    if _NEEDS_64 in (packed, size, header):
        raise source.refuse(f"entry {shown} is in an archive of more than 4 GiB, which is not supported")
    local = _LOCAL.unpack(source.take(header, _LOCAL.size, directory))
    start = header + _LOCAL.size + name_length + local[10]
    same = local[0] == b"PK\3\4" and local[2:4] == (flags, method) and local[9] == name_length
    if not same or source.take(header + _LOCAL.size, name_length) != raw or start + packed > directory:
        raise source.refuse(f"entry {shown} does not lie where the directory says: the archive is damaged")
    stored = method == 0 and packed == size
    entry = ZipEntry(name, header, start, start + packed, checksum, stored)
    return entry, position + name_length + extra + comment


def _check_name(source: torch_source.TorchSource, raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise source.refuse(f"entry {torch_source.quote(raw)} has a name that is not UTF-8") from None
    parts = name.split("/")
    if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
        raise source.refuse(f"entry {torch_source.quote(name)} has a path that leads out of the archive")
    return name


def _check_apart(source: torch_source.TorchSource, entries: dict[str, ZipEntry]) -> None:
    behind = 0
    for entry in sorted(entries.values(), key=lambda entry: entry.header):
        if entry.header < behind:
            raise source.refuse(f"entry {torch_source.quote(entry.name)} shares bytes with another")
        behind = entry.end
