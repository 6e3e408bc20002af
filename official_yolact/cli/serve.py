"""`yolact serve`: models as an HTTP server, with a page."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from official_yolact.cli import detection_options
from official_yolact.cli import options

_GPU = "/dev/nvidiactl"
_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="serve models over HTTP, with a page to try them",
        description=(
            "Serve models over HTTP: POST /v1/predict takes a photo, /v2 is the open inference protocol of"
            " KServe and Triton, /metrics is for Prometheus, and / is a page. Ends at SIGTERM or Ctrl-C after"
            " it has answered what it accepted; at SIGHUP it loads the models again. Each request is a line"
            " of JSON on standard output. Needs pip install 'official-yolact[serve]'."
        ),
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="folder or file of an export, model directory, or a name of `yolact weights list`;"
        " NAME=MODEL names it in addresses",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8500, help="0: any that is free (default: %(default)s)")
    detection_options.add_positive(
        parser, "--workers", 1, "threads that compute, each with a runtime of its own (default: %(default)s)"
    )
    detection_options.add_positive(
        parser,
        "--queue",
        32,
        "requests that wait, at most; more are told to come again (default: %(default)s)",
    )
    detection_options.add_positive(
        parser, "--max-bytes", 20_000_000, "bytes of a request, at most (default: %(default)s)"
    )
    detection_options.add_positive(
        parser, "--max-pixels", 50_000_000, "pixels of a request, at most (default: %(default)s)"
    )
    detection_options.add_positive(
        parser,
        "--batch-size",
        1,
        "requests that pass the network at once, at most; of use on a GPU alone (default: %(default)s)",
    )
    detection_options.add_runtime(parser)
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="requests must carry the token in this file (default: that in YOLACT_SERVE_TOKEN, if it is set)",
    )
    parser.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="pages of this site may send requests, as in https://example.org; may be given several times",
    )
    parser.add_argument(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write a line for each request",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"yolact serve needs {', '.join(missing)}, which are not installed:"
            " pip install 'official-yolact[serve]'"
        )
    from official_yolact.serve import models
    from official_yolact.serve import server
    from official_yolact.serve import service
    from official_yolact.serve import settings as settings_lib

    settings = settings_lib.Settings(
        workers=args.workers,
        queue=args.queue,
        batch_size=args.batch_size,
        max_bytes=args.max_bytes,
        max_pixels=args.max_pixels,
        token=settings_lib.read_token(args.token_file, os.environ),
        origins=settings_lib.check_origins(args.cors),
        access_log=args.access_log,
    )
    if args.batch_size > 1 and not os.path.exists(_GPU):
        raise ValueError(
            f"--batch-size is {args.batch_size}, but this machine has no GPU, and on a processor pictures are"
            " no faster together than one after another: leave it out"
        )
    named = settings_lib.read_models(args.models)
    paths = {name: options.find_model(model) for name, model in named.items()}
    listener = server.listen(args.host, args.port)
    store = models.Store(paths, args.workers, models.make_loader(args.runtime, args.batch_size))
    for model in store:
        if args.batch_size > 1 and model.predictor.runtime.batch_size == 1:
            raise ValueError(
                f"{model.path}: --batch-size has no effect on it, which takes one photo at a time"
            )
        print(
            f"yolact: {model.name}: {model.path}, computed by {model.describe()['runtime']}", file=sys.stderr
        )
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    server.run(
        service.Service(settings, store),
        listener,
        lambda: print(f"yolact: http://{shown}:{port}/", file=sys.stderr, flush=True),
    )
    return 0


def _port(text: str) -> int:
    """Read a number of a port."""
    number = int(text) if text.isdecimal() and len(text) < 6 else -1
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port: expected a number from 0 to 65535")
    return number
