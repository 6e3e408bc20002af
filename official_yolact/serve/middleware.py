"""What surrounds every request: its number, the log, the counters, the token, and what a fault becomes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import sys
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

from starlette import datastructures
from starlette import requests
from starlette import responses
from starlette import types

from official_yolact import failures
from official_yolact.serve import metrics as metrics_lib
from official_yolact_runtime.files import json_text

_logger = logging.getLogger(__name__)
_DISCARD_SECONDS = 5.0
CLIENT_GONE = 499
"""In the log and the counters: the client went before it had its answer. No client is sent this."""


class Observer:
    """Numbers, counts and logs each request, and lets no fault of the program out."""

    def __init__(
        self,
        app: types.ASGIApp,
        metrics: metrics_lib.Metrics,
        writes_log: bool,
        is_ending: Callable[[], bool],
        most_discarded: int = 0,
    ) -> None:
        """Surround an application.

        Args:
          app: that answers.
          metrics: that are counted.
          writes_log: whether to write a line of JSON to standard output for each request.
          is_ending: tells whether connections are to be closed after their answer.
          most_discarded: bytes of a body that is not wanted and received all the same: many clients read
            no answer before they have sent it.
        """
        self._app, self._metrics = app, metrics
        self._writes_log, self._is_ending = writes_log, is_ending
        self._most_discarded = most_discarded

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        number, start = uuid.uuid4().hex[:16], time.perf_counter()
        notes: dict[str, Any] = scope.setdefault("state", {})
        notes["log"], notes["number"] = {}, number
        status, sent, is_whole = 0, 0, False
        body = _Body(receive)

        async def note(message: types.Message) -> None:
            nonlocal status, sent, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = datastructures.MutableHeaders(scope=message)
                headers["X-Request-Id"] = number
                headers["X-Content-Type-Options"] = "nosniff"
                # A client that is too slow, or waits to be asked for the body, is not waited for.
                if "Connection" not in headers and "Expect" not in datastructures.Headers(scope=scope):
                    await body.discard(self._most_discarded)
                if self._is_ending():
                    headers["Connection"] = "close"
            else:
                sent += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, body.receive, note)
        except Exception as error:
            if not is_whole:
                _log_fault(scope, error)
                raise _CutOffError from None
        finally:
            self._tell(scope, number, status, sent, time.perf_counter() - start, notes["log"])

    def _tell(
        self, scope: types.Scope, number: str, status: int, sent: int, seconds: float, more: dict[str, Any]
    ) -> None:
        # Of paths that nobody serves there is no end.
        endpoint = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(endpoint, str(status)).inc()
        self._metrics.seconds.labels(endpoint).observe(seconds)
        self._metrics.received.inc(more.get("received", 0))
        if "detections" in more:
            self._metrics.detections.labels(more["model"]).inc(more["detections"])
        if not self._writes_log:
            return
        client = scope.get("client") or ("", 0)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request": number,
            "client": client[0],
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(1000 * seconds, 1),
            "sent": sent,
            **more,
        }
        print(json_text.dump(line), file=sys.stdout, flush=True)


class _CutOffError(Exception):
    """An answer that cannot be ended: the connection is closed."""


async def note_gone(_: requests.Request, __: Exception) -> responses.Response:
    """Make what the log and the counters say of a client that has gone; nobody reads it."""
    return responses.Response(status_code=CLIENT_GONE)


def _log_fault(scope: types.Scope, error: Exception) -> None:
    described = failures.describe(error, [scope["path"]], "request")
    _logger.error("request %s: %s", scope["state"]["number"], described)


async def tell_fault(request: requests.Request, error: Exception) -> responses.Response:
    """Make the answer to a request in which the program has a fault, and write the fault into the log."""
    _log_fault(request.scope, error)
    number = request.scope["state"]["number"]
    return responses.JSONResponse({"error": f"a fault of the server, which its log has under {number}"}, 500)


class _Body:
    """What is left to receive of the body of a request."""

    def __init__(self, receive: types.Receive) -> None:
        self._receive, self._is_whole = receive, False

    async def receive(self) -> types.Message:
        message = await self._receive()
        self._is_whole |= message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self, most: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while not self._is_whole and most >= 0:
                    most -= len((await self.receive()).get("body", b""))


class Guard:
    """Lets requests through that carry the token."""

    def __init__(self, app: types.ASGIApp, token: str, is_open: Callable[[str], bool]) -> None:
        """Surround an application.

        Args:
          app: that answers.
          token: that requests carry; empty: all are let through.
          is_open: tells which paths need none.
        """
        self._app, self._token, self._is_open = app, token.encode(), is_open

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Answer one request."""
        if self._token and not self._is_open(scope["path"]):
            given = datastructures.Headers(scope=scope).get("Authorization", "")
            kind, _, token = given.partition(" ")
            is_right = hmac.compare_digest(token.strip().encode(), self._token)
            if kind.lower() != "bearer" or not is_right:
                message = "this needs a token, in the header `Authorization: Bearer TOKEN`"
                answer = responses.JSONResponse(
                    {"error": message}, 401, headers={"WWW-Authenticate": "Bearer"}
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def open_paths(static: Collection[str]) -> Callable[[str], bool]:
    """Make what tells which paths need no token: the files of the page, and whether the server is alive."""
    always = {*static, "/v2/health/live", "/v2/health/ready"}
    return always.__contains__
