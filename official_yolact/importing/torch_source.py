"""A PyTorch file as mapped bytes, with an allowance for what reading it may allocate."""

from __future__ import annotations

import mmap
import os
import stat

CURE = "load it in PyTorch and save the weights alone: torch.save(model.state_dict(), FILE)"
# A real state dict needs 5 KB of the allowance per tensor, so this alone is enough for 3,000.
_ALLOWANCE_BYTES = 16 * 2**20
_ALLOWANCE_PER_FILE_BYTE = 3
_MAX_QUOTED = 80


class TorchFileError(ValueError):
    """Says in one line which file cannot be read and why.

    Attributes:
      path: the file.
      reason: what is wrong with it, and the cure where there is one.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = " ".join(reason.split())
        super().__init__(f"{path}: {self.reason}")


def quote(text: str | bytes | int | tuple[int, ...]) -> str:
    """Quote what a file holds: printable, on one line, and short."""
    shown = repr(text[:_MAX_QUOTED] if isinstance(text, str | bytes) else text)
    return shown if len(shown) <= 2 * _MAX_QUOTED else shown[: 2 * _MAX_QUOTED] + "..."


class TorchSource:
    """A file mapped for reading; every size it states is checked here before it is believed.

    Args:
      path: the file.

    Attributes:
      path: the file.
      size: its length in bytes.
      data: its bytes, mapped read-only: arrays over it cost no memory of their own.

    Raises:
      OSError: the file cannot be opened.
      TorchFileError: it is empty or no regular file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TorchFileError(path, "is no regular file")
            self.size = os.fstat(file.fileno()).st_size
            if self.size == 0:
                raise TorchFileError(path, "is empty: download it again")
            self.data = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ)
        self._allowance = _ALLOWANCE_BYTES + _ALLOWANCE_PER_FILE_BYTE * self.size

    def release(self) -> None:
        """Give the pages that were read back to the system; arrays over them stay usable."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.data.madvise(mmap.MADV_DONTNEED)

    def refuse(self, reason: str) -> TorchFileError:
        """Make the error that says why this file is refused."""
        return TorchFileError(self.path, reason)

    def charge(self, num_bytes: int) -> None:
        """Take memory from the allowance, before it is allocated.

        Args:
          num_bytes: an upper bound of what comes next.

        Raises:
          TorchFileError: all that was charged exceeds 16 MiB and three times the file.
        """
        self._allowance -= num_bytes
        if self._allowance < 0:
            raise self.refuse(
                "unpacks to far more than its own size: it is damaged or made to exhaust memory"
            )

    def take(self, start: int, num_bytes: int, end: int | None = None) -> bytes:
        """Copy a range of bytes.

        Args:
          start: first byte.
          num_bytes: how many.
          end: where the part of the file ends that is being read; the file's end if None.

        Returns:
          Exactly so many bytes.

        Raises:
          TorchFileError: the part ends before.
        """
        end = self.size if end is None else end
        if start < 0 or num_bytes < 0 or num_bytes > end - start:
            raise self.refuse(
                f"ends early: {num_bytes} bytes at byte {start} exceed byte {end}: "
                "it is truncated or damaged, download it again"
            )
        return self.data[start : start + num_bytes]


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a named pipe would wait for its writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
