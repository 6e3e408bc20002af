"""`yolact demo`: the main job, small and real, on a CPU."""

from __future__ import annotations

import argparse

from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run the main job on synthetic shapes, on a CPU, in minutes",
        description="Make a data set of shapes, convert it, train on it, measure COCO AP, draw predictions.",
    )
    options.add_output(parser, help_text="directory for everything it makes")
    options.add_count(parser, "--train", 2000, "training images")
    options.add_count(parser, "--val", 250, "held-out images")
    options.add_overrides(parser, "override the configuration")
    options.set_run(parser, run)
    parser.set_defaults(keeps_log=True)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from absl import logging

    from official_yolact.training import run_log

    with run_log.RunLog():  # before TensorFlow is imported, which has something to say
        from official_yolact import demo
        from official_yolact import registry_imports  # noqa: F401  for its effects

        logging.set_verbosity(logging.INFO)
        metrics = demo.run_demo(
            args.output,
            progress.say,
            num_train=args.train,
            num_val=args.val,
            overrides=tuple(args.overrides),
            force=args.force,
        )
    options.print_json(args, metrics)
    return 0
