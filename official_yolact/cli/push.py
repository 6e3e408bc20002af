"""`yolact push`: a model to a hub of models."""

from __future__ import annotations

import argparse

from official_yolact.cli import options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "push",
        help="upload a model to a hub, from which hf://OWNER/NAME loads it",
        description=(
            "Upload a model to huggingface.co, or to the hub that HF_ENDPOINT names, as one commit: the files"
            " that `load` reads, and the card. hf://OWNER/NAME then stands for the model in every command."
            " Needs pip install 'official-yolact[hub]', and a token: `hf auth login`, or HF_TOKEN."
        ),
    )
    options.add_model(parser, kinds="model directory, or the folder of an export")
    parser.add_argument("address", metavar="hf://OWNER/NAME", help="where to; @BRANCH may follow")
    parser.add_argument("--private", action="store_true", help="make a repository that only you see")
    parser.add_argument("--message", default="Upload a YOLACT model", metavar="TEXT", help="of the commit")
    options.set_run(parser, run, "what was uploaded")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.weights import hub

    hub.parse(args.address)
    from official_yolact.serving import shipping

    model = options.find_model(args.model)
    files = shipping.list_files(model)
    if shipping.CARD not in files:
        raise FileNotFoundError(f"{model}: has no {shipping.CARD}: write one with `yolact card {args.model}`")
    commit = hub.push(args.address, files, message=args.message, private=args.private, note=progress.say)
    progress.say(f"use it: yolact predict {args.address} PHOTO --output DIR")
    options.print_json(args, {"address": args.address, "commit": commit, "files": sorted(files)})
    return 0
