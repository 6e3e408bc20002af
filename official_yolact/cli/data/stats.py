"""`yolact data stats`: what a data set holds."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli.data import base_models
from official_yolact_runtime.files import json_text


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "stats",
        help="count and measure a data set, and how anchors cover it",
        description="Counts, sizes, shapes, a proposed padding, and the share of objects that anchors cover,"
        " with scales and ratios that cover more.",
    )
    options.add_annotations(parser)
    judge = parser.add_mutually_exclusive_group()
    judge.add_argument("--config", metavar="CONFIG", help="judge by its input size and anchors")
    judge.add_argument(
        "--input-size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="judge by the paper's anchors, scaled to this input (550 550)",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="folder of the images, where the file states no sizes"
    )
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Count and measure a data set."""
    from official_yolact.data import statistics
    from official_yolact.data import statistics_table

    grid = _choose_anchors(args)
    source, unusual = notes.read(args.annotations, args.images)
    found = statistics.describe(source, grid, args.images)
    shown = _measure_augmentation(args, source) if args.config else None
    if args.json:
        augmented = {"augmented": shown and dataclasses.asdict(shown)} if args.config else {}
        print(json_text.dump({**dataclasses.asdict(found), **augmented, "notes": unusual}))
        return 0
    print(statistics_table.format_statistics(found))
    if shown:
        print(f"\n{shown}")
    return 0


def _measure_augmentation(args: argparse.Namespace, source: Any) -> Any:
    """Measure what the augmentation of a configuration does to the sizes of the objects."""
    from official_yolact.data import statistics
    from official_yolact.dataloaders import shown_sizes

    task = base_models.load(args.config).task
    photos = statistics.list_boxes(source, statistics.read_image_sizes(source, args.images))
    augment = task.train_data.parser.augment
    return shown_sizes.measure(photos, augment, task.model.input_size, task.seed, task.model.keep_aspect)


def _choose_anchors(args: argparse.Namespace) -> Any:
    from official_yolact.data.recipes import anchor_grid

    if args.config:
        return base_models.read_anchors(args.config)
    height, width = args.input_size or (anchor_grid.PAPER_SIDE, anchor_grid.PAPER_SIDE)
    if min(height, width) < 1:
        raise ValueError(f"input-size is {height} {width}: give the height and width in pixels")
    return anchor_grid.AnchorGrid.of_size(height, width)
