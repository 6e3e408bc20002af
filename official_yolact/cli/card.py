"""`yolact card`: the README.md of a model."""

from __future__ import annotations

import argparse
import os
import re

from official_yolact.cli import options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "card",
        help="write the README.md of a model: what it finds, how well, how it is used",
        description=(
            "Write the card of a model, README.md in its folder: classes, network, data, AP (with intervals"
            " where there is a report.json, else from metrics.json), threshold, speed, size, licences, and"
            " how to load it."
        ),
    )
    options.add_model(parser, kinds="model directory, or the folder of an export")
    parser.add_argument("--output", metavar="FILE", help="write the card there (default: MODEL/README.md)")
    parser.add_argument(
        "--report", metavar="JSON", help="report.json of an evaluation (default: that in MODEL)"
    )
    parser.add_argument("--title", default="", help="of the card (default: the name of the folder)")
    parser.add_argument(
        "--license", default="", metavar="ID", help="of the weights, as a hub spells it, such as apache-2.0"
    )
    parser.add_argument("--data-license", default="", metavar="TEXT", help="of photos and annotations")
    options.add_force(parser)
    options.set_run(parser, run, "what the card says")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    import dataclasses

    from official_yolact.cli import progress
    from official_yolact.serving import model_card
    from official_yolact.serving import shipping
    from official_yolact_runtime.files import outputs

    if args.license and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", args.license):
        raise ValueError(f"--license is {args.license!r}: give an identifier such as apache-2.0 or cc-by-4.0")
    model = options.find_model(args.model)
    path = args.output or os.path.join(model, shipping.CARD)
    outputs.check(path, inputs=[args.report], force=args.force)
    facts = model_card.collect(
        model, report=args.report, title=args.title, license=args.license, data_license=args.data_license
    )
    content = model_card.format_card(facts)
    outputs.write(path, content, inputs=[args.report], force=args.force)
    progress.say(f"wrote {path}")
    options.print_json(args, {"card": path, **dataclasses.asdict(facts)})
    return 0
