"""`report.html`: a report as one file that opens without a network."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterable
from typing import Any

from official_yolact.reporting import html_pictures
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

FILE_NAME = "report.html"
MAX_BYTES = 14_500_000
"""Of the page: photos are made smaller until it is no larger."""

_ASSETS = os.path.join(os.path.dirname(__file__), "page")
_SCRIPTS = ("elements", "charts", "tables", "matrix", "pictures", "sections", "galleries", "main")
_MOST_CURVES = 300
"""With more classes, of a curve only every tenth point is kept."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<p id="page">This page is drawn by its own script, which this browser does not run.</p>
<script type="application/json" id="report">{data}</script>
<script>{script}</script>
</body>
</html>
"""


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
    """Make the page, its photos so small that it keeps `MAX_BYTES`; arguments as of `write_page`."""
    pictures = html_pictures.Pictures(images)
    page = b""
    for detail in html_pictures.DETAILS:
        page = _fill(report["title"], _embed(report, pictures, detail))
        if len(page) <= MAX_BYTES:
            break
    return page


def _fill(title: str, data: dict[str, Any]) -> bytes:
    """Put data, style and script into the page, whose policy allows these alone and no address."""
    style = _read("report.css")
    script = "(() => {\n" + "\n".join(_read(f"{name}.js") for name in _SCRIPTS) + "})();\n"
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    # In JSON `<` occurs inside strings alone; written as its escape it ends no element.
    text = json_text.dump(data, separators=(",", ":")).replace("<", "\\u003c")
    shown = html.escape(title)
    page = _PAGE.format(policy=policy, title=shown, style=style, data=text, script=script)
    return page.encode(errors="replace")


def _read(name: str) -> str:
    with open(os.path.join(_ASSETS, name), encoding="utf-8") as file:
        return file.read()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


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
