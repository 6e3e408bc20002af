"""`yolact reproduce`: the published AP of a model, measured again and set beside the published one."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli import detection_options
from official_yolact.cli import options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "reproduce",
        help="measure a published model on COCO val2017, beside its published AP",
        description=(
            "Download published weights and COCO val2017 (1 GB) if they are not there, measure box and mask"
            " AP in float32, with the original's integer boxes and without, and print them beside what was"
            " published, with time and machine."
        ),
    )
    parser.add_argument(
        "name", metavar="NAME", help="a whole model of `yolact weights list`: yolact/resnet50"
    )
    parser.add_argument(
        "--coco",
        metavar="DIR",
        help="folder with annotations and val2017, or to download them into (default: one in the cache)",
    )
    parser.add_argument("--base-url", metavar="URL", help="a mirror of images.cocodataset.org")
    detection_options.add_positive(parser, "--batch-size", 1, "images at once (default: 1)")
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.weights import model_names
    from official_yolact.weights import named_weights

    entry = named_weights.find(args.name)
    if entry.name not in model_names.MODELS:
        raise ValueError(
            f"{entry.name}: is a backbone, of which no AP on COCO was published: name one of"
            f" {', '.join(model_names.MODELS)}"
        )
    split = _find_images(args)
    directory = options.find_model(entry.name)
    from official_yolact.serving import reproduction

    done = reproduction.reproduce(
        entry,
        directory,
        split,
        batch_size=args.batch_size,
        progress=progress.Progress("images"),
        report=progress.report_comparisons(),
        say=progress.say,
    )
    print(reproduction.format_table(done))
    options.print_json(args, done.as_dict())
    return 0


def _find_images(args: argparse.Namespace) -> Any:
    """Find val2017 in the folder, or download it there."""
    from official_yolact.cli import progress
    from official_yolact.data.sets import coco2017
    from official_yolact.weights import cache

    folder = args.coco or cache.find_folder("coco2017")
    try:
        return coco2017.find(folder, ["val"])["val"]
    except FileNotFoundError:
        progress.say(f"{folder}: has no COCO val2017, which is downloaded there")
    return coco2017.fetch(
        folder,
        ["val"],
        base_url=args.base_url or coco2017.BASE_URL,
        with_records=False,
        make_progress=progress.Progress,
        note=progress.say,
    )["val"]
