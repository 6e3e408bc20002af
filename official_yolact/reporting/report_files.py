"""The folder of a report: `report.json`, `report.html`, and the COCO results that were measured."""

from __future__ import annotations

import os
from typing import Any

from official_yolact.evaluation import results as results_lib
from official_yolact.reporting import html_page
from official_yolact.reporting import report as report_lib
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs


def list_outputs(directory: str) -> list[str]:
    """List the files that `write_report` may write."""
    names = (
        schema.REPORT_FILE_NAME,
        html_page.FILE_NAME,
        results_lib.BOX_FILE_NAME,
        results_lib.MASK_FILE_NAME,
    )
    return [os.path.join(directory, name) for name in names]


def write_report(
    source: report_lib.Source,
    directory: str,
    *,
    inputs: outputs.Inputs = (),
    force: bool = False,
    say: report_lib.Say = lambda _: None,
) -> schema.Report:
    """Analyse an evaluation and write what was found out.

    Args:
      source: what is reported on.
      directory: folder to write to; made.
      inputs: as of `outputs.check`.
      force: as of `outputs.check`.
      say: of progress.

    Returns:
      The content of `report.json`.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: a place is taken.
    """
    for path in list_outputs(directory):
        outputs.check(path, inputs=inputs, force=force)
    report = report_lib.build_report(source, say)
    numbers, _, boxes, masks = list_outputs(directory)
    for path, results in ((boxes, source.boxes), (masks, source.masks)):
        if results:
            results_lib.write_results(path, list(results), inputs=inputs, force=force)
    outputs.write_json(numbers, report, inputs=inputs, force=force)
    say("drawing the page")
    html_page.write_page(report, directory, source.images, inputs=inputs, force=force)
    return report


def load_report(path: str) -> schema.Report:
    """Read a `report.json`.

    Raises:
      OSError: it cannot be read.
      ValueError: it is none, or of another format.
    """
    content: Any = json_text.load(path)
    if not isinstance(content, dict) or "format" not in content or "evaluated" not in content:
        raise ValueError(f"{path}: is no report: give what `yolact eval --report` wrote")
    if content["format"] != schema.FORMAT:
        raise ValueError(
            f"{path}: format is {content['format']!r}, and this version reads {schema.FORMAT}: write the "
            "report again"
        )
    report: schema.Report = content  # type: ignore[assignment]
    return report
