"""`yolact data convert`: COCO JSON and images to TFRecords."""

from __future__ import annotations

import argparse
import time
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact.data.conversion import convert_options
from official_yolact_runtime.images import formats


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "convert",
        help="COCO JSON and images to TFRecords",
        description="Write DIR/SPLIT-00000-of-000NN.tfrecord, DIR/instances-SPLIT.json and, last,"
        " DIR/manifest-SPLIT.json. After an interruption of any kind the same command continues.",
    )
    options.add_annotations(parser)
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    options.add_output(parser)
    parser.add_argument("--split", required=True, metavar="NAME", help="name of the shards: train, val, ...")
    parser.add_argument(
        "--shards", type=int, metavar="N", help="number of files (one for each 500 images, up to 4 for fewer)"
    )
    options.add_count(parser, "--workers", 1, "processes")
    _add_policies(parser)
    options.set_run(parser, run, "the manifest")


def _add_policies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--crowd",
        type=lambda value: value.replace("_", "-"),
        choices=convert_options.CROWD,
        default="keep",
        help="annotations with iscrowd 1 (%(default)s)",
    )
    parser.add_argument(
        "--missing-masks",
        choices=convert_options.MISSING_MASKS,
        default="error",
        help="annotations without segmentation; box takes the box as the mask (%(default)s)",
    )
    parser.add_argument(
        "--boxes",
        choices=convert_options.BOXES,
        default="mask",
        help="for a box that disagrees with its mask: that of the mask, or the one of the file (%(default)s)",
    )
    parser.add_argument(
        "--bad-images",
        choices=convert_options.BAD,
        default="error",
        help="images that are missing, unreadable, damaged, too large or of another size (%(default)s)",
    )
    parser.add_argument(
        "--bad-annotations",
        choices=convert_options.BAD,
        default="error",
        help="annotations that contradict themselves or cannot be drawn (%(default)s)",
    )
    parser.add_argument(
        "--classes",
        action="append",
        default=[],
        metavar="A,B,C",
        help=r"classes to keep, by names after --rename (all); \, is a comma in a name; can be repeated",
    )
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help=r"another name for a class; classes given one name become one; \= is an equals sign in a name;"
        " can be repeated",
    )
    parser.add_argument("--recompute-area", action="store_true", help="take every area from the mask")
    options.add_count(parser, "--max-pixels", formats.MAX_PIXELS, "of an image")
    options.add_bit_depth(parser)


def run(args: argparse.Namespace) -> int:
    """Convert a COCO data set."""
    from official_yolact.data.conversion import convert

    started = time.monotonic()
    try:
        manifest = convert.convert_coco(
            args.annotations,
            args.images,
            args.output,
            args.split,
            num_shards=args.shards,
            workers=args.workers,
            progress=progress.Progress("images"),
            options=_read_policies(args),
            force=args.force,
        )
    except KeyboardInterrupt:
        progress.say("yolact: interrupted; the same command continues where this one stopped")
        return 130
    seconds = time.monotonic() - started
    progress.say(
        f"{manifest.num_records} images, {manifest.num_instances} instances of"
        f" {len(manifest.categories)} classes in {len(manifest.shards)} shards in {args.output}"
        f" ({seconds:.1f} s)"
    )
    for title, counts in (
        ("images left out", manifest.skipped_images),
        ("annotations left out", manifest.skipped),
        ("changed", manifest.changed),
    ):
        for reason, count in counts.items():
            progress.say(f"{title}: {count} {reason.replace('_', ' ')}")
    notes.say(args.annotations, manifest.notes, args.images)
    options.print_json(args, manifest.to_dict())
    return 0


def _read_policies(args: argparse.Namespace) -> convert_options.ConvertOptions:
    return convert_options.ConvertOptions(
        crowd=args.crowd,
        missing_masks=args.missing_masks,
        bit_depth=args.bit_depth,
        boxes=args.boxes,
        bad_images=args.bad_images,
        bad_annotations=args.bad_annotations,
        typed_classes=tuple(args.classes),
        typed_renames=tuple(args.rename),
        recompute_area=args.recompute_area,
        max_pixels=args.max_pixels,
    )
