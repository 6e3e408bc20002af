"""`yolact data labelme`: labelme's files to a COCO instances file."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli.data import reading


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "labelme",
        help="labelme's files to COCO JSON",
        description="Write the COCO instances file of a folder of labelme JSON files, for `yolact data"
        " convert` with --images FOLDER.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="holds the JSON files, also in folders")
    parser.add_argument("--images", metavar="DIR", help="folder of the images, where it is not FOLDER")
    reading.add_options(parser, "in this order; every label must be there (the labels found, sorted)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Turn labelme's files into a COCO instances file."""
    from official_yolact.data.formats import labelme

    return reading.run(args, labelme.write_coco, args.folder, unit="files", images_dir=args.images)
