"""`yolact data show`: draw what is stored, or what the network sees."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress

_SHEET_SIDE = 640
_MAX_PROBLEMS = 10


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "show",
        help="draw annotations, or a batch as the network sees it",
        description="Draw photos with their annotations (ANNOTATIONS.json --images DIR), or a batch of a"
        " configuration after augmentation, with boxes and masks: 000.png, 001.png, ... and sheet.png. Masks"
        " must sit on objects.",
    )
    parser.add_argument(
        "config",
        metavar="ANNOTATIONS.json|CONFIG",
        help="COCO instances file; or YAML file or name of an experiment",
    )
    options.add_overrides(parser, "overrides of the config")
    options.add_output(parser)
    options.add_count(parser, "--count", 16, "images")
    parser.add_argument("--images", metavar="DIR", help="folder of the images that annotations name")
    parser.add_argument(
        "--ids", metavar="ID,...", help="images of the annotations to draw (default: spread over the file)"
    )
    parser.add_argument(
        "--data",
        choices=("train", "validation"),
        default="train",
        help="which data of a config (%(default)s)",
    )
    options.set_run(parser, run, "the list of files")


def run(args: argparse.Namespace) -> int:
    """Draw what is stored, or a batch as the network sees it."""
    if args.count < 1:
        raise ValueError(f"count is {args.count}: at least 1")
    stored = args.config.endswith(".json")
    if stored and not args.images:
        raise ValueError(f"{args.config} holds annotations: name the folder of their images with --images")
    if not stored and (args.images or args.ids):
        raise ValueError(f"--images and --ids go with ANNOTATIONS.json; {args.config} is a configuration")
    pictures, names = _draw_stored(args) if stored else (_draw_batch(args), [])
    return _write(pictures, names, args)


def _draw_stored(args: argparse.Namespace) -> tuple[list[Any], list[str]]:
    """Draw annotated photos; return the pictures, and the names of all photos of the annotations."""
    from official_yolact.coco import annotations as coco_annotations
    from official_yolact.serving import stored

    if args.overrides:
        raise ValueError(f"{args.overrides[0]!r} overrides a configuration, but {args.config} is annotations")
    source = coco_annotations.read(args.config)
    pictures: list[Any] = []
    problems: list[str] = []
    for image in _choose_images(source.images, args.ids, args.count):
        try:
            drawn = stored.draw_stored(source, image, args.images)
        except ValueError as error:
            problems.append(f"not drawn: {error}")
            continue
        pictures.append(drawn.picture)
        problems += [f"no mask: {problem}" for problem in drawn.problems]
    for problem in problems[:_MAX_PROBLEMS]:
        progress.say(problem)
    if len(problems) > _MAX_PROBLEMS:
        progress.say(f"and {len(problems) - _MAX_PROBLEMS} more")
    if not pictures:
        raise ValueError(f"{args.config}: none of the images could be drawn; `yolact data check` says why")
    return pictures, [image.file_name for image in source.images]


def _choose_images(images: Sequence[Any], ids: str | None, count: int) -> list[Any]:
    """Choose the images of the ids, or `count` images spread evenly over the file."""
    if ids is None:
        number = min(count, len(images))
        return [images[at * len(images) // number] for at in range(number)]
    by_id = {str(image.id): image for image in images}
    wanted = [name.strip() for name in ids.split(",")]
    for name in wanted:
        if name not in by_id:
            raise ValueError(f"ids names image {name!r}, which the annotations do not list")
    return [by_id[name] for name in wanted]


def _draw_batch(args: argparse.Namespace) -> list[Any]:
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.dataloaders import input_reader
    from official_yolact.dataloaders import manifests
    from official_yolact.drawing import examples

    params = loading.load_config(args.config, args.overrides)
    task = params.task
    data = task.train_data if args.data == "train" else task.validation_data
    if not data.input_path:
        raise ValueError(f"task.{args.data}_data.input_path is empty: add it as key=value")
    data.override({"global_batch_size": args.count})
    images, labels = next(iter(input_reader.build_dataset(data, task.model, task.seed)))
    if args.data == "train":
        _say_sizes(task, data)
    names = manifests.load_class_names(data.input_path, task.model.num_classes)
    return examples.draw_batch(images.numpy(), labels, task.model.normalization, names)


def _say_sizes(task: Any, data: Any) -> None:
    """Say what the augmentation does to the objects of the first photos that are drawn."""
    from official_yolact.dataloaders import input_reader
    from official_yolact.dataloaders import shown_sizes
    from official_yolact.ops import frames

    plain = data.replace(parser=data.parser.replace(augment={"preset": "none"}))
    _, labels = next(iter(input_reader.build_dataset(plain, task.model, task.seed)))
    photos = []
    for row, count in enumerate(labels["num_instances"].numpy()):
        info = labels["image_info"][row]
        height, width = frames.photo_size(info).numpy().round().astype(int).tolist()
        objects = ~labels["is_crowd"][row, :count].numpy()
        boxes = labels["boxes"][row, :count].numpy()[objects]
        photos.append(((height, width), frames.boxes_to_photo(boxes, info).numpy()))
    model = task.model
    shown = shown_sizes.measure(photos, data.parser.augment, model.input_size, task.seed, model.keep_aspect)
    if shown:
        progress.say(str(shown))


def _list_inputs(args: argparse.Namespace, names: list[str], pictures: list[str]) -> list[Any]:
    """List what is read: annotations or configuration, the folder of photos, and those named as an output.

    Other pictures that an earlier call wrote below the folder are none.
    """
    from official_yolact.images import image_folders
    from official_yolact_runtime.files import outputs

    if not args.images:
        return [args.config]
    folder = image_folders.open_folder(args.images)
    found = [folder.find(name).name for name in names]
    written = {image_folders.fold(os.path.basename(path)) for path in pictures}
    alike = [name for name in found if name and image_folders.fold(os.path.basename(name)) in written]
    photos = [os.path.join(args.images, name) for name in alike]
    return [args.config, *photos, outputs.Folder(args.images, keeps_pictures=False)]


def _write(pictures: list[Any], names: list[str], args: argparse.Namespace) -> int:
    """Write the pictures and their sheet; the inputs are listed only where a file would be replaced."""
    from official_yolact.drawing import sheets
    from official_yolact_runtime.files import outputs

    paths = [os.path.join(args.output, f"{number:03d}.png") for number in range(len(pictures))]
    small = [sheets.shrink(picture, _SHEET_SIDE) for picture in pictures]
    paths.append(os.path.join(args.output, "sheet.png"))
    sheet = sheets.tile(small, columns=4)
    inputs = _list_inputs(args, names, paths) if any(map(os.path.lexists, paths)) else []
    for path in paths:
        outputs.check(path, inputs=inputs, force=args.force)
    for path, picture in zip(paths, [*pictures, sheet], strict=True):
        outputs.write(path, sheets.encode_png(picture), inputs=inputs, force=args.force)
    progress.say(f"{len(pictures)} pictures and {paths[-1]}")
    options.print_json(args, {"pictures": paths[:-1], "sheet": paths[-1]})
    return 0
