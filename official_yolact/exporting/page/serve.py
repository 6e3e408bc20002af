"""Serve this folder on this machine: `python serve.py [PORT]`, then open the address that it prints.

Any server of static files does. This one sends two headers more, with which browsers let the page use all
cores: without them it computes on one.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import os

_HEADERS = {
    # Both together isolate the page from others, the condition for threads in WebAssembly.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the folder of this file."""

    # Whatever the machine's own table says: browsers refuse scripts and WebAssembly of another type.
    extensions_map = {  # noqa: RUF012  as in the standard library
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".json": "application/json",
        ".wasm": "application/wasm",
    }

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Serve one connection."""
        folder = os.path.dirname(os.path.abspath(__file__))
        super().__init__(*args, directory=folder, **kwargs)  # type: ignore[arg-type]

    def end_headers(self) -> None:
        """Add the headers to each answer."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()


def main() -> None:
    """Serve until interrupted; port 0 is any that is free."""
    parser = argparse.ArgumentParser(description="Serve this folder on this machine.")
    parser.add_argument("port", metavar="PORT", type=int, nargs="?", default=8000, help="default: 8000")
    port = parser.parse_args().port
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except (OSError, OverflowError) as error:
        parser.error(f"port {port} cannot be used ({error}): name another")
    with server, contextlib.suppress(KeyboardInterrupt):
        print(f"http://localhost:{server.server_address[1]}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
