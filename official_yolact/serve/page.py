"""The page at `/`: a fixed set of files."""

from __future__ import annotations

from collections.abc import Mapping

import fastapi
from starlette import responses

INDEX = "/"


def read() -> dict[str, tuple[bytes, str]]:
    """Read the files of the page: by address, the bytes and the type of each."""
    return {}


def make_router(files: Mapping[str, tuple[bytes, str]]) -> fastapi.APIRouter:
    """Make the addresses of files.

    Args:
      files: as `read` gives them.
    """
    router = fastapi.APIRouter(include_in_schema=False)
    for address, (content, kind) in files.items():
        router.add_api_route(address, _serve(content, kind), methods=["GET", "HEAD"])
    return router


def _serve(content: bytes, kind: str):  # type: ignore[no-untyped-def]
    async def answer() -> responses.Response:
        return responses.Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer
