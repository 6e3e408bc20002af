"""`yolact demo`: the main job, small and real, on a CPU."""

from __future__ import annotations

import argparse
import contextlib
import sys

from official_yolact.cli import output_options
from official_yolact.files import json_text


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the main job on synthetic shapes, on a CPU, in minutes",
        description="Make a data set of shapes, convert it, train on it, measure COCO AP, draw predictions.",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="directory for everything it makes")
    output_options.add_force(parser)
    parser.add_argument("--train", type=int, default=2000, metavar="N", help="training images (%(default)s)")
    parser.add_argument("--val", type=int, default=250, metavar="N", help="held-out images (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the numbers as one line of JSON")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="override the configuration")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from absl import logging

    from official_yolact import demo
    from official_yolact import registry_imports  # noqa: F401  for its effects

    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    # Orbit prints its progress to standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        metrics = demo.run_demo(
            args.output,
            _say,
            num_train=args.train,
            num_val=args.val,
            overrides=tuple(args.overrides),
            force=args.force,
        )
    if args.json:
        print(json_text.dump(metrics))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
