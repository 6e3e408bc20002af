"""`yolact data sbd`: Pascal SBD to a COCO instances file."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sbd",
        help="Pascal SBD to COCO JSON",
        description="Write the COCO instances file of a list of Pascal SBD images, for `yolact data convert`"
        " with --images FOLDER/img.",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="benchmark_RELEASE/dataset of the unpacked archive, with inst and img",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--split", metavar="NAME", help="the list FOLDER/NAME.txt: train or val")
    which.add_argument("--list", metavar="FILE", help="another list: an id such as 2008_000002 on each line")
    options.add_output(parser, "FILE.json", "file to write")
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Turn Pascal SBD into a COCO instances file."""
    from official_yolact.data.sets import sbd

    started = time.monotonic()
    list_file = args.list or os.path.join(args.folder, f"{args.split}.txt")
    summary = sbd.write_coco(
        args.folder, list_file, args.output, progress.Progress("images"), force=args.force
    )
    seconds = time.monotonic() - started
    progress.say(f"{summary.images} images, {summary.instances} instances in {args.output} ({seconds:.1f} s)")
    for reason, count in summary.skipped.items():
        progress.say(f"left out: {count} {reason.replace('_', ' ')}")
    counts = {"images": summary.images, "instances": summary.instances, "skipped": summary.skipped}
    options.print_json(args, {"output": args.output, **counts})
    return 0
