"""A web server of this machine that serves bytes by path, and breaks off, lies or refuses when it is told."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any


class Server:
    """Serves bytes by path from this machine, with the faults that it is told."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.ranges = True
        self.etag: str | None = '"one"'
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.length: str | None = "true"
        self.extra = 0
        self.pause = 0.0
        self.requests: list[tuple[str, str | None]] = []
        self.url = ""
        self.moved: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        asked = handler.headers.get("Range")
        self.requests.append((handler.command, asked))
        status = self.statuses.pop(0) if self.statuses else 200
        if handler.path in self.moved:
            handler.send_response(302)
            handler.send_header("Location", self.moved[handler.path])
            handler.end_headers()
            return
        body = self.files.get(handler.path)
        if status != 200 or body is None:
            handler.send_error(status if status != 200 else 404)
            return
        start, total = 0, len(body)
        if asked and self.ranges and handler.headers.get("If-Range") in (None, self.etag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= total:
                handler.send_error(416)
                return
            status, body = 206, body[start:]
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start + self.extra}-{total - 1}/{total}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.length:
            handler.send_header("Content-Length", str(len(body)) if self.length == "true" else self.length)
        handler.end_headers()
        if handler.command == "GET":
            body = body[: self.cuts.pop(0)] if self.cuts else body
            for at in range(0, len(body), 100_000):
                handler.wfile.write(body[at : at + 100_000])
                time.sleep(self.pause)


@contextlib.contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Server]:
    """Run a server that has these files."""
    served = Server(files)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                served.answer(self)

        do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        served.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield served
        running.shutdown()
        thread.join()
