"""`yolact compare`: which of several evaluations is better, and whether that is chance."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Literal

from official_yolact.cli import options
from official_yolact_runtime.files import outputs

if TYPE_CHECKING:
    from official_yolact.reporting import comparison

_SHOWN = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
_MOST_CLASSES = 10
_MOST_IMAGES = 5


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "compare",
        help="tell which of several evaluations is better, and whether that is chance",
        description=(
            "Compare evaluations on the same annotations with the first of them: differences of AP with "
            "95 % intervals from a paired bootstrap over the images, per size and class, and the images that "
            "changed most."
        ),
    )
    parser.add_argument(
        "evaluations",
        nargs="+",
        metavar="A B",
        help="two or more: folders of `yolact eval --report` or --output, runs with one, or COCO results",
    )
    parser.add_argument(
        "--annotations", metavar="JSON", help="COCO instance annotations (default: those of the reports)"
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write compare.html there: the differences, and the images that changed most side by side",
    )
    parser.add_argument(
        "--images", metavar="DIR", help="folder of the photos of that page (default: that of the reports)"
    )
    options.add_force(parser)
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.evaluation import groundtruth
    from official_yolact.reporting import comparison
    from official_yolact.reporting import contestants
    from official_yolact.reporting import html_comparison

    if args.images and not args.report:
        raise ValueError("--images are for the page: name --report DIR to write it")
    if len(args.evaluations) < 2:
        raise ValueError(f"{args.evaluations[0]}: name two evaluations, or more, to compare")
    path = contestants.find_annotations(args.evaluations, args.annotations)
    rule = {"inputs": [path, *args.evaluations], "force": args.force}
    if args.report:
        outputs.check(os.path.join(args.report, html_comparison.FILE_NAME), **rule)
    truth = groundtruth.load_groundtruth(path)
    compared = comparison.compare(truth, contestants.load_contestants(args.evaluations, truth))
    for pair in compared.comparison["pairs"]:
        print(_format(pair))
    if args.report:
        images = args.images or contestants.find_images(args.evaluations)
        page = html_comparison.write_page(compared, truth.categories, args.report, images, **rule)
        print(f"page: {page}")
    options.print_json(args, dict(compared.comparison))
    return 0


def _format(pair: comparison.Pair) -> str:
    """Lay out what two evaluations differ in, in points."""
    lines = [pair["verdict"]]
    width = max(len(pair["first"]), len(pair["second"]), 7)
    for kind, found in pair["kinds"].items():
        lines.append(
            f"{kind:<24}{pair['first']:>{width}}  {pair['second']:>{width}}  difference (95 % interval)"
        )
        numbers = [each for each in found["numbers"] if each["name"] in _SHOWN]
        changed = [each for each in found["by_class"] if each["difference"] is not None]
        changed.sort(key=lambda each: -abs(each["difference"] or 0.0))
        lines += [_format_row(each, width) for each in (*numbers, *changed[:_MOST_CLASSES])]
        if len(changed) > _MOST_CLASSES:
            lines.append(f"({_MOST_CLASSES} of {len(changed)} classes, those that changed most)")
    whats: tuple[Literal["better"], Literal["worse"]] = ("better", "worse")
    for what in whats:
        images = pair[what][:_MOST_IMAGES]
        if images:
            named = ", ".join(f"{each['file_name']} ({each['change']:+.1f})" for each in images)
            lines.append(f"images where {pair['second']} is {what} (cost of the mistakes): {named}")
    return "\n".join(lines)


def _format_row(each: comparison.Difference, width: int) -> str:
    from official_yolact.evaluation import table

    name = f"  {table.shorten(each['name'])[:20]:<22}"
    change, low, high = each["difference"], each["low"], each["high"]
    if change is None:
        return f"{name}{'-':>{width}}  {'-':>{width}}"
    row = f"{name}{100 * (each['first'] or 0):>{width}.1f}  {100 * (each['second'] or 0):>{width}.1f}"
    row += f"  {100 * change:+.1f}"
    if low is not None and high is not None:
        row += f" ({100 * low:+.1f} to {100 * high:+.1f})" + ("" if each["told_apart"] else "  may be chance")
    return row
