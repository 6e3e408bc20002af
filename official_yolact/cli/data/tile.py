"""`yolact data tile`: large photos and their annotations into tiles."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tile",
        help="cut large photos into tiles, to train on",
        description="Write DIR/images/PHOTO_tile_TOP_LEFT.jpg (or .png), tiles of each photo that overlap,"
        " and DIR/instances.json with what they show of the objects. `yolact predict --tile` searches photos"
        " in such tiles.",
    )
    options.add_annotations(parser)
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the photos")
    options.add_output(parser)
    parser.add_argument(
        "--tile",
        required=True,
        nargs="+",
        metavar=("H", "W"),
        help="height and width of a tile in pixels, also as HxW; one number: of a square",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="PART",
        help="part of its height and width that a tile shares with the next, 0.1 to 0.8 (0.3)",
    )
    parser.add_argument(
        "--least-visible",
        type=float,
        metavar="PART",
        help="an object of which a tile shows less is a crowd region there, neither demanded nor punished"
        " (0.3)",
    )
    parser.add_argument("--drop-empty", action="store_true", help="leave out tiles that show no object")
    parser.add_argument(
        "--bad-images",
        choices=("error", "skip"),
        default="error",
        help="skip: leave out images that are missing or cannot be read (%(default)s)",
    )
    options.add_bit_depth(parser)
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Cut photos into tiles."""
    from official_yolact.data import tiles
    from official_yolact_runtime import tiling

    least_visible = tiles.LEAST_VISIBLE if args.least_visible is None else args.least_visible
    sides = options.parse_size("tile", args.tile if len(args.tile) > 1 else _double(args.tile[0]))
    summary = tiles.tile_coco(
        args.annotations,
        args.output,
        args.images,
        sides,
        tiling.OVERLAP if args.overlap is None else args.overlap,
        least_visible=least_visible,
        drop_empty=args.drop_empty,
        bad_images=args.bad_images,
        bit_depth=args.bit_depth,
        force=args.force,
        progress=progress.Progress("photos"),
    )
    progress.say(
        f"{summary.path}: {summary.tiles} tiles of {summary.photos} photos in {summary.images_dir},"
        f" {summary.annotations} annotations"
    )
    if summary.cut or summary.regions:
        progress.say(
            f"  {summary.cut} objects that an edge cuts, and {summary.regions} crowd regions where a"
            f" tile shows less than {least_visible:g} of an object"
        )
    if summary.empty:
        progress.say(f"  left out: {summary.empty} tiles without an object")
    if summary.left_out:
        progress.say(
            f"  left out: {len(summary.left_out)} images that cannot be read, the first {summary.left_out[0]}"
        )
    if summary.orphans:
        progress.say(f"  left out: {summary.orphans} annotations of images that are not listed")
    for reason, count in summary.changed.items():
        progress.say(f"  changed: {count} {reason.replace('_', ' ')}")
    for note in summary.notes:
        progress.say(f"  {note}")
    options.print_json(args, dataclasses.asdict(summary))
    return 0


def _double(word: str) -> list[str]:
    """Write the side of a square as two; `HxW` stays."""
    return [word] if "x" in word.lower() else [word, word]
