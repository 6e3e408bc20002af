"""Options of `yolact predict` that say what is read and what is written."""

from __future__ import annotations

import argparse
from fractions import Fraction

from official_yolact.cli import detection_options

KINDS = {
    "pictures": "NAME.jpg of each photo, drawn",
    "video": "NAME.mp4 of each video, drawn, without its sound",
    "frames": "frames/NAME/000012.jpg of each frame, drawn",
    "predictions": "predictions.json, COCO results",
    "lines": "predictions.jsonl, a line of JSON for each picture",
    "table": "counts.csv, number and area of each class in each picture",
    "labels": "labels/classes/NAME.png and labels/instances/NAME.png",
    "cutouts": "cutouts/NAME/1.png, each instance on a transparent ground",
    "labelme": "labelme/NAME.json, to correct by hand",
    "coco": "annotations.json, a COCO file to correct by hand",
}
"""What `--save` may list."""

USUAL = "pictures,video,predictions"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    read = parser.add_argument_group("reading")
    read.add_argument(
        "--images",
        metavar="DIR",
        help="folder that the names in JSON lists are relative to (that of the list)",
    )
    detection_options.add_positive(read, "--every", 1, "look at every Nth frame of a video (%(default)s)")
    read.add_argument(
        "--start", type=_time, default=Fraction(0), metavar="TIME", help="begin there: seconds or mm:ss"
    )
    read.add_argument("--end", type=_time, metavar="TIME", help="end before that time: seconds or mm:ss")
    written = parser.add_argument_group("writing")
    listed = "; ".join(f"{name}: {text}" for name, text in KINDS.items())
    written.add_argument(
        "--save",
        type=_kinds,
        default=_kinds(USUAL),
        metavar="LIST",
        help=f"what is written, separated by commas ({USUAL}): {listed}",
    )
    written.add_argument(
        "--mask-format",
        choices=("run-lengths", "polygons", "none"),
        default="run-lengths",
        help="of masks in predictions.json and predictions.jsonl (%(default)s, which are exact)",
    )
    written.add_argument("--show", action="store_true", help="show each picture in a window")


def _kinds(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            raise argparse.ArgumentTypeError(f"unknown {name!r}; known are {', '.join(KINDS)}")
    return names


def _time(text: str) -> Fraction:
    from official_yolact.video import spans

    try:
        return spans.parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
