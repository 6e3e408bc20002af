"""Downloads of large files that may break off at any time and go on from there."""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import hashlib
import http.client
import io
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from official_yolact.files import locks
from official_yolact.files import storage
from official_yolact_runtime.files import json_text

_Result = TypeVar("_Result")

Progress = Callable[[int, int], None]
"""Is called with the bytes that are there and their total."""

ATTEMPTS = 5
"""So many in a row without a byte end a download; the pauses between them double."""

_TIMEOUT_SECONDS = 30.0
_BLOCK = 1 << 20
_MEGABYTE = 1_000_000
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_LOST = (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError)
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "official-yolact"}


class _BrokenOffError(Exception):
    """The transfer ended early; another attempt may go on."""


@dataclasses.dataclass(frozen=True)
class _State:
    """What is known of the file whose beginning lies in the .part file."""

    url: str
    size: int
    validator: str | None
    md5: str | None = None


def download(
    url: str,
    path: str,
    *,
    sha256: str | None = None,
    size: int | None = None,
    pause: float = 1.0,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> str:
    """Download a file, or the rest of one.

    What has arrived is in PATH.part, and PATH.part.json says of what. An interrupted download goes on
    where it ended if the server can do so and still has the same file; otherwise it starts anew.

    Args:
      url: http or https.
      path: appears when the file is complete and its sum is right: `sha256`, and the one that the server
        states, if it states one.
      sha256: that the file must have, in hexadecimal; None: any.
      size: that the file must have; None: any.
      pause: seconds before the second attempt.
      progress: is called after each block.
      note: is called with a line for people before each further attempt.

    Returns:
      The file's sha256.

    Raises:
      OSError: the server cannot be reached or refuses, or the disk is full.
      ValueError: the file's sum or size is another one, or the server does not state its length.
    """
    _check_url(url)
    state_path = f"{path}.part.json"
    with _open_part(f"{path}.part") as file:
        _keep_trying(lambda: _transfer(url, file, state_path, size, progress), file, url, pause, note)
        os.fsync(file.fileno())
    found = storage.measure(f"{path}.part")[1]
    try:
        if sha256 and found != sha256.lower():
            raise ValueError(
                f"{url}: its sha256 is {found}, expected is {sha256}: not the file that was meant"
            )
        _check_md5(url, f"{path}.part", _load_state(state_path))
    except ValueError:
        # It would be wrong for ever.
        _remove(f"{path}.part", state_path)
        raise
    storage.rename(f"{path}.part", path)
    _remove(state_path)
    return found


def _check_md5(url: str, path: str, state: _State | None) -> None:
    if state is None or not state.md5:
        return
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != state.md5:
        raise ValueError(
            f"{url}: its md5 is {found}, the server states {state.md5}: run the same command again"
        )


def in_megabytes(progress: Progress) -> Progress:
    """Make a display that counts megabytes one of bytes."""

    def show(done: int, total: int) -> None:
        megabytes = -(-total // _MEGABYTE)
        progress(megabytes if done == total else min(done // _MEGABYTE, megabytes - 1), megabytes)

    return show


def find_size(url: str, pause: float = 1.0, note: Callable[[str], None] | None = None) -> int:
    """Ask for the length of a file.

    Raises:
      OSError: the server cannot be reached or refuses.
      ValueError: the server does not state the length.
    """
    _check_url(url)

    def ask() -> int:
        with _open(url, {}, "HEAD") as response:
            return _content_length(url, response)

    return _keep_trying(ask, None, url, pause, note)


def _open_part(path: str) -> io.FileIO:
    def lock(name: str, flags: int) -> int:
        return locks.acquire(name, flags=flags & os.O_APPEND)[0]

    try:
        return open(path, "ab", buffering=0, opener=lock)
    except BlockingIOError as error:
        raise OSError(f"{path}: another process writes it: wait for it or end it") from error


def _check_url(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{url!r} is no address: give one that begins with http:// or https://")


def _keep_trying(
    attempt: Callable[[], _Result],
    file: io.FileIO | None,
    url: str,
    pause: float,
    note: Callable[[str], None] | None,
) -> _Result:
    failures = 0
    while True:
        before = file.tell() if file else 0
        try:
            return attempt()
        except (_BrokenOffError, *_LOST) as error:
            reason = str(getattr(error, "reason", None) or error or type(error).__name__)
            failures = 1 if file and file.tell() > before else failures + 1
            if failures >= ATTEMPTS:
                raise OSError(
                    f"{url}: cannot be reached or breaks off ({reason}), {ATTEMPTS} times in a row: check the"
                    " network and run the same command again, which goes on with what has arrived"
                ) from error
        wait = pause * 2 ** (failures - 1)
        if note:
            note(f"{url}: {reason}; next attempt in {wait:.0f} s")
        time.sleep(wait)


def _open(url: str, headers: dict[str, str], method: str = "GET") -> Any:
    request = urllib.request.Request(url, headers={**_HEADERS, **headers}, method=method)
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _RETRIED:
            raise _BrokenOffError(f"the server answers {error.code} {error.reason}") from error
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            return None
        raise OSError(f"{url}: the server answers {error.code} {error.reason}: check the address") from error


def _transfer(
    url: str, file: io.FileIO, state_path: str, expected_size: int | None, progress: Progress | None
) -> None:
    """Append what is missing; the file's position is its length."""
    file.seek(0, os.SEEK_END)
    state = _load_state(state_path)
    offset = file.tell() if state and state.url == url and file.tell() <= state.size else 0
    if state and offset == state.size:
        return
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    if state and offset and state.validator:
        headers["If-Range"] = state.validator
    response = _open(url, headers)
    if response is None:
        _start_anew(file, state_path)
        raise _BrokenOffError("the server has another file than before")
    with response:
        if response.status == http.client.PARTIAL_CONTENT:
            if not state or _content_range(response) != (offset, state.size):
                _start_anew(file, state_path)
                raise _BrokenOffError("the server has another file than before")
        else:
            _start_anew(file, state_path)
            offset = 0
            state = _State(url, _content_length(url, response), _validator(response), _stated_md5(response))
            if expected_size not in (None, state.size):
                raise ValueError(
                    f"{url}: has {state.size} bytes, expected are {expected_size}: not the file meant"
                )
            storage.store_json(state_path, dataclasses.asdict(state))
        check_space(os.path.dirname(state_path) or ".", state.size - offset, url)
        _copy(response, file, state.size, progress)


def check_space(folder: str, needed: int, what: str) -> None:
    """Refuse what does not fit on the disk.

    Raises:
      OSError: fewer than `needed` bytes are free in the folder.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"{folder}: {what} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free: make room or"
            " choose another folder"
        )


def write(file: io.FileIO, data: bytes) -> None:
    """Write all of it to an unbuffered file.

    Raises:
      OSError: names the file and the fault: the disk is full.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise OSError(f"{file.name!s}: cannot be written ({error.strerror}): make room") from error


def _copy(response: Any, file: io.FileIO, size: int, progress: Progress | None) -> None:
    while block := response.read(min(_BLOCK, size - file.tell()) or 1):
        if file.tell() + len(block) > size:
            raise _BrokenOffError("the server sends more than it said")
        write(file, block)
        if progress:
            progress(file.tell(), size)
    if file.tell() < size:
        raise _BrokenOffError(f"the connection ended after {file.tell()} of {size} bytes")


def _start_anew(file: io.FileIO, state_path: str) -> None:
    file.truncate(0)
    file.seek(0)
    _remove(state_path)


def _load_state(path: str) -> _State | None:
    try:
        state = _State(**json_text.load(path))
    except (OSError, ValueError, TypeError):
        return None
    texts = (state.validator, state.md5)
    is_right = isinstance(state.size, int) and all(isinstance(text, (str, type(None))) for text in texts)
    return state if is_right else None


def _content_length(url: str, response: Any) -> int:
    value = response.headers.get("Content-Length", "")
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise ValueError(f"{url}: the server does not state the file's length: take another mirror")
    return int(value)


def _content_range(response: Any) -> tuple[int, int] | None:
    """Read the first byte and the total size from the header Content-Range."""
    value = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})", value)
    return (int(match[1]), int(match[2])) if match else None


def _validator(response: Any) -> str | None:
    """Return a tag or date that changes with the file; a weak tag need not."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return str(tag)
    date = response.headers.get("Last-Modified")
    return str(date) if date else None


def _stated_md5(response: Any) -> str | None:
    """Read the sum that Google Cloud Storage states, in hexadecimal."""
    for header in response.headers.get_all("x-goog-hash", []):
        match = re.search(r"md5=([A-Za-z0-9+/]{22}==)", header)
        if match:
            with contextlib.suppress(binascii.Error):
                return base64.b64decode(match[1]).hex()
    return None


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
