"""Arguments that several commands have, each declared once, and what `--json` prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from official_yolact_runtime.files import json_text


def add_annotations(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument `annotations`."""
    parser.add_argument("annotations", metavar="ANNOTATIONS.json", help="COCO instances file")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the positional arguments `config` and `overrides`."""
    parser.add_argument("config", help="YAML file, or the name of a registered experiment")
    add_overrides(parser, "override one key of the file")


def add_overrides(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the positional argument `overrides`: any number of key=value."""
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=help_text)


def add_model(
    parser: argparse.ArgumentParser,
    *,
    kinds: str = "model directory, a checkpoint in one, or an export",
    **more: Any,
) -> None:
    """Add the positional argument `model`.

    Args:
      parser: of the command.
      kinds: what a model may be, beside a name.
      **more: of `add_argument`.
    """
    more = {"dest": "model", "metavar": "MODEL", **more}
    parser.add_argument(
        more.pop("dest"),
        help=f"{kinds}; or a name of `yolact weights list`, such as yolact/resnet50, or hf://OWNER/NAME",
        **more,
    )


def find_model(model: str) -> str:
    """Give the path of a model that is named, which is downloaded first if need be; any path as it is."""
    from official_yolact.cli import progress
    from official_yolact.weights import model_names

    return model_names.find_model(model, make_progress=progress.Progress, note=progress.say)


def add_output(
    parser: argparse.ArgumentParser, metavar: str = "DIR", help_text: str = "folder to write into"
) -> None:
    """Add `--output`, which is required, and `--force`."""
    parser.add_argument("--output", required=True, metavar=metavar, help=help_text)
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add `--force`."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace files that another program wrote or changed; never those that are read",
    )


def add_count(
    parser: argparse._ActionsContainer, name: str, default: int, help_text: str, metavar: str = "N"
) -> None:
    """Add an option that is a whole number with a default, which the help shows."""
    parser.add_argument(name, type=int, default=default, metavar=metavar, help=f"{help_text} (%(default)s)")


def parse_size(name: str, words: Sequence[str]) -> tuple[int, int]:
    """Read `H W` or `HxW`, the values of the option `--NAME`.

    Raises:
      ValueError: they are not two whole numbers; names the option.
    """
    sides = words[0].lower().split("x") if len(words) == 1 else words
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise ValueError(f"{name} is {' '.join(words)!r}: give height and width, such as 320 480 or 320x480")
    return int(sides[0]), int(sides[1])


def add_bit_depth(parser: argparse._ActionsContainer) -> None:
    """Add `--bit-depth`."""
    parser.add_argument(
        "--bit-depth",
        type=int,
        choices=(8, 10, 12, 14, 16),
        default=16,
        help="bits that the values of pictures of 16 bits a channel fill; use the same for training and"
        " prediction (%(default)s)",
    )


def add_json(parser: argparse.ArgumentParser, printed: str = "the numbers") -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help=f"print {printed} as one line of JSON")


def print_json(args: argparse.Namespace, content: Any) -> None:
    """Print the content as one line of JSON, if `--json` asks for it."""
    if args.json:
        print(json_text.dump(content))


def set_run(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    printed: str = "the numbers",
) -> None:
    """Add `--json`, and set the function that runs the command."""
    add_json(parser, printed)
    parser.set_defaults(run=run)
