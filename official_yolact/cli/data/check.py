"""`yolact data check`: what is wrong with a COCO JSON and its images."""

from __future__ import annotations

import argparse
import os
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress
from official_yolact_runtime.files import outputs


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="find what is wrong with annotations and images",
        description="Read a COCO instances file in any dialect and report what is wrong, what it does to"
        " training, and what repairs it. Exit code: 0 no errors or warnings, 1 findings, 2 unusable; with"
        " --fix, of the repaired file. Nothing is changed but the file of --output.",
    )
    options.add_annotations(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--images", metavar="DIR", help="folder of the images")
    where.add_argument("--no-images", action="store_true", help="do not look at image files")
    parser.add_argument(
        "--headers", action="store_true", help="read headers of images only: faster, finds less"
    )
    options.add_count(parser, "--workers", 2, "threads for images")
    parser.add_argument("--against", metavar="OTHER.json", help="another split: names, ids, the same photos")
    parser.add_argument("--against-images", metavar="DIR", help="folder of its images (that of --images)")
    parser.add_argument(
        "--input-size",
        type=int,
        nargs=2,
        default=[550, 550],
        metavar=("H", "W"),
        help="of the network (550 550)",
    )
    options.add_count(parser, "--max-instances", 100, "padding of the labels")
    parser.add_argument("--html", metavar="FILE", help="write a page with pictures of examples")
    parser.add_argument("--fix", action="store_true", help="write repaired annotations to --output")
    parser.add_argument("-o", "--output", metavar="FILE.json", help="where --fix writes")
    options.add_force(parser)
    parser.add_argument(
        "--leave", default="", metavar="CODES", help="codes that --fix leaves as they are: D03,D07"
    )
    parser.add_argument(
        "--yes", action="store_true", help="let --fix remove more than a tenth of the images or objects"
    )
    options.set_run(parser, run, "the findings")


def run(args: argparse.Namespace) -> int:
    """Check a data set."""
    from official_yolact.data.checking import check
    from official_yolact.data.checking import meaning
    from official_yolact.data.checking import repair
    from official_yolact.data.checking import report

    if args.fix != bool(args.output):
        raise ValueError("--fix and --output belong together: name the file to write")
    repair.parse_codes(args.leave)
    _check_outputs(args)
    chosen = check.Options(
        images_dir=args.images,
        against=args.against,
        against_images_dir=args.against_images,
        target=meaning.Target((args.input_size[0], args.input_size[1]), args.max_instances),
        decode=not args.headers,
        workers=args.workers,
    )
    checked = check.check_file(args.annotations, chosen, progress.Progress("images"))
    rows = report.to_rows(checked.found, checked.view)
    _show(report.format_table(rows, args.annotations), args.json)
    result = {
        "annotations": args.annotations,
        "sha256": checked.sha256,
        "images": len(checked.view.images),
        "instances": len(checked.view.annotations),
        "categories": len(checked.view.categories),
        "severities": report.count_severities(rows),
        "findings": rows,
    }
    repaired = _repair(args, checked, chosen.target) if args.fix else None
    if args.html:
        from official_yolact.data.checking import page

        page.write(args.html, checked, rows, args.images, inputs=_list_inputs(args), force=args.force)
    if repaired is not None:
        rows, result["fixed"] = _write_repaired(args, repaired)
    options.print_json(args, result)
    return int(report.has_faults(rows))


def _repair(args: argparse.Namespace, checked: Any, target: Any) -> Any:
    """Repair the annotations; raises ValueError where too much would be lost, before anything is written."""
    from official_yolact.data.checking import repair

    repaired = repair.repair(checked, target, repair.parse_codes(args.leave))
    if not args.yes:
        repaired.account.refuse_large_loss()
    return repaired


def _write_repaired(args: argparse.Namespace, repaired: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write the repaired annotations; return the findings that are left, and what was repaired."""
    from official_yolact.data.checking import repair
    from official_yolact.data.checking import report

    repair.write(args.output, repaired.view.content, inputs=_list_inputs(args), force=args.force)
    left = report.to_rows(repaired.found, repaired.view)
    _show(repair.format_summary(repaired, args.output, left), args.json)
    account = repaired.account.to_json()
    removed = {name: sum(section["removed"].values()) for name, section in account.items()}
    done = {"repaired": repaired.counts, "removed": removed, "account": account, "findings": left}
    return left, {"output": args.output, **done}


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse outputs that would destroy something, before the images are read."""
    paths = [path for path in (args.html, args.output) if path]
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise ValueError(f"{args.html}: is named for --html and for --output: name two files")
    for path in paths:
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise FileNotFoundError(f"{path}: there is no such folder: make it, or name another file")
        outputs.check(path, inputs=_list_inputs(args), force=args.force)


def _list_inputs(args: argparse.Namespace) -> list[str | outputs.Folder | None]:
    """List what is read: the annotations, and the folders of images."""
    folders = [outputs.Folder(path) for path in (args.images, args.against_images) if path]
    return [args.annotations, args.against, *folders]


def _show(text: str, as_json: bool) -> None:
    if as_json:
        progress.say(text)
    else:
        print(text)
