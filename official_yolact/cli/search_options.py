"""Options that say how pictures are searched: whole or in tiles, each alone or as the frames of a video."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from official_yolact.cli import detection_options

if TYPE_CHECKING:
    from official_yolact.serving import searching


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that shows what it finds."""
    group = add_tiles(parser)
    group.add_argument(
        "--track",
        action="store_true",
        help="number the objects of each video, or of the pictures of a folder in the order of their names",
    )


def add_tiles(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options of tiles, and give their group."""
    group = parser.add_argument_group("searching")
    detection_options.add_positive(
        group,
        "--tile",
        None,
        "search each picture in tiles whose longer side has N pixels, for small objects of a large picture; "
        "all detections of a picture count unless --max-detections is given",
    )
    group.add_argument(
        "--overlap",
        type=float,
        metavar="PART",
        help="part of a tile's height and width that the next shares, 0.1 to 0.8 (default: 0.3)",
    )
    group.add_argument(
        "--whole-photo",
        action="store_true",
        help="with --tile: search each picture as a whole as well, for objects larger than the overlap",
    )
    return group


def read_options(args: argparse.Namespace, score_threshold: float) -> searching.Search:
    """Make the search that the options ask for.

    Args:
      args: of the command.
      score_threshold: detections below it are left out.

    Raises:
      ValueError: an option has no effect without another, or a number is out of its range.
    """
    from official_yolact.serving import searching
    from official_yolact_runtime import tiling

    for name in ("overlap", "whole_photo"):
        if getattr(args, name) not in (None, False) and args.tile is None:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{option} has no effect without --tile: give the side of a tile in pixels, too")
    return searching.Search(
        score_threshold=score_threshold,
        max_detections=args.max_detections,
        tile=None if args.tile is None else tiling.check_tile(args.tile),
        overlap=tiling.OVERLAP if args.overlap is None else tiling.check_overlap(args.overlap),
        whole_photo=args.whole_photo,
        track=getattr(args, "track", False),
    )
