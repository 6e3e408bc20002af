"""The process: a socket, connections that may not stand still, signals, and an end that loses no request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import h11
import PIL.Image
import uvicorn
from uvicorn.protocols.http import h11_impl

from official_yolact.serve import app as app_lib
from official_yolact.serve import service as service_lib

_KEEP_ALIVE_SECONDS = 65
"""Longer than the clients and proxies that keep a connection for a minute."""

_LINGER_SECONDS = 5.0
_QUIET_SECONDS = 1.0
_TICK = 0.02
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Serves until a signal ends it; what was accepted by then is answered."""

    def __init__(self, service: service_lib.Service, on_start: Callable[[], None] = lambda: None) -> None:
        """Make a server that does not run yet.

        Args:
          service: that answers.
          on_start: is called when requests are accepted.
        """
        settings = service.settings
        config = uvicorn.Config(
            app_lib.make(service),
            http=_make_protocol(settings.header_seconds),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # of faults the log of the service tells
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.drain_seconds),
            h11_max_incomplete_event_size=32_768,
        )
        super().__init__(config)
        self.service, self._on_start = service, on_start
        self._reloads: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at SIGINT and SIGTERM, at a second one at once; load the models again at SIGHUP."""
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = dict.fromkeys(_SIGNALS, self._end)
        handlers[signal.SIGHUP] = self._reload
        try:
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
        except (RuntimeError, ValueError):  # in a thread of a test, signals are not to be had
            handlers.clear()
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self.service.reload_all())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept requests."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has come and what comes on open connections, and close each after its answer."""
        self.service.is_ending = True
        loop = asyncio.get_running_loop()
        # The socket still listens: who connects just now is answered, too.
        await self._wait(loop.time() + _QUIET_SECONDS)
        came = [one for listener in sockets or [] for one in _accept_all(listener)]
        for server in self.servers:
            server.close()
        for one in came:
            await loop.connect_accepted_socket(self._make_connection, one)
        await self._wait(loop.time() + _QUIET_SECONDS)
        await super().shutdown(sockets)
        if not self.force_exit:
            await loop.run_in_executor(None, self.service.close)

    def _make_connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def _wait(self, end: float) -> None:
        """Wait until all connections are closed, at most until a time."""
        while self.server_state.connections and not self.force_exit:
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(_TICK)


def _accept_all(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that the system has made: closing the listener would break them off."""
    with contextlib.suppress(OSError):
        while True:
            one, _ = listener.accept()
            one.setblocking(False)
            yield one


def _make_protocol(seconds: float) -> Any:
    """Make the protocol of connections that may not stand still for so many seconds."""

    class Protocol(h11_impl.H11Protocol):
        """Closes a connection whose request does not begin, or whose answer is not read."""

        _waiting: asyncio.TimerHandle | None = None
        _writing: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head(seconds)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._wait_for_head(None)
            elif (
                self.cycle is not None
                and self.conn.their_state is h11.IDLE
                and not self.conn.trailing_data[0]
            ):
                # The rest of a refused body has come: the connection may be used again.
                self._wait_for_head(_KEEP_ALIVE_SECONDS)
            elif self._waiting is None:
                self._wait_for_head(seconds)

        def on_response_complete(self) -> None:
            super().on_response_complete()
            # What is left of the body of a refused request is read and forgotten, for a while.
            is_whole = self.conn.their_state in (h11.IDLE, h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
            if self.cycle.response_complete:
                self._wait_for_head(None if is_whole else _LINGER_SECONDS)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._writing = self.loop.call_later(seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._writing is not None:
                self._writing.cancel()

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait_for_head(None)
            super().connection_lost(exc)  # which resumes writing

        def _wait_for_head(self, after: float | None) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
            self._waiting = None if after is None else self.loop.call_later(after, self.transport.abort)

    return Protocol


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
      host: name or address of the interface.
      port: its number; 0: any that is free.

    Raises:
      OSError: it cannot be had; names both.
    """
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise OSError(f"{host}: cannot be listened on ({error}): name another --host") from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{host}:{port}: cannot be listened on ({reason}): name another --port") from None
    found.setblocking(False)
    return found


def run(service: service_lib.Service, listener: socket.socket, on_start: Callable[[], None]) -> None:
    """Serve until a signal ends it.

    Args:
      service: that answers.
      listener: as `listen` gives it.
      on_start: is called when requests are accepted.
    """
    # Large pictures are refused by their header; Pillow would write a line about each.
    warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
    # So would this about each malformed form.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    Server(service, on_start).run([listener])
