"""`yolact data init`: a commented configuration for a data set."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Sequence
from typing import Any

from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact.cli.data import base_models
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs

_NARROW = "imagenet/mobilenetv2-0.5"
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
        help="what to build on (that of the model that is gone on from; else MobileNetV2 for fewer than 1,000"
        " photos or without a GPU, else ResNet-50)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the photos (from their number)")
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="time that a training on this machine's CPU may take, evaluations included (30); with"
        " --epochs it does not count",
    )
    parser.add_argument(
        "--input-size",
        nargs="+",
        metavar=("H", "W"),
        help="height and width of the network input, also as HxW; anchors are fitted at it (from the photos,"
        " the objects and the time)",
    )
    parser.add_argument("--batch", type=int, metavar="B", help="batch of all devices (4, or 8 for each GPU)")
    parser.add_argument("--gpus", type=int, metavar="N", help="number of GPUs (those of this machine)")
    parser.add_argument(
        "--init-checkpoint",
        metavar="WEIGHTS",
        help="weights to start from: a name of `yolact weights list`, a backbone, or a model, whose network,"
        " input size and anchors are kept; none: random weights (ImageNet's of the network)",
    )
    parser.add_argument(
        "--from-above",
        action="store_true",
        help="the photos have no upright (drones, microscopes, a table from above): learn from each in all"
        " eight orientations",
    )
    options.add_force(parser)
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Write a configuration."""
    from official_yolact.data.recipes import recipe as recipe_lib
    from official_yolact.data.recipes import recipe_text

    _check_paths(args)
    input_size = None if args.input_size is None else options.parse_size("input-size", args.input_size)
    val_images = args.val_images or args.images
    (train, train_notes), (val, val_notes) = (
        notes.read(path, images) for path, images in ((args.train, args.images), (args.val, val_images))
    )
    recipe = _decide(args, train, val, input_size)
    sources = [("train", args.train, args.images), ("val", args.val, val_images)]
    commands = recipe_text.list_commands(recipe, args.output, sources)
    text = recipe_text.format_recipe(recipe, commands)
    outputs.write(args.output, text, inputs=_list_inputs(args), force=args.force)
    _say_shared(args, train.images, val.images)
    for line in recipe_text.describe_choices(recipe, args.minutes or recipe_lib.DEFAULT_MINUTES):
        progress.say(line)
    progress.say(f"{args.output} is written. Next:")
    for command in commands:
        progress.say(f"  {command}")
    unusual = {"notes": {"train": train_notes, "val": val_notes}}
    options.print_json(args, {**_summarise(args.output, commands, recipe), **unusual})
    return 0


def _decide(args: argparse.Namespace, train: Any, val: Any, input_size: tuple[int, int] | None) -> Any:
    """Decide the recipe; where the time is short even for the smallest input, with a narrower network."""
    from official_yolact.data.recipes import recipe as recipe_lib
    from official_yolact.environment import speed

    gpus = _count_gpus() if args.gpus is None else args.gpus
    measured = speed.measure()
    decide = functools.partial(
        recipe_lib.decide,
        train,
        val,
        records=args.records or os.path.join(os.path.dirname(args.output), "records"),
        train_images=args.images,
        val_images=args.val_images or args.images,
        input_size=input_size,
        epochs=args.epochs,
        minutes=args.minutes,
        batch=args.batch,
        gpus=gpus,
        bfloat16=gpus > 0 or measured.bfloat16,
        speed=measured,
        from_above=args.from_above,
    )
    recipe = decide(**_find_start(args, len(train.images), gpus))
    if recipe.is_short and args.init_checkpoint is None and args.experiment is None:
        return decide(**_follow_weights(_NARROW, recipe.experiment), init_checkpoint=_NARROW)
    return recipe


def _say_shared(args: argparse.Namespace, train: Sequence[Any], val: Sequence[Any]) -> None:
    """Say which images are in both files, and which come from one photo or video."""
    from official_yolact.data import leaks

    names, others = [image.file_name for image in train], [image.file_name for image in val]
    val_images = args.val_images or args.images
    shared = set(names) & set(others)
    if shared and val_images == args.images:
        progress.say(
            f"{len(shared)} images are in both files, the first is {min(shared)}: AP will be too high"
        )
    leak = leaks.find(names, others)
    if leak is None:
        return
    progress.say(f"{leak.describe()} files, by the names of the photos: AP will be too high")
    commands = leak.list_commands(args.train, args.val, [args.images, val_images])
    for command in ["split them again:", *(f"  {command}" for command in commands)] if commands else ():
        progress.say(command)


def _summarise(output: str, commands: list[str], recipe: Any) -> dict[str, Any]:
    """List what is printed with `--json`; the times are null where they are not known."""
    plan = recipe.plan
    return {
        "output": output,
        "commands": commands,
        "steps": recipe.steps,
        "input_size": list(recipe.grid.input_size),
        "init_checkpoint": recipe.init_checkpoint,
        "step_seconds": plan and round(plan.step_seconds, 4),
        "evaluation_seconds": plan and round(plan.evaluation_seconds, 2),
        "evaluations": plan and plan.evaluations,
        "seconds": plan and round(plan.seconds, 1),
    }


def _find_start(args: argparse.Namespace, images: int, gpus: int) -> dict[str, Any]:
    """Find the experiment, the weights, and the model that is gone on from."""
    from official_yolact.data.recipes import recipe as recipe_lib
    from official_yolact.weights import named_weights

    start: dict[str, Any] = {}
    if args.experiment is not None:
        name, base, network = base_models.read_experiment(args.experiment)
        start = {"experiment": name}
        if name not in recipe_lib.DEFAULT_GRIDS:
            start |= {"base": base, "network": network}
    checkpoint = args.init_checkpoint
    if checkpoint is None:
        usual = recipe_lib.choose_experiment(images, gpus)
        checkpoint = named_weights.for_experiment(start.get("experiment", usual)) or ""
    if checkpoint == "none":
        checkpoint = ""
    _check_weights(checkpoint)
    if args.experiment is None:
        start = _follow_weights(checkpoint, recipe_lib.choose_experiment(images, gpus))
    start["init_checkpoint"] = checkpoint
    params = recipe_lib.find_params(checkpoint)
    if params and args.experiment is None:
        start["own"] = base_models.read_own(params)
    return start


def _check_paths(args: argparse.Namespace) -> None:
    for folder in filter(None, (args.images, args.val_images)):
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"{folder}: no such image folder{inputs.hint(folder)}")
    if not args.output.endswith((".yaml", ".yml")):
        raise ValueError(f"output is {args.output!r}: give it the ending .yaml")
    outputs.check(args.output, inputs=_list_inputs(args), force=args.force)


def _list_inputs(args: argparse.Namespace) -> list[str | outputs.Folder | None]:
    folders = [outputs.Folder(path) for path in (args.images, args.val_images) if path]
    return [args.train, args.val, *folders]


def _follow_weights(checkpoint: str, usual: str) -> dict[str, Any]:
    """Find the experiment that weights by name fit, if it is not the usual one, or their width."""
    from official_yolact.data.recipes import step_cost
    from official_yolact.weights import named_weights

    if not named_weights.is_name(checkpoint):
        return {}
    entry = named_weights.find(checkpoint)
    if usual not in entry.experiments:
        name, base, network = base_models.read_experiment(entry.experiments[0])
        return {"experiment": name, "base": base, "network": network}
    width = entry.settings.get("filter_size_scale", 1.0)
    return {} if width == 1.0 else {"network": step_cost.Network("mobilenetv2", float(str(width)))}


def _check_weights(checkpoint: str) -> None:
    """Refuse a name that no weights have, and a path where nothing is."""
    from official_yolact.files import storage
    from official_yolact.weights import named_weights

    if named_weights.is_name(checkpoint):
        named_weights.find(checkpoint)
        return
    is_there = os.path.exists(checkpoint) or os.path.exists(f"{checkpoint}.index")
    if checkpoint and not is_there and not storage.is_remote(checkpoint):
        raise FileNotFoundError(
            f"{checkpoint}: no such model or backbone{inputs.hint(checkpoint)}; `yolact weights list` names"
            " published weights, and `--init-checkpoint none` starts from random ones"
        )


def _count_gpus() -> int:
    return len(os.listdir(_GPUS)) if os.path.isdir(_GPUS) else 0
