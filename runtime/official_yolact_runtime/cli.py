"""The console script `yolact-runtime`: pictures through an exported model."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import official_yolact_runtime
from official_yolact_runtime import loading
from official_yolact_runtime import predictor
from official_yolact_runtime import runtime as runtime_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import finding

PREDICTIONS_FILE = "predictions.json"
_PROGRAM = "yolact-runtime"
_FAILED, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
      argv: arguments after the program's name; None: those of the process.

    Returns:
      Exit code: 0 done; 2 usage or unusable input; 130 interrupted.
    """
    try:
        args = _build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse ends the process for --help and for bad usage
        return stop.code if isinstance(stop.code, int) else _FAILED
    try:
        return _predict(args)
    except KeyboardInterrupt:
        _say("interrupted")
        return _INTERRUPTED
    except (OSError, TypeError, ValueError) as error:
        _say(f"error: {_describe(error)}")
        return _FAILED


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Detection with exported YOLACT models.")
    version = f"{_PROGRAM} {official_yolact_runtime.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    predict = commands.add_parser(
        "predict",
        help="find instances in pictures",
        description=(
            "Find instances in pictures. Writes each picture with its instances to DIR/NAME.jpg, and"
            f" DIR/{PREDICTIONS_FILE}: COCO results with file_name and category_name. A picture that cannot"
            " be read is reported and skipped; the exit code is 2 only if none can be read."
        ),
    )
    predict.add_argument("model", help="file of an export (.tflite, .onnx), or its folder")
    predict.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="picture, folder of pictures, or 'pattern*'"
    )
    predict.add_argument("--output", required=True, metavar="DIR", help="folder to write to")
    predict.add_argument(
        "--score-threshold",
        type=float,
        default=predictor.SCORE_THRESHOLD,
        metavar="S",
        help="show no detections below this score (default: %(default)s)",
    )
    predict.add_argument(
        "--max-detections",
        type=int,
        default=predictor.MAX_DETECTIONS,
        metavar="N",
        help="show at most so many in a picture (default: %(default)s)",
    )
    predict.add_argument(
        "--runtime", choices=loading.RUNTIMES, default=runtime_lib.AUTO, help="library that computes"
    )
    predict.add_argument("--threads", type=int, metavar="N", help="that compute (default: all processors)")
    predict.add_argument(
        "--force",
        action="store_true",
        help="replace files that another program wrote or changed; never those that are read",
    )
    predict.add_argument("--json", action="store_true", help="print an account as one line of JSON")
    return parser


def _predict(args: argparse.Namespace) -> int:
    paths = finding.find_pictures(args.sources)
    targets = [os.path.join(args.output, name) for name in finding.name_outputs(paths)]
    listing = os.path.join(args.output, PREDICTIONS_FILE)
    for target in [*targets, listing]:
        outputs.check(target, inputs=paths, force=args.force)
    model = loading.load(args.model, args.runtime, args.threads)
    entries: list[dict[str, Any]] = []
    skipped: list[str] = []
    for image_id, (path, target) in enumerate(zip(paths, targets, strict=True), start=1):
        try:
            image = model.read(path)
        except (OSError, ValueError) as error:
            skipped.append(_describe(error))
            _say(f"skipped: {skipped[-1]}")
            continue
        found = model(image, args.score_threshold, args.max_detections)
        found.save(target, inputs=paths, force=args.force)
        entries += [
            {**entry, "file_name": path, "category_name": name}
            for entry, name in zip(found.to_coco(image_id), found.names, strict=True)
        ]
    if len(skipped) == len(paths):
        raise ValueError(f"no picture could be read: {skipped[0]}")
    outputs.write_json(listing, entries, inputs=paths, force=args.force)
    number = len(paths) - len(skipped)
    _say(f"{len(entries)} detections in {number} pictures, {len(skipped)} skipped: {args.output}")
    if args.json:
        account = {"pictures": number, "detections": len(entries), "skipped": skipped, "output": args.output}
        print(json_text.dump(account))
    return 0


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _say(line: str) -> None:
    print(f"{_PROGRAM}: {json_text.escape_control(line)}", file=sys.stderr, flush=True)
