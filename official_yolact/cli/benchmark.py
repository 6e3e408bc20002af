"""`yolact benchmark`: how long models and exports take for a photo, part by part."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from official_yolact.cli import detection_options
from official_yolact.cli import options

_PARTS = ("decode", "network", "suppression", "masks", "draw", "total")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "benchmark",
        help="time models and exports, part by part",
        description=(
            "Time how a photo becomes masks: milliseconds of a picture to decode it, for the network, for "
            "suppression, for the masks of all detections at full size, and to draw them. Each model is "
            "loaded in a process of its own, all are timed in turn, and each is compared with the first."
        ),
    )
    options.add_model(
        parser, kinds="model directory, or the folder or a file of an export", dest="models", nargs="+"
    )
    parser.add_argument(
        "--photo", metavar="FILE", help="picture to predict (default: 480x640 pixels of noise)"
    )
    parser.add_argument(
        "--batch",
        type=_numbers,
        default=(1, 8),
        metavar="N,N",
        help="pictures that are given at once (default: 1,8)",
    )
    detection_options.add_positive(
        parser, "--rounds", 15, "how often everything is timed (default: %(default)s)"
    )
    detection_options.add_positive(
        parser, "--threads", None, "of the network (default: what the runtime chooses)"
    )
    parser.add_argument(
        "--precision",
        type=_precisions,
        default=("float32", "auto"),
        metavar="P,P",
        help=f"of trained models, some of {', '.join(detection_options.PRECISIONS)} (default: float32,auto)",
    )
    parser.add_argument("--annotations", metavar="JSON", help="COCO annotations: measure AP, too")
    parser.add_argument("--images", metavar="DIR", help="folder of their images")
    options.set_run(parser, run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from official_yolact.cli import progress
    from official_yolact.serving import benchmark

    if bool(args.annotations) != bool(args.images):
        raise ValueError("--annotations JSON and --images DIR belong together: name both, or none")
    settings = benchmark.Settings(
        photo=args.photo or _draw_photo(),
        batches=args.batch,
        rounds=args.rounds,
        threads=args.threads,
        annotations=args.annotations,
        images=args.images,
    )
    targets = benchmark.list_targets(list(map(options.find_model, args.models)), args.precision)
    rows = benchmark.run(targets, settings, progress.Progress("rounds"))
    print(_format(rows, benchmark.TOGETHER))
    print("milliseconds of a picture, medians; x: total over that of the first model", file=sys.stderr)
    options.print_json(args, {"results": rows, "threads": args.threads, "cores": os.cpu_count()})
    return 0


def _format(rows: list[dict[str, Any]], together: str) -> str:
    """Lay out the results, one line for each model and batch."""
    has_precision = any("mask_AP" in row or "box_AP" in row for row in rows)
    heading = ["model", "runtime", "batch", *_PARTS, "x", "p95", "first s", "MB", "memory MB"]
    table = [heading + (["box AP", "mask AP"] if has_precision else [])]
    for row in rows:
        times = row["milliseconds"]
        cells = [f"{times[part]['median']:.1f}" if part in times else "" for part in _PARTS]
        if together in times:
            cells[1:3] = [f"{together}:", f"{times[together]['median']:.1f}"]
        line = [row["model"], row["runtime"], str(row["batch"]), *cells]
        line += [f"{row['over_first']['total']:.2f}", f"{times['total']['p95']:.1f}", f"{row['first_s']:.1f}"]
        line += [f"{row['size_mb']:.1f}", f"{row['memory_mb']:.0f}"]
        if has_precision:
            line += [f"{100 * row[name]:.1f}" if name in row else "" for name in ("box_AP", "mask_AP")]
        table.append(line)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def _draw_photo() -> bytes:
    """Draw blobs of colour: a JPEG file of 480x640."""
    import io

    import numpy as np
    from PIL import Image

    blobs = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    buffer = io.BytesIO()
    blobs.resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them."""
    return tuple(dict.fromkeys(detection_options.positive(word) for word in text.split(",")))


def _precisions(text: str) -> tuple[str, ...]:
    """Read precisions with commas between them."""
    words = tuple(dict.fromkeys(text.split(",")))
    for word in words:
        if word not in detection_options.PRECISIONS:
            known = ", ".join(detection_options.PRECISIONS)
            raise argparse.ArgumentTypeError(f"{word!r} is not a precision: expected some of {known}")
    return words
