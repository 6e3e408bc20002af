"""`yolact export`: a model as files for other programs, each compared with the model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from official_yolact.cli import detection_options
from official_yolact.cli import options

_PRECISIONS = {"none": "float32", "float16": "float16", "dynamic": "dynamic", "int8": "int8"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as SavedModel, LiteRT, ONNX or a page for the browser",
        description=(
            "Write a model as files for other programs: preprocessing, network, suppression and masks are "
            "inside. Each file is run and compared with the model, on photos if there are any. If one "
            "differs too much, nothing is written and the exit code is 1."
        ),
    )
    options.add_model(parser, kinds="model directory, or a checkpoint in one")
    options.add_output(parser, help_text="folder to write, whole or not at all")
    parser.add_argument(
        "--format",
        default="saved_model,litert,onnx",
        metavar="LIST",
        help="saved_model, litert, onnx and web (a page for the browser), separated by commas "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--quantize",
        default="none",
        metavar="LIST",
        help="precisions of LiteRT: none (float32), float16, dynamic and int8, separated by commas; a page "
        "has the first (default: %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        nargs="+",
        default=[],
        metavar="PHOTOS",
        help="photos, folders or patterns on which the ranges of int8 are measured; at most 100 are read",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="photos to compare on (default: those of --calibration)"
    )
    parser.add_argument(
        "--annotations", metavar="JSON", help="COCO annotations of --images: compare AP on them too"
    )
    parser.add_argument(
        "--litert-js",
        metavar="DIR",
        help="folder in which npm has installed @litertjs/core, for the format web (default: npm is asked "
        "once, and the cache then)",
    )
    options.add_bit_depth(parser)
    group = detection_options.add_options(parser, "--score-threshold", "--candidate-threshold")
    detection_options.add_positive(group, "--max-detections", None, "room for so many detections in an image")
    options.set_run(parser, run, "export.json")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.annotations and not args.images:
        raise ValueError("--annotations belong to --images DIR: name the folder of the images")
    fields = detection_options.read_options(args)
    if args.max_detections is not None:
        fields["max_detections"] = args.max_detections
    from official_yolact.exporting import targets as targets_lib
    from official_yolact_runtime import export_info

    targets = targets_lib.plan(_split(args.format), _read_precisions(args.quantize))
    targets_lib.check_packages(targets)
    if args.litert_js and all(target.format != export_info.WEB for target in targets):
        raise ValueError("--litert-js has no effect without --format web: leave it out")
    targets_lib.refuse_export(args.model)
    return _export(args, targets, fields)


def _export(args: argparse.Namespace, targets: Any, fields: dict[str, Any]) -> int:
    from official_yolact.cli import progress
    from official_yolact.exporting import calibration
    from official_yolact.exporting import export
    from official_yolact.exporting import litert_js
    from official_yolact.exporting import output_folder
    from official_yolact.exporting import photos as photos_lib
    from official_yolact.exporting import table
    from official_yolact.serving import loading
    from official_yolact_runtime import export_info

    output_folder.check(args.output, [target.name for target in targets], force=args.force)
    is_calibrated = any(target.precision == "int8" for target in targets)
    if args.calibration and not is_calibrated:
        raise ValueError("--calibration has no effect without --quantize int8: leave it out")
    calibrating = calibration.find_photos(args.calibration) if is_calibrated else []
    listed = photos_lib.list_photos(args.images, args.annotations, calibrating)
    has_page = any(target.format == export_info.WEB for target in targets)
    library = litert_js.read(args.litert_js, progress.say) if has_page else None
    model = loading.load(options.find_model(args.model), 1, fields)
    model.bit_depth = args.bit_depth
    detection_options.say_weights(model)
    exported = export.export(
        model,
        targets,
        args.output,
        listed,
        calibrating,
        litert_js=library,
        force=args.force,
        say=progress.say,
        progress=progress.Progress("pictures", only_long=True),
    )
    print(table.format_table(exported.info))
    for name, faults in exported.faults.items():
        print(f"yolact: {name} differs from the model: {'; '.join(faults)}", file=sys.stderr)
    options.print_json(args, {**exported.info.as_dict(), "faults": exported.faults})
    if exported.faults:
        print(f"yolact: {args.output} was not written", file=sys.stderr)
        return 1
    return 0


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _read_precisions(text: str) -> list[str]:
    names = _split(text)
    unknown = [name for name in names if name not in _PRECISIONS]
    if unknown:
        raise ValueError(f"--quantize {unknown[0]!r} does not exist: choose from {', '.join(_PRECISIONS)}")
    return [_PRECISIONS[name] for name in names]
