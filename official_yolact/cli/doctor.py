"""`yolact doctor`: what the environment is like, and what to do about it."""

from __future__ import annotations

import argparse
import dataclasses

from official_yolact.cli import options
from official_yolact_runtime.files import json_text


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="report the environment and what to do",
        description="Report versions, overlapping packages, devices, precision, memory, disk and limits."
        " Exit code 0: all is well; 1: warnings; 2: not usable.",
    )
    options.set_run(parser, run, "the report")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.environment import examination
    from official_yolact.environment import observation

    found = []
    for one in examination.examine():
        found.append(one)
        if not args.json:
            print(one, flush=True)
    worst = examination.find_worst(found)
    if args.json:
        listed = [dataclasses.asdict(one) for one in found]
        print(json_text.dump({"status": observation.LEVELS[worst], "observations": listed}))
    else:
        print(("all is well", "usable, with warnings", "not usable as it is")[worst])
    return worst
