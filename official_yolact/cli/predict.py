"""`yolact predict`: pictures in, pictures with instances and predictions.json out."""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict",
        help="find instances in pictures",
        description=(
            "Find instances in pictures. Writes each picture with its instances to DIR/NAME.jpg, and "
            "DIR/predictions.json: COCO results with file_name and category_name. A picture that cannot be "
            "read is reported and skipped; the exit code is 2 only if none can be read."
        ),
    )
    parser.add_argument("model", help="model directory, or a checkpoint in one")
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="picture, folder of pictures, or 'pattern*'"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--score-threshold",
        type=_fraction,
        default=0.3,
        metavar="S",
        help="leave out detections below this score (default: %(default)s)",
    )
    parser.add_argument(
        "--max-detections",
        type=_positive,
        default=100,
        metavar="N",
        help="keep at most so many in a picture (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print an account as one line of JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.serving import batch
    from official_yolact.serving import loading
    from official_yolact.serving import sources

    paths = sources.find_pictures(args.sources)
    done = batch.predict_files(
        loading.load(args.model),
        paths,
        args.output,
        args.score_threshold,
        args.max_detections,
        progress.Progress("pictures"),
    )
    for message in done.skipped:
        print(f"yolact: skipped: {message}", file=sys.stderr)
    print(
        f"{done.num_detections} detections in {done.num_pictures} pictures, {len(done.skipped)} skipped: "
        f"{args.output}",
        file=sys.stderr,
    )
    if args.json:
        account = {"pictures": done.num_pictures, "detections": done.num_detections, "skipped": done.skipped}
        print(json.dumps({**account, "output": args.output}))
    return 0


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value
