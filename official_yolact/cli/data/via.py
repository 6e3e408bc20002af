"""`yolact data via`: a project or export of the VGG Image Annotator to a COCO instances file."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli.data import reading


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "via",
        help="annotations of the VGG Image Annotator (VIA) to COCO JSON",
        description="Write the COCO instances file of a VIA project, or of its export as JSON or CSV.",
    )
    parser.add_argument("source", metavar="FILE", help="project or export, .json or .csv")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--class-key", metavar="KEY", help="attribute of the regions that holds the class (the only one)"
    )
    parser.add_argument("--name", metavar="NAME", help="class of every region, in place of an attribute")
    reading.add_options(parser, "in this order; every class must be there (the classes found, sorted)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Turn a VIA file into a COCO instances file."""
    from official_yolact.data.formats import via

    return reading.run(
        args,
        via.write_coco,
        args.source,
        args.images,
        kept="image_without_regions",
        class_key=args.class_key,
        class_name=args.name,
    )
