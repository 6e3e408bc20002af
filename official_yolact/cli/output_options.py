"""The option of every command that writes files."""

from __future__ import annotations

import argparse


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add `--force`."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace files that another program wrote or changed; never those that are read",
    )
