"""`yolact import-weights`: published weights to a model directory, or to a backbone to start from."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from official_yolact.cli import options
from official_yolact.cli import progress

if TYPE_CHECKING:
    from official_yolact.importing import import_account

_DESCRIPTION = """Turn published weights into something that this library reads.

A .pth file of the original YOLACT or YOLACT++ becomes a model directory for load, eval, predict and
fine-tuning. ResNet-50, ResNet-101 and DarkNet-53 backbones (torchvision's or the original's .pth) and
MobileNetV2 (Keras' .h5, or .npz) become a backbone for task.init_checkpoint. A name of `yolact weights
list` in place of a file is downloaded. PyTorch is not needed."""
_MOBILENET = ("mobilenetv2", "mobilenet_v2", "yolact_mobilenetv2_coco")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import-weights",
        help="turn published weights into a model directory",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="the weights, .pth (or .pt), .h5 or .npz; or a name")
    options.add_output(parser, help_text="directory to write")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="what the weights are of, by our name or the original's, such as yolact_im700; needed where"
        " neither the tensors nor the file's name tell, and for .npz (mobilenetv2)",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="names of a model with classes of its own: a COCO JSON, or text with one name a line, in the"
        " order in which it was trained",
    )
    parser.add_argument(
        "--skip",
        metavar="PREFIX",
        action="append",
        default=[],
        help="leave out tensors whose key begins so; may be repeated",
    )
    options.set_run(parser, run, "the account")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.weights import named_weights

    if named_weights.is_name(args.file):
        done = _import_named(args)
    elif args.file.endswith((".npz", ".h5")) or args.model in _MOBILENET:
        done = _import_mobilenet(args)
    else:
        done = _import_torch(args)
    for line in done.lines():
        print(line, file=sys.stderr)
    if done.modules == "backbone":
        use = f"task.init_checkpoint={args.output} task.init_checkpoint_modules=backbone"
    else:
        use = f"yolact predict {args.output} PHOTO --output DIR, or task.init_checkpoint={args.output}"
    print(f"use it: {use}", file=sys.stderr)
    options.print_json(args, done.to_json())
    return 0


def _import_named(args: argparse.Namespace) -> import_account.ImportAccount:
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.files import downloads
    from official_yolact.importing import named_import
    from official_yolact.weights import cache
    from official_yolact.weights import named_weights

    entry = named_weights.find(args.file)
    if args.model or args.classes or args.skip:
        raise ValueError(f"{args.file}: is known: leave out --model, --classes and --skip")
    display = downloads.in_megabytes(progress.Progress(f"MB of {entry.name}"))
    path = cache.fetch(entry, progress=display, note=progress.say)
    return named_import.import_file(entry, path, args.output, force=args.force)


def _import_mobilenet(args: argparse.Namespace) -> import_account.ImportAccount:
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.importing import mobilenet_v2

    is_told = args.model is None and args.file.endswith(".h5")
    if args.model not in _MOBILENET and not is_told:
        raise ValueError(f"{args.file}: say what an .npz is of: --model mobilenetv2")
    model = loading.load_experiment("yolact_mobilenetv2_coco").task.model
    return mobilenet_v2.import_mobilenet_v2(args.file, model, args.output, force=args.force)


def _import_torch(args: argparse.Namespace) -> import_account.ImportAccount:
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.importing import torch_import
    from official_yolact.modeling import factory
    from official_yolact_runtime import categories as categories_lib

    categories = categories_lib.read_classes(args.classes) if args.classes else None
    return torch_import.import_torch(
        args.file,
        args.output,
        factory.build_model,
        args.model,
        categories,
        args.skip,
        inputs=[args.file, args.classes],
        force=args.force,
    )
