"""`report.html`: a report as one file that opens without a network."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from official_yolact.reporting import html_file
from official_yolact.reporting import html_pictures
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime.files import outputs

FILE_NAME = "report.html"
_SCRIPTS = ("elements", "charts", "tables", "matrix", "pictures", "sections", "galleries", "main")
_MOST_CURVES = 300
"""With more classes, of a curve only every tenth point is kept."""


def write_page(
    report: schema.Report,
    directory: str,
    images: str | None = None,
    *,
    inputs: outputs.Inputs = (),
    force: bool = False,
) -> str:
    """Write the page of a report.

    Args:
      report: what it shows.
      directory: folder to write `report.html` to; made.
      images: folder of the photos. Without it, or without a photo, objects are drawn alone.
      inputs: as of `outputs.check`.
      force: as of `outputs.check`.

    Returns:
      The path of the page.

    Raises:
      OSError: it cannot be written.
      ValueError: the place is taken; names it and the cure.
    """
    path = os.path.join(directory, FILE_NAME)
    outputs.check(path, inputs=inputs, force=force)
    outputs.write(path, format_page(report, images), inputs=inputs, force=force)
    return path


def format_page(report: schema.Report, images: str | None = None) -> bytes:
    """Make the page, its photos so small that it keeps its limit; arguments as of `write_page`."""
    pictures = html_pictures.Pictures(images)
    return html_file.fit(report["title"], lambda detail: _embed(report, pictures, detail), _SCRIPTS)


def _embed(
    report: schema.Report, pictures: html_pictures.Pictures, detail: html_pictures.Detail
) -> dict[str, Any]:
    """Choose what the page holds: `report.json` with short curves and cells, and `pictures` by image id."""
    listed: Any = report["images"]
    shown: dict[str, list[Any]] = {}
    drawn: dict[int, html_pictures.Picture] = {}
    for name in ("worst", "best", "label_errors"):
        shown[name] = []
        for image in listed[name]:
            drawn[image["id"]], objects = pictures.draw(image, detail)
            shown[name].append(objects)
    return {
        **report,
        "measurements": {kind: _shorten(each) for kind, each in report["measurements"].items()},
        "images": {**report["images"], **shown},
        "pictures": drawn,
    }


def _shorten(kind: schema.KindReport) -> dict[str, Any]:
    """Leave out of the curves what a chart cannot show, and write confusions as (truth, found, count)."""
    curves = kind["curves"]
    step = 1 if len(curves["classes"]) <= _MOST_CURVES else 10
    return {
        **kind,
        "curves": {
            "iou": curves["iou"],
            "recalls": curves["recalls"][::step],
            "mean": _round(curves["mean"][::step]),
            "classes": [
                {"id": each["id"], "precision": _round(each["precision"][::step])}
                for each in curves["classes"]
            ],
        },
        "confusion": [
            {**each, "cells": [[cell["truth"], cell["found"], cell["count"]] for cell in each["cells"]]}
            for each in kind["confusion"]
        ],
    }


def _round(numbers: Iterable[float | None]) -> list[float | None]:
    return [None if number is None else round(number, 3) for number in numbers]
