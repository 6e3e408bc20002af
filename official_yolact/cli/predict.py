"""`yolact predict`: photos, videos and streams in; pictures, videos and what was found out."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from official_yolact.cli import detection_options
from official_yolact.cli import options
from official_yolact.cli import search_options
from official_yolact.cli import source_options

if TYPE_CHECKING:
    from official_yolact.serving import pipeline

_CUT_OFF = 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "predict",
        help="find instances in pictures and videos",
        description=(
            "Find instances in pictures and videos. Writes each photo with its instances to DIR/NAME.jpg,"
            " each video to DIR/NAME.mp4, and DIR/predictions.json: COCO results with file_name and"
            " category_name. A source that cannot be read is reported and skipped; the exit code is 2 if none"
            " can be read, or if a video ends early."
        ),
    )
    options.add_model(parser)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, video, folder of them, 'pattern*', JSON list or COCO file of pictures, camera:0,"
        " rtsp:// or http:// address of a stream, or - for standard input: paths, one a line, or the bytes of"
        " a picture",
    )
    options.add_output(parser, help_text="folder to write to")
    source_options.add_options(parser)
    search_options.add_options(parser)
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
    detection_options.add_runtime(parser)
    detection_options.add_precision(
        parser, "auto", "auto, the faster one on this machine; bfloat16 moves boxes and scores a little"
    )
    detection_options.add_options(parser, "--candidate-threshold")
    options.set_run(parser, run, "an account")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.serving import listing
    from official_yolact.serving import models
    from official_yolact.serving import pipeline
    from official_yolact.serving.sinks import choosing
    from official_yolact.serving.sinks import sink
    from official_yolact.serving.sinks import window
    from official_yolact.video import reading
    from official_yolact.video import spans
    from official_yolact.video import writing
    from official_yolact_runtime import predictor

    fields = detection_options.read_options(args)
    search = search_options.read_options(args, args.score_threshold)
    if args.max_detections is not None:
        # More than usual have to be made where more are to be shown.
        fields["max_detections"] = max(args.max_detections, predictor.MAX_DETECTIONS)
    span = spans.Span(args.every, args.start, args.end)
    sources = listing.find_sources(args.sources, args.images, sys.stdin.buffer)
    for line in listing.describe_unread(args.sources):
        progress.say(f"yolact: {line}")
    path = options.find_model(args.model)
    model = models.load(path, args.batch_size, fields, args.precision, runtime=args.runtime)
    model.bit_depth = args.bit_depth
    detection_options.say_weights(model)
    detection_options.say_runtime(model)
    place = sink.Place(args.output, listing.list_files(sources), args.force)
    sinks = choosing.make_sinks(args.save, place, sources, model.categories, args.mask_format)
    if any(one.is_video for one in sources) and "video" in args.save and not reading.has_av():
        progress.say(f"yolact: {writing.HINT}")
    sinks += [window.Window()] if args.show else []
    account = pipeline.Account()
    shown = progress.Progress("pictures", rate=True)
    try:
        pipeline.predict(model, sources, sinks, account, span=span, search=search, progress=shown)
    finally:
        shown.end()
        _say(account, args.output)
    for note in (note for one in sinks for note in one.notes):
        progress.say(note)
    weights = model.weights.as_dict() if model.weights else None
    loaded = {"weights": weights, "runtime": detection_options.describe_runtime(model)}
    options.print_json(args, {**_to_json(account), "output": args.output, **loaded})
    return _CUT_OFF if account.cut_off else 0


def _say(account: pipeline.Account, output: str) -> None:
    from official_yolact.cli import progress

    if not account.num_pictures:
        return
    for message in account.skipped:
        progress.say(f"yolact: skipped: {message}")
    for message in account.cut_off:
        progress.say(f"yolact: not whole: {message}")
    frames = (
        f", {account.num_frames} of them frames of {account.num_videos} videos" if account.num_videos else ""
    )
    progress.say(
        f"{account.num_detections} detections in {account.num_pictures} pictures{frames},"
        f" {len(account.skipped)} skipped: {output}"
    )


def _to_json(account: pipeline.Account) -> dict[str, Any]:
    return {
        "pictures": account.num_pictures,
        "frames": account.num_frames,
        "videos": account.num_videos,
        "detections": account.num_detections,
        "skipped": account.skipped,
        "cut_off": account.cut_off,
    }
