"""`yolact data convert`: COCO JSON and images to TFRecords."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "convert",
        help="COCO JSON and images to TFRecords",
        description="Write DIR/SPLIT-00000-of-000NN.tfrecord, DIR/instances-SPLIT.json and, last,"
        " DIR/manifest-SPLIT.json.",
    )
    parser.add_argument("annotations", metavar="ANNOTATIONS.json", help="COCO instances file")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--split", required=True, metavar="NAME", help="name of the shards: train, val, ...")
    parser.add_argument("--shards", type=int, metavar="N", help="number of files (one for each 500 images)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="threads (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the manifest as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert a COCO data set."""
    from official_yolact.data import convert

    started = time.monotonic()
    manifest = convert.convert_coco(
        args.annotations,
        args.images,
        args.output,
        args.split,
        num_shards=args.shards,
        workers=args.workers,
        progress=progress.Progress("images"),
    )
    seconds = time.monotonic() - started
    progress.say(
        f"{manifest.num_records} images, {manifest.num_instances} instances of"
        f" {len(manifest.categories)} classes in {len(manifest.shards)} shards in {args.output}"
        f" ({seconds:.1f} s)"
    )
    for title, counts in (("left out", manifest.skipped), ("changed", manifest.changed)):
        for reason, count in counts.items():
            progress.say(f"{title}: {count} {reason.replace('_', ' ')}")
    if args.json:
        print(json.dumps(manifest.to_dict()))
    return 0
