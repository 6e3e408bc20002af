"""`yolact data merge`: several COCO instances files into one."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "merge",
        help="join data sets, such as the parts of an export, into one file",
        description="Write one COCO instances file of several: new ids, classes by their names, file names"
        " below one folder. No photo is copied.",
    )
    parser.add_argument("annotations", nargs="+", metavar="ANNOTATIONS.json", help="COCO instances files")
    options.add_output(parser, "ALL.json", "file to write")
    parser.add_argument(
        "--images",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of the images: once for each file, in order, or once for all (each file's own folder)",
    )
    parser.add_argument(
        "--alike",
        choices=("refuse", "join", "keep"),
        default="refuse",
        help="class names that differ in case, spaces or Unicode form only (%(default)s)",
    )
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Join data sets."""
    from official_yolact.coco import annotations as coco_annotations
    from official_yolact.coco import inspection
    from official_yolact.data import leaks
    from official_yolact.data import merge

    summary = merge.merge_coco(args.annotations, args.output, args.images, alike=args.alike, force=args.force)
    for source in summary.sources:
        progress.say(f"{source.path}: {source.images} images, {source.annotations} annotations")
        if source is not summary.sources[0] and source.new_classes:
            progress.say(f"  classes that only it and later files have: {', '.join(source.new_classes)}")
        if source.same_names:
            progress.say(f"  categories of one name that became one class: {', '.join(source.same_names)}")
        if source.missing:
            progress.say(f"  {source.missing} photos are not in their folder")
    if summary.joined:
        progress.say(
            f"{summary.joined} images are of a photo of an earlier one: their objects went to that one"
        )
    if summary.orphans:
        progress.say(f"left out: {summary.orphans} annotations of images that are not listed")
    if summary.nulled:
        progress.say(f"{summary.nulled} numbers that are NaN or infinite are written as null")
    progress.say(
        f"{args.output}: {summary.images} images, {summary.annotations} annotations of"
        f" {summary.classes} classes"
    )
    merged, unusual = inspection.inspect(coco_annotations.read(args.output), inspection.FILE_WRITTEN)
    notes.say(args.output, unusual, summary.images_dir)
    names = [image.file_name for image in merged.images]
    first = summary.sources[0].images
    leak = leaks.find(names[:first], names[first:])
    group = f" {leak.option()}" if leak is not None else ""
    command = ["yolact", "data", "split", args.output, "--images", summary.images_dir, "--output", "parts"]
    progress.say(f"next: {shlex.join(command)}{group}")
    options.print_json(args, {"output": args.output, **dataclasses.asdict(summary)})
    return 0
