"""What a comparison compares: the detections of reports, of folders of `yolact eval`, of results files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from official_yolact.evaluation import groundtruth as groundtruth_lib
from official_yolact.evaluation import results as results_lib
from official_yolact.reporting import comparison
from official_yolact.reporting import report_files
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime.files import inputs

REPORT_FOLDER = "report"
"""In the folder of a run: where its report is."""


def find_annotations(paths: Sequence[str], annotations: str | None) -> str:
    """Find the annotation file of all.

    Args:
      paths: what is compared.
      annotations: the file that was named; None: that of the reports.

    Raises:
      OSError: it cannot be read.
      ValueError: no report among them names one, or two reports have different ones.
    """
    named: dict[str, schema.File] = {}
    for path in paths:
        report = _find_report(path)
        if report is not None:
            named[path] = report_files.load_report(report)["evaluated"]["annotations"]
    if annotations is None:
        if not named:
            raise ValueError(
                f"{paths[0]}: no report says which annotations it is on: name --annotations JSON"
            )
        annotations = next(iter(named.values()))["path"]
    with inputs.open_input(annotations) as file:
        _, digest = inputs.measure(file)
    for path, stated in named.items():
        if stated["sha256"] != digest:
            raise ValueError(
                f"{path}: is a report on {stated['path']} with sha256 {stated['sha256'][:12]}, and "
                f"{annotations} has {digest[:12]}: compare what was measured on the same annotations"
            )
    return annotations


def find_images(paths: Sequence[str]) -> str | None:
    """Find the folder of the photos that a report names; None: no report names one that is there."""
    reports = [report for report in map(_find_report, paths) if report is not None]
    folders = [report_files.load_report(report)["evaluated"]["images"] for report in reports]
    return next((folder for folder in folders if folder is not None and os.path.isdir(folder)), None)


def load_contestants(paths: Sequence[str], truth: groundtruth_lib.GroundTruth) -> list[comparison.Contestant]:
    """Read the detections of each.

    Args:
      paths: folders of reports, runs with a report, folders of `yolact eval --output`, or results files.
      truth: the annotations.

    Raises:
      OSError: a file cannot be read.
      ValueError: a folder has no detections, or they are malformed or of other images.
    """
    return [_load(path, name, truth) for path, name in zip(paths, _name(paths), strict=True)]


def _load(path: str, name: str, truth: groundtruth_lib.GroundTruth) -> comparison.Contestant:
    if not os.path.isdir(path):
        if os.path.basename(path) == schema.REPORT_FILE_NAME:
            return _load(os.path.dirname(path) or ".", name, truth)
        found = results_lib.load_results(path, truth)
        return comparison.Contestant(
            name, results_lib.select(found, "bbox"), results_lib.select(found, "segmentation")
        )
    report = _find_report(path)
    folder = os.path.dirname(report) if report is not None else path
    files = [os.path.join(folder, n) for n in (results_lib.BOX_FILE_NAME, results_lib.MASK_FILE_NAME)]
    there = [os.path.isfile(file) for file in files]
    if report is None and not any(there):
        raise ValueError(
            f"{path}: has neither a report nor detections: write them with `yolact eval {path} --images DIR "
            f"--annotations JSON --report {os.path.join(path, REPORT_FOLDER)}`"
        )
    boxes, masks = (
        results_lib.load_results(file, truth) if is_there else []
        for file, is_there in zip(files, there, strict=True)
    )
    return comparison.Contestant(
        name, results_lib.select(boxes, "bbox"), results_lib.select(masks, "segmentation")
    )


def _find_report(path: str) -> str | None:
    """Find the report of a folder, of a run, or of a `report.json`."""
    if os.path.basename(path) == schema.REPORT_FILE_NAME:
        return path
    for folder in (path, os.path.join(path, REPORT_FOLDER)):
        file = os.path.join(folder, schema.REPORT_FILE_NAME)
        if os.path.isfile(file):
            return file
    return None


def _name(paths: Sequence[str]) -> list[str]:
    """Name each by the end of its path, as much of it as tells all apart."""
    words = [os.path.normpath(path).split(os.sep) for path in paths]
    for count in range(1, max(map(len, words)) + 1):
        names = [os.sep.join(parts[-count:]) for parts in words]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({at})" for at, path in enumerate(paths, start=1)]
