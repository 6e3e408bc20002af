"""`yolact data`: make, convert and look at data sets. Each command is a module of this package."""

from __future__ import annotations

import importlib
from typing import Any

COMMANDS = (
    "shapes",
    "coco2017",
    "sbd",
    "labelme",
    "via",
    "labelstudio",
    "yolo",
    "masks",
    "check",
    "convert",
    "stats",
    "split",
    "merge",
    "tile",
    "init",
    "show",
)
"""Modules; each has `add_parser(commands)`, and sets `run` on what it adds."""


def add_parser(subparsers: Any) -> None:
    """Add the command and its own commands."""
    parser = subparsers.add_parser("data", help="make, convert and look at data sets")
    commands = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"official_yolact.cli.data.{name}").add_parser(commands)
