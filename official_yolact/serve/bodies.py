"""Bodies of requests: whole or not at all, bounded in bytes, in time, and in the bytes of all together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from python_multipart import exceptions
from python_multipart import multipart
from starlette import requests

from official_yolact.serve import refusals
from official_yolact.serve import settings as settings_lib

_CLOSE = {"Connection": "close"}
_RETRY_SECONDS = 2


class Receiver:
    """Receives bodies.

    Attributes:
      held: bytes of all bodies that are received or worked on now.
    """

    def __init__(self, settings: settings_lib.Settings) -> None:
        """Receive within the bounds of these settings."""
        self._settings = settings
        self.held = 0

    @contextlib.asynccontextmanager
    async def receive(self, request: requests.Request) -> AsyncIterator[bytes]:
        """Receive the body of a request, and count its bytes as held until the end of the block.

        Args:
          request: whose body nobody has read.

        Yields:
          The body.

        Raises:
          RefusedError: it is too large, too slow, compressed, or there is no memory for it.
          ClientDisconnect: the client has gone.
        """
        self._check_headers(request)
        before, body = 0, bytearray()
        try:
            try:
                async with asyncio.timeout(self._settings.body_seconds):
                    async for chunk in request.stream():
                        body += chunk
                        self.held += len(chunk)
                        before += len(chunk)
                        self._check_size(len(body))
            except TimeoutError:
                seconds = self._settings.body_seconds
                message = f"the body did not arrive in {seconds:g} seconds: send a smaller picture"
                raise refusals.RefusedError(408, message, _CLOSE) from None
            yield bytes(body)
        finally:
            self.held -= before

    def _check_headers(self, request: requests.Request) -> None:
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise refusals.RefusedError(415, f"Content-Encoding is {encoding!r}: send the body as it is")
        length = request.headers.get("Content-Length", "")
        # What is no number, the parser of HTTP has refused.
        self._check_size(int(length) if length.isdecimal() else 0)

    def _check_size(self, size: int) -> None:
        if size > self._settings.max_bytes:
            message = f"the body has more than {self._settings.max_bytes} bytes: make the picture smaller"
            raise refusals.RefusedError(413, message)
        if self.held > self._settings.max_held_bytes:
            raise refusals.busy("too many bytes are being received: send it again later", _RETRY_SECONDS)


def find_picture(body: bytes, content_type: str) -> bytes:
    """Find the bytes of the picture in a body, which is one, or a form with one file.

    Args:
      body: of the request.
      content_type: its type, as the header has it; only that of a form says anything.

    Returns:
      The bytes of the picture.

    Raises:
      RefusedError: a form without a file, with several, or malformed.
    """
    kind, parameters = multipart.parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return body
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise refusals.RefusedError(
            400, "the Content-Type of the form has no boundary: let the client write it"
        )
    files: list[bytes] = []

    def keep(file: multipart.File) -> None:
        file.file_object.seek(0)
        files.append(file.file_object.read())

    try:
        parser = multipart.FormParser(
            "multipart/form-data",
            on_field=lambda _: None,
            on_file=keep,
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except exceptions.FormParserError as error:
        raise refusals.RefusedError(400, f"the form cannot be read: {error}") from None
    if len(files) != 1:
        raise refusals.RefusedError(
            400, f"the form has {len(files)} files: send one, as in `curl --form image=@photo.jpg`"
        )
    return files[0]
