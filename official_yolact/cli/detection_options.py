"""Options that set how detections are made of a model's outputs, for the commands that run one."""

from __future__ import annotations

import argparse
import sys
from typing import Any

NMS_KINDS = ("fast", "fast_second_threshold", "cross_class", "traditional")
CROP_PLACES = ("prototypes", "image")
"""As in `configs.yolact`, which imports TensorFlow."""

PRECISIONS = ("auto", "float32", "bfloat16")
RUNTIMES = ("auto", "tensorflow", "litert", "onnx", "openvino")
"""As in `serving.models`."""

_FIELDS = {
    "nms": "nms",
    "candidate_threshold": "score_threshold",
    "nms_iou": "nms_iou_threshold",
    "one_class_iou": "one_class_iou",
    "top_k": "nms_top_k",
    "crop": "crop_masks",
    "crop_at": "crop_at",
    "crop_padding": "crop_padding",
}


def say_weights(predictor: Any) -> None:
    """Say on standard error which weights a loaded model has."""
    if predictor.weights is not None:
        print(f"weights: {predictor.weights}", file=sys.stderr, flush=True)


def say_runtime(predictor: Any) -> None:
    """Say on standard error what computes."""
    print(f"runtime: {describe_runtime(predictor)}", file=sys.stderr, flush=True)


def describe_runtime(predictor: Any) -> str:
    """Name what computes: the library, and the precision where there is a choice."""
    runtime = predictor.runtime
    named = (getattr(runtime, field, "") for field in ("description", "name"))
    return next(filter(None, map(str, named)), type(runtime).__name__)


def add_runtime(parser: argparse._ActionsContainer) -> None:
    """Add `--runtime`."""
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="library that computes: auto, the fastest that is installed; the others than tensorflow run"
        " exports, also that in MODEL/export (default: %(default)s)",
    )


def add_precision(parser: argparse._ActionsContainer, default: str, help_text: str) -> None:
    """Add `--precision`."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=default,
        help=f"numbers in which the network computes: {help_text} (default: %(default)s)",
    )


def add_options(parser: argparse.ArgumentParser, *threshold_names: str) -> argparse._ArgumentGroup:
    """Add the options; what is left out stays as the model's configuration has it.

    Args:
      parser: of the command.
      *threshold_names: names of the option for the threshold of candidates.

    Returns:
      The group of the options, to add others to.
    """
    group = parser.add_argument_group("detection", "default: the configuration of the model")
    group.add_argument(
        "--nms",
        choices=NMS_KINDS,
        help="how overlapping detections are suppressed: fast, the original's default; "
        "fast_second_threshold, which also leaves out low scores of other classes; cross_class, one class "
        "for each object; traditional, greedy class by class",
    )
    group.add_argument(
        *threshold_names,
        dest="candidate_threshold",
        type=fraction,
        metavar="S",
        help="detections are made where the best class score is above this",
    )
    group.add_argument(
        "--nms-iou",
        type=fraction,
        metavar="IOU",
        help="suppress what overlaps a better detection by more (traditional: by at least this)",
    )
    group.add_argument(
        "--one-class-iou",
        type=fraction,
        metavar="IOU",
        help="one object, one class: of two detections of different classes that overlap by more, lower the"
        " score of the second",
    )
    add_positive(
        group, "--top-k", None, "candidates of each class (cross_class: of the image; traditional takes all)"
    )
    group.add_argument(
        "--crop", action=argparse.BooleanOptionalAction, help="cut each mask to its box, or leave it whole"
    )
    group.add_argument(
        "--crop-at",
        choices=CROP_PLACES,
        help="cut masks on the grid of the prototypes, before they are enlarged, or at the size of the image,"
        " where they end at the pixel",
    )
    group.add_argument(
        "--crop-padding",
        type=not_negative,
        metavar="CELLS",
        help="cells of the prototype grid, of about four input pixels, left around the box",
    )
    return group


def add_positive(parser: argparse._ActionsContainer, name: str, default: int | None, help_text: str) -> None:
    """Add an option that is a whole number of 1 or more."""
    parser.add_argument(name, type=positive, default=default, metavar="N", help=help_text)


def read_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of `configs.yolact.DetectionGenerator` that the options set.

    Raises:
      ValueError: one option leaves another without effect.
    """
    for option, value in (("--crop-padding", args.crop_padding), ("--crop-at", args.crop_at)):
        if args.crop is False and value is not None:
            raise ValueError(f"{option} has no effect with --no-crop: leave one of them out")
    if args.nms == "traditional" and args.top_k is not None:
        raise ValueError("--top-k has no effect with --nms traditional, which takes all: leave it out")
    values = {field: getattr(args, name) for name, field in _FIELDS.items()}
    return {field: value for field, value in values.items() if value is not None}


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return value


def not_negative(text: str) -> float:
    """Read a number that is 0 or more."""
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number that is 0 or more")
    return value


def positive(text: str) -> int:
    """Read a whole number that is 1 or more."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number that is 1 or more")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
