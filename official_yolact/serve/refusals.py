"""What the server answers when it does not do what it was asked."""

from __future__ import annotations

from collections.abc import Mapping


class RefusedError(Exception):
    """A request that is answered with a reason.

    Attributes:
      status: of HTTP, 400 to 503.
      message: for the person who sent the request; it holds nothing of the server's own.
      headers: of the answer, beside the usual ones.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


def busy(message: str, seconds: int) -> RefusedError:
    """Make the answer to a request that may be sent again after some seconds."""
    return RefusedError(503, message, {"Retry-After": str(seconds)})
