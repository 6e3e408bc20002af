"""`yolact predict`: pictures in, pictures with instances and predictions.json out."""

from __future__ import annotations

import argparse
import sys

from official_yolact.cli import detection_options
from official_yolact.cli import options


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
    options.add_output(parser, help_text="folder to write to")
    parser.add_argument(
        "--score-threshold",
        type=detection_options.fraction,
        default=0.3,
        metavar="S",
        help="show no detections below this score (default: %(default)s)",
    )
    detection_options.add_positive(
        parser, "--max-detections", None, "show at most so many in a picture (default: 100)"
    )
    detection_options.add_positive(
        parser, "--batch-size", 4, "pictures at once, at most (default: %(default)s)"
    )
    options.add_bit_depth(parser)
    detection_options.add_options(parser, "--candidate-threshold")
    options.set_run(parser, run, "an account")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.serving import batch
    from official_yolact.serving import loading
    from official_yolact.serving import sources
    from official_yolact_runtime import predictor

    fields = detection_options.read_options(args)
    if args.max_detections is not None:
        # More than usual have to be made where more are to be shown.
        fields["max_detections"] = max(args.max_detections, predictor.MAX_DETECTIONS)
    paths = sources.find_pictures(args.sources)
    for line in sources.describe_unread(args.sources):
        print(f"yolact: {line}", file=sys.stderr)
    model = loading.load(args.model, args.batch_size, fields)
    model.bit_depth = args.bit_depth
    detection_options.say_weights(model)
    done = batch.predict_files(
        model,
        paths,
        args.output,
        args.score_threshold,
        args.max_detections or predictor.MAX_DETECTIONS,
        progress.Progress("pictures"),
        force=args.force,
    )
    for message in done.skipped:
        print(f"yolact: skipped: {message}", file=sys.stderr)
    print(
        f"{done.num_detections} detections in {done.num_pictures} pictures, {len(done.skipped)} skipped: "
        f"{args.output}",
        file=sys.stderr,
    )
    account = {"pictures": done.num_pictures, "detections": done.num_detections, "skipped": done.skipped}
    weights = model.weights.as_dict() if model.weights else None
    options.print_json(args, {**account, "output": args.output, "weights": weights})
    return 0
