"""`yolact data coco2017`: download COCO 2017 and convert it."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact.data import worker_count

BASE_URL = "http://images.cocodataset.org"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "coco2017",
        help="download COCO 2017 and convert it",
        description="Download COCO 2017 into DIR (20 GB; the same command goes on after an interruption),"
        " unpack it and write the records that the COCO recipes expect in data/coco.",
    )
    options.add_output(parser, help_text="folder to write into: data/coco")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="take this folder with annotations, train2017 and val2017; download nothing",
    )
    parser.add_argument("--splits", default="train,val", metavar="NAMES", help="(%(default)s)")
    parser.add_argument("--no-convert", action="store_true", help="write no records")
    options.add_count(parser, "--workers", 1, "of the conversion")
    parser.add_argument("--base-url", default=BASE_URL, metavar="URL", help="a mirror (%(default)s)")
    parser.add_argument(
        "--sha256",
        action="append",
        default=[],
        metavar="NAME=SUM",
        help="sum that an archive must have (the published one, save from a mirror); may be repeated",
    )
    parser.add_argument("--keep-archives", action="store_true", help="keep the zip files")
    options.set_run(parser, run, "what there is")


def run(args: argparse.Namespace) -> int:
    """Download COCO 2017, or find it in a folder, and convert it."""
    from official_yolact.data.sets import coco2017

    names = [name.strip() for name in args.splits.split(",") if name.strip()]
    if not names:
        raise ValueError(f"splits is {args.splits!r}: known are {', '.join(coco2017.SPLITS)}")
    worker_count.check(args.workers)
    if args.source:
        splits = coco2017.find(args.source, names)
    else:
        splits = coco2017.fetch(
            args.output,
            names,
            base_url=args.base_url,
            sums=dict(_parse_sum(text) for text in args.sha256),
            keep_archives=args.keep_archives,
            with_records=not args.no_convert,
            make_progress=progress.Progress,
            note=progress.say,
        )
    result: dict[str, Any] = {}
    for name, split in splits.items():
        result[name] = dataclasses.asdict(split)
        if not args.no_convert:
            result[name] |= _convert(args, name, split)
    options.print_json(args, {"output": args.output, "splits": result})
    return 0


def _parse_sum(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--sha256 is {text!r}: give NAME=SUM, as in train2017.zip=69a8...")
    return name, value


def _convert(args: argparse.Namespace, name: str, split: Any) -> dict[str, Any]:
    from official_yolact.data.conversion import convert
    from official_yolact.data.conversion import convert_options
    from official_yolact.data.sets import coco2017

    if coco2017.is_converted(args.output, name, split.annotations):
        progress.say(f"{name}: the records are there")
        return {}
    manifest = convert.convert_coco(
        split.annotations,
        split.images,
        args.output,
        name,
        workers=args.workers,
        progress=progress.Progress("images"),
        # Published numbers were measured with the boxes that are published.
        options=convert_options.ConvertOptions(boxes="file"),
        force=args.force,
    )
    notes.say(split.annotations, manifest.notes, split.images)
    counts = {"records": manifest.num_records, "instances": manifest.num_instances}
    progress.say(f"{name}: {counts['records']} images, {counts['instances']} instances in {args.output}")
    return counts
