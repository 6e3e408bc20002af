"""What the commands that read another format have in common."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import time
from collections.abc import Callable
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact.images import image_folders


def add_options(parser: argparse.ArgumentParser, classes: str) -> None:
    """Add the options of every such command.

    Args:
      parser: of the command.
      classes: what the class list is for, and what happens without it.
    """
    options.add_output(parser, "FILE.json", "COCO file to write")
    parser.add_argument(
        "--classes", metavar="FILE", help=f"names, text with one on each line or YAML: {classes}"
    )
    options.add_json(parser)
    parser.add_argument(
        "--yes", action="store_true", help="go on where most labels have no image, or most images no label"
    )


def run(
    args: argparse.Namespace,
    write_coco: Callable[..., Any],
    *sources: str,
    unit: str = "images",
    kept: str = "",
    **settings: Any,
) -> int:
    """Write the COCO file, say what is in it and what comes next.

    Args:
      args: of the command.
      write_coco: of a module of `data.formats`.
      *sources: its first arguments.
      unit: what is counted while it reads.
      kept: reason of images that are written without objects all the same.
      **settings: its own options.

    Returns:
      The exit code.
    """
    started = time.monotonic()
    summary = write_coco(
        *sources,
        args.output,
        classes_file=args.classes,
        allow_most=args.yes,
        force=args.force,
        progress=progress.Progress(unit),
        **settings,
    )
    progress.say(
        f"{summary.images} images, {summary.instances} instances of {summary.classes} classes in"
        f" {args.output} ({time.monotonic() - started:.1f} s)"
    )
    for reason, count in summary.skipped.items():
        what = "without objects" if reason == kept else "left out"
        progress.say(f"{what}: {count} {reason.replace('_', ' ')}")
    if unread := image_folders.describe_unread(summary.images_dir):
        progress.say(unread)
    paths = shlex.join([args.output, "--images", summary.images_dir])
    progress.say(f"next: yolact data convert {paths} --output DIR --split NAME")
    options.print_json(args, {"output": args.output, **dataclasses.asdict(summary)})
    return 0
