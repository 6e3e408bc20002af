"""`yolact data labelstudio`: an export of Label Studio to a COCO instances file."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli.data import reading


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "labelstudio",
        help="an export of Label Studio to COCO JSON",
        description="Write the COCO instances file of an export of Label Studio as JSON or JSON-MIN:"
        " polygons, brush masks, rectangles and ellipses.",
    )
    parser.add_argument("source", metavar="FILE.json", help="export as JSON or JSON-MIN")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--annotator",
        metavar="WHO",
        help="number or e-mail address of the person whose annotations are used alone (of each image the"
        " ground truth, or the annotation that was changed last)",
    )
    parser.add_argument(
        "--predictions", action="store_true", help="use predictions for images that nobody has annotated"
    )
    reading.add_options(parser, "in this order; every label must be there (the labels found, sorted)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Turn an export of Label Studio into a COCO instances file."""
    from official_yolact.data.formats import labelstudio

    return reading.run(
        args,
        labelstudio.write_coco,
        args.source,
        args.images,
        annotator=args.annotator,
        use_predictions=args.predictions,
    )
