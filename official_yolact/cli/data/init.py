"""`yolact data init`: a commented configuration for a data set."""

from __future__ import annotations

import argparse
import os
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact.files import outputs

_GPUS = "/proc/driver/nvidia/gpus"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "init",
        help="write a commented configuration for a data set",
        description="Write a YAML file for these annotations: classes, paths, steps, learning rate, input"
        " size, anchors and padding, each with its reason; and say what to run next.",
    )
    parser.add_argument(
        "--train", required=True, metavar="TRAIN.json", help="COCO instances file to train on"
    )
    parser.add_argument("--val", required=True, metavar="VAL.json", help="COCO instances file to validate on")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of the images")
    parser.add_argument("--val-images", metavar="DIR", help="folder of the validation images, if another")
    parser.add_argument("--output", required=True, metavar="FILE.yaml", help="file to write")
    parser.add_argument("--records", metavar="DIR", help="folder of the TFRecords (records, beside the file)")
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="what to build on (MobileNetV2 for fewer than 1,000 photos or without a GPU, else ResNet-50)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the photos (from their number)")
    parser.add_argument("--batch", type=int, metavar="B", help="batch of all devices (4, or 8 for each GPU)")
    parser.add_argument("--gpus", type=int, metavar="N", help="number of GPUs (those of this machine)")
    parser.add_argument(
        "--init-checkpoint", default="", metavar="DIR", help="weights to start from: a model or a backbone"
    )
    options.add_force(parser)
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Write a configuration."""
    from official_yolact.data.recipes import recipe as recipe_lib
    from official_yolact.data.recipes import recipe_text
    from official_yolact.environment import precision

    _check_paths(args)
    val_images = args.val_images or args.images
    train, val = notes.read(args.train, args.images), notes.read(args.val, val_images)
    gpus = _count_gpus() if args.gpus is None else args.gpus
    name, base = _find_experiment(args.experiment)
    recipe = recipe_lib.decide(
        train,
        val,
        records=args.records or os.path.join(os.path.dirname(args.output), "records"),
        train_images=args.images,
        val_images=val_images,
        experiment=name,
        base=base,
        epochs=args.epochs,
        batch=args.batch,
        gpus=gpus,
        bfloat16=gpus > 0 or bool(precision.find_bfloat16_instructions()),
        init_checkpoint=args.init_checkpoint,
    )
    sources = [("train", args.train, args.images), ("val", args.val, val_images)]
    commands = recipe_text.list_commands(recipe, args.output, sources)
    text = recipe_text.format_recipe(recipe, commands)
    outputs.write(args.output, text, inputs=_list_inputs(args), force=args.force)
    shared = {image.file_name for image in train.images} & {image.file_name for image in val.images}
    if shared and val_images == args.images:
        progress.say(
            f"{len(shared)} images are in both files, the first is {min(shared)}: AP will be too high"
        )
    progress.say(f"{args.output} is written. Next:")
    for command in commands:
        progress.say(f"  {command}")
    options.print_json(args, {"output": args.output, "commands": commands, "steps": recipe.steps})
    return 0


def _check_paths(args: argparse.Namespace) -> None:
    for folder in filter(None, (args.images, args.val_images)):
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"{folder}: no such image folder")
    if not args.output.endswith((".yaml", ".yml")):
        raise ValueError(f"output is {args.output!r}: give it the ending .yaml")
    outputs.check(args.output, inputs=_list_inputs(args), force=args.force)


def _list_inputs(args: argparse.Namespace) -> list[str | outputs.Folder | None]:
    folders = [outputs.Folder(path) for path in (args.images, args.val_images) if path]
    return [args.train, args.val, *folders]


def _find_experiment(name: str | None) -> tuple[str | None, Any]:
    """Resolve the name of an experiment and read its input size and anchors."""
    if name is None:
        return None, None
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.cli.data import stats
    from official_yolact.configs import names

    return names.resolve_name(name), stats.read_anchors(name)


def _count_gpus() -> int:
    return len(os.listdir(_GPUS)) if os.path.isdir(_GPUS) else 0
