"""`yolact data masks`: a folder of mask PNGs to a COCO instances file."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli.data import reading


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "masks",
        help="mask PNGs to COCO JSON",
        description="Write the COCO instances file of images and mask PNGs. The masks of a.jpg are a.png, a"
        " label map where 0 is the background and each other value an object, or a binary mask for each"
        " object, a_*.png or a/*.png.",
    )
    parser.add_argument("images", metavar="IMAGES_DIR", help="images, also in folders")
    parser.add_argument("masks", metavar="MASKS_DIR", help="masks, in the same folders")
    parser.add_argument(
        "--name", default="object", metavar="NAME", help="of the one class, without --classes (%(default)s)"
    )
    parser.add_argument(
        "--image-suffix", default="", metavar="END", help="end of image names alone: _leftImg8bit"
    )
    parser.add_argument(
        "--mask-suffix", default="", metavar="END", help="end of label maps' names alone: _gtFine_instanceIds"
    )
    reading.add_options(
        parser, "numbered from 1; values are then class x 1000 + object (one class for all objects)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Turn masks into a COCO instances file."""
    from official_yolact.data.formats import mask_folder

    return reading.run(
        args,
        mask_folder.write_coco,
        args.images,
        args.masks,
        class_name=args.name,
        image_suffix=args.image_suffix,
        mask_suffix=args.mask_suffix,
    )
