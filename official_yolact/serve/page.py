"""The page at `/`: a fixed set of files."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

import fastapi
from starlette import responses

from official_yolact.page import files as page_files
from official_yolact.serve import example

_FOLDER = os.path.join(os.path.dirname(__file__), "static")
_INDEX, _EXAMPLE = "index.html", "/example"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

Files = Mapping[str, tuple[bytes, str]]
"""By address: the bytes and the type of each."""


def read() -> Files:
    """Read the files of the page, and draw its example."""
    found = {
        f"/{'' if name == _INDEX else name}": (content, _TYPES[os.path.splitext(name)[1]])
        for name, content in page_files.read(_FOLDER).items()
    }
    return {**found, _EXAMPLE: (example.draw(), "image/jpeg")}


def make_router(files: Files) -> fastapi.APIRouter:
    """Make the addresses of files."""
    router = fastapi.APIRouter(include_in_schema=False)
    for address, (content, kind) in files.items():
        router.add_api_route(address, _serve(content, kind), methods=["GET", "HEAD"])
    return router


def _serve(content: bytes, kind: str) -> Callable[[], Awaitable[responses.Response]]:
    async def answer() -> responses.Response:
        return responses.Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer
