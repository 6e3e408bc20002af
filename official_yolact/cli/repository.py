"""`yolact repository`: an export in the folder of TensorFlow Serving or Triton."""

from __future__ import annotations

import argparse

from official_yolact.cli import detection_options
from official_yolact.cli import options

_SERVERS = ("tf-serving", "triton")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "repository",
        help="put an export into the folder of TensorFlow Serving or Triton",
        description=(
            "Write an export as a version of a model into the folder from which TensorFlow Serving (its"
            " SavedModel, with requests that warm it up) or Triton (its ONNX file, with config.pbtxt) serves."
            " The version appears whole or not at all, so that a running server may watch the folder."
        ),
    )
    parser.add_argument("export", metavar="EXPORT", help="folder that `yolact export` wrote")
    parser.add_argument("--server", required=True, choices=_SERVERS, help="who serves it")
    options.add_output(parser, help_text="folder of all models of the server")
    parser.add_argument("--name", default="yolact", help="of the model (default: %(default)s)")
    detection_options.add_positive(parser, "--version", 1, "number of the version (default: %(default)s)")
    options.set_run(parser, run, "what was written")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.exporting import model_repository

    written = model_repository.write(
        args.export, args.server, args.output, args.name, args.version, force=args.force
    )
    for path in written:
        progress.say(f"wrote {path}")
    options.print_json(args, {"server": args.server, "name": args.name, "written": written})
    return 0
