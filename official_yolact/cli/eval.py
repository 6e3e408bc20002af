"""`yolact eval`: COCO box and mask AP of a model or of a results file."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Any, NamedTuple

from official_yolact.cli import detection_options
from official_yolact.cli import notes
from official_yolact.cli import options
from official_yolact.cli import search_options
from official_yolact_runtime.files import outputs


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "eval",
        help="measure COCO box and mask AP",
        usage=(
            "yolact eval MODEL --images DIR --annotations JSON [--output DIR] [--report DIR] [--json] "
            "[OPTION ...]\n"
            "       yolact eval --detections RESULTS.json --annotations JSON [--images DIR] [--output DIR] "
            "[--report DIR] [--json]\n"
            "       yolact eval MODEL --images DIR [--image-list JSON] --output DIR [--json] [OPTION ...]"
        ),
        description=(
            "Measure COCO box and mask AP with pycocotools, over every image of the annotation file. "
            "Without annotations, only write what was found."
        ),
    )
    options.add_model(parser, nargs="?")
    parser.add_argument("--images", metavar="DIR", help="folder of the images")
    parser.add_argument("--annotations", metavar="JSON", help="COCO instance annotations")
    parser.add_argument("--detections", metavar="JSON", help="COCO results to measure, in place of a model")
    parser.add_argument(
        "--image-list",
        metavar="JSON",
        help="COCO file that names images and ids without annotations (test-dev); "
        "else the pictures of the folder count from 1",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="write bbox_detections.json, mask_detections.json and, with annotations, metrics.json there",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write report.html, report.json and the COCO results there: what goes wrong, where and how "
        "often, per class, with confidence intervals and recommended thresholds",
    )
    options.add_force(parser)
    detection_options.add_positive(parser, "--batch-size", 1, "images at once (default: 1)")
    options.add_bit_depth(parser)
    detection_options.add_runtime(parser)
    detection_options.add_precision(
        parser, "float32", "bfloat16 and auto measure what `yolact predict` finds with them"
    )
    group = detection_options.add_options(parser, "--score-threshold", "--candidate-threshold")
    detection_options.add_positive(
        group, "--max-detections", None, "keep at most so many in an image; COCO AP counts the best 100"
    )
    search_options.add_tiles(parser)
    parser.add_argument(
        "--integer-boxes",
        action="store_true",
        help="cut boxes to whole pixels as the original's results have them: box AP as it was published",
    )
    options.set_run(parser, run)


class _Measured(NamedTuple):
    """COCO results, and a `measurement.Evaluation` of them; None without annotations.

    `skipped` has a message for each picture that could not be read, and `weights` says which ones the model
    had; None with a results file. `source` is a `report.Source`, None without a report.
    """

    evaluation: Any
    boxes: list[Any]
    masks: list[Any]
    skipped: list[str] | None
    weights: dict[str, Any] | None
    source: Any = None


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    _check_usage(args)
    for path in _list_outputs(args):
        outputs.check(path, inputs=_list_inputs(args), force=args.force)
    measured = _measure_file(args) if args.detections else _measure_model(args)
    account: dict[str, Any] = {"detections": len(measured.boxes), "output": args.output}
    if measured.evaluation is not None:
        from official_yolact.evaluation import table

        account = measured.evaluation.metrics()
        print(table.format_table(account))
        account["classes"] = measured.evaluation.class_metrics()
        print(table.format_classes(account["classes"]))
    if measured.skipped is not None:
        account |= {"skipped": measured.skipped, "weights": measured.weights}
    if args.output:
        _write(args, measured, account)
    if args.report:
        from official_yolact.reporting import report_files

        rule = {"inputs": _list_inputs(args), "force": args.force}
        report_files.write_report(measured.source, args.report, **rule, say=_say)
        account["report"] = args.report
        print(f"report: {os.path.join(args.report, 'report.html')}")
    options.print_json(args, account)
    return 0


def _check_usage(args: argparse.Namespace) -> None:
    """Refuse options that contradict one another or need another one; raises ValueError."""
    if bool(args.model) == bool(args.detections):
        raise ValueError("name either a MODEL or --detections RESULTS.json")
    if args.detections and not args.annotations:
        raise ValueError("--detections are measured against --annotations JSON: name it")
    if args.detections and (args.image_list or (args.images and not args.report)):
        raise ValueError(
            "--images and --image-list belong to a MODEL, not to --detections; with --report, --images names"
            " the photos that it shows"
        )
    if args.report and not args.annotations:
        raise ValueError("--report says what is wrong against --annotations JSON: name it")
    changed = _detection_options(args) or args.tile or args.precision != "float32" or args.runtime != "auto"
    if args.detections and changed:
        raise ValueError("the options of detection belong to a MODEL, not to --detections")
    if args.model and not args.images:
        raise ValueError("a MODEL is measured on --images DIR: name the folder of the images")
    if args.annotations and args.image_list:
        raise ValueError("--annotations name the images already: leave out --image-list")
    if args.model and not args.annotations and not args.output:
        raise ValueError(
            "without --annotations there is nothing to measure: name --output DIR to write detections"
        )


def _detection_options(args: argparse.Namespace) -> dict[str, Any]:
    fields = detection_options.read_options(args)
    return fields if args.max_detections is None else {**fields, "max_detections": args.max_detections}


def _measure_file(args: argparse.Namespace) -> _Measured:
    from official_yolact.cli import progress
    from official_yolact.evaluation import groundtruth
    from official_yolact.evaluation import metrics
    from official_yolact.evaluation import results

    truth = groundtruth.load_groundtruth(args.annotations)
    told = truth.describe()
    notes.say(args.annotations, told)
    found = results.load_results(args.detections, truth, args.integer_boxes)
    evaluation = metrics.measure_results(truth, found, progress.report_comparisons())
    boxes, masks = results.select(found, "bbox"), results.select(found, "segmentation")
    source = None
    if args.report:
        from official_yolact.reporting import report

        source = report.Source(
            truth, boxes, masks, evaluation, detections=args.detections, images=args.images, notes=told
        )
    return _Measured(evaluation, boxes, masks, None, None, source)


def _measure_model(args: argparse.Namespace) -> _Measured:
    from official_yolact.cli import progress
    from official_yolact.evaluation import coco_evaluator
    from official_yolact.serving import batch
    from official_yolact.serving import models

    search = search_options.read_options(args, 0.0)
    listed = _list_images(args)
    predictor = models.load(
        options.find_model(args.model),
        args.batch_size,
        _detection_options(args),
        args.precision,
        runtime=args.runtime,
    )
    predictor.bit_depth = args.bit_depth
    detection_options.say_weights(predictor)
    detection_options.say_runtime(predictor)
    evaluator = coco_evaluator.CocoEvaluator(args.annotations or "", predictor.categories, args.integer_boxes)
    if evaluator.groundtruth is not None:
        notes.say(args.annotations, evaluator.groundtruth.describe(), args.images)
    skipped = batch.collect_detections(predictor, listed, evaluator, progress.Progress("images"), search)
    for message in skipped:
        print(f"yolact: skipped, it has no detections: {message}", file=sys.stderr)
    evaluation = evaluator.evaluate(progress.report_comparisons()) if args.annotations else None
    weights = predictor.weights.as_dict() if predictor.weights else None
    measured = _Measured(evaluation, evaluator.box_results, evaluator.mask_results, skipped, weights)
    if not args.report:
        return measured
    return measured._replace(source=_describe_source(args, predictor, evaluator, measured, listed))


def _describe_source(
    args: argparse.Namespace, predictor: Any, evaluator: Any, measured: _Measured, listed: list[Any]
) -> Any:
    """Say what a report is on."""
    from official_yolact.reporting import report
    from official_yolact.serving import describing

    asked = {"tiles": args.tile, "integer_boxes": args.integer_boxes, "batch_size": args.batch_size}
    changed = {key: value for key, value in asked.items() if value} | _detection_options(args)
    model = describing.describe_model(predictor, args.model, args.precision, changed)
    why = "it could not be read, and counts as without detections"
    return report.Source(
        evaluator.groundtruth,
        measured.boxes,
        measured.masks,
        measured.evaluation,
        model=model,
        images=args.images,
        skipped=report.describe_skipped("picture", why, measured.skipped or []),
        notes=evaluator.groundtruth.describe(),
        grid=describing.find_grid(predictor, evaluator.grid, model["config"]),
        speed=_measure_speed(args, predictor, listed),
    )


def _measure_speed(args: argparse.Namespace, predictor: Any, listed: list[Any]) -> Any:
    """Time the first picture that can be read; None: there is none."""
    from official_yolact.serving import speed

    _say("timing the model")
    for one in listed:
        with contextlib.suppress(OSError, ValueError):
            return speed.measure_speed(predictor, one.path, args.precision)
    return None


def _say(line: str) -> None:
    print(f"yolact: {line}", file=sys.stderr)


def _list_images(args: argparse.Namespace) -> list[Any]:
    from official_yolact.evaluation import groundtruth
    from official_yolact.serving import sources

    if args.annotations or args.image_list:
        path = args.annotations or args.image_list
        listed = sources.list_annotated(groundtruth.load_images(path), args.images, path)
        if shared := sources.count_shared(listed):
            print(f"yolact: {path}: {shared} images of one file under several ids", file=sys.stderr)
        return listed
    pictures = sources.find_pictures([args.images])
    for line in sources.describe_unread([args.images]):
        print(f"yolact: {line}", file=sys.stderr)
    return [sources.ListedImage(index, path) for index, path in enumerate(pictures, start=1)]


def _write(args: argparse.Namespace, measured: _Measured, account: dict[str, Any]) -> None:
    """Write the files; if all results have boxes alone, none of masks, and the other way round."""
    from official_yolact.evaluation import results

    paths, rule = _list_results(args), {"inputs": _list_inputs(args), "force": args.force}
    evaluation, boxes, masks, *_ = measured
    if boxes or not masks:
        results.write_results(paths[0], boxes, **rule)
    if masks or not boxes:
        results.write_results(paths[1], masks, **rule)
    if evaluation is not None:
        outputs.write_json(paths[2], account, indent=1, **rule)


def _list_outputs(args: argparse.Namespace) -> list[str]:
    """List everything that may be written."""
    from official_yolact.reporting import report_files

    of_report = report_files.list_outputs(args.report) if args.report else []
    return [*of_report, *(_list_results(args) if args.output else [])]


def _list_results(args: argparse.Namespace) -> list[str]:
    from official_yolact.evaluation import results

    names = (results.BOX_FILE_NAME, results.MASK_FILE_NAME, "metrics.json")
    return [os.path.join(args.output, name) for name in names]


def _list_inputs(args: argparse.Namespace) -> list[str | None]:
    return [args.annotations, args.detections, args.image_list]
