"""Tasks of an export of Label Studio, as JSON or JSON-MIN: photos and what was said of each.

Source: the format is that of Label Studio 1: https://labelstud.io/guide/export.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Any

from official_yolact.coco import other_formats
from official_yolact.images import image_folders
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text

_LABELS = re.compile(r"[a-z]*labels")
_LISTS = ("annotations", "completions")


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What one person, or a model, said of a photo: results, and what the choice between several needs."""

    where: str
    results: list[Any]
    author: tuple[str, ...]
    order: tuple[bool, str, int]


@dataclasses.dataclass
class Task:
    """A photo of the export: the names that it may have, and its annotations."""

    where: str
    names: list[str]
    annotations: list[Annotation]


def read(source: str, use_predictions: bool, skipped: collections.Counter[str]) -> list[Task]:
    """Read an export.

    Args:
      source: JSON file.
      use_predictions: use the last prediction for photos that nobody has annotated.
      skipped: counts cancelled annotations, and predictions that are not used for want of an annotation.

    Returns:
      Its tasks, at least one.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, the task, the field, its value and the cure.
    """
    content = json_text.load(source, finite=False)
    if isinstance(content, dict) and "data" in content:
        content = [content]
    if not isinstance(content, list):
        found = other_formats.describe(source)
        what = f"but {found}" if found else "which is a list of tasks"
        raise ValueError(f"{source}: no export of Label Studio, {what}")
    tasks = []
    for at, task in enumerate(content):
        where = f"{source}: task [{at}]"
        if not isinstance(task, dict):
            raise ValueError(f"{where} is {values.shorten(task)}: a task has data and annotations")
        if isinstance(task.get("data"), dict):
            tasks.append(_read_task(where, task, use_predictions, skipped))
        else:
            tasks.append(_read_short(where, task))
    if not tasks:
        raise ValueError(f"{source}: lists no tasks: export the annotations again")
    return tasks


def _read_task(
    where: str, task: dict[str, Any], use_predictions: bool, skipped: collections.Counter[str]
) -> Task:
    listed: Any = next((task[key] for key in _LISTS if key in task), [])
    kept = []
    for at, entry in enumerate(_check_list(f"{where}: annotations", listed)):
        if entry.get("was_cancelled") or entry.get("skipped"):
            skipped["cancelled_annotation"] += 1
        else:
            kept.append(_read_annotation(f"{where}: annotations[{at}]", entry))
    predictions = _check_list(f"{where}: predictions", task.get("predictions") or [])
    if predictions and not kept:
        if use_predictions:
            at = len(predictions) - 1
            kept = [_read_annotation(f"{where}: predictions[{at}]", predictions[at])]
        else:
            skipped["prediction_of_a_model"] += len(predictions)
    names = _find_names(task["data"])
    upload = task.get("file_upload")
    names += [upload] if isinstance(upload, str) and upload not in names else []
    return Task(where, names, kept)


def _check_list(where: str, listed: Any) -> list[dict[str, Any]]:
    if not isinstance(listed, list):
        raise ValueError(f"{where} is {values.shorten(listed)}: give a list")
    # Numbers stand for predictions and annotations in some exports.
    return [entry for entry in listed if isinstance(entry, dict)]


def _read_annotation(where: str, entry: dict[str, Any]) -> Annotation:
    results = entry.get("result")
    if not isinstance(results, list):
        raise ValueError(f"{where}: result is {values.shorten(results)}: give a list")
    person = entry.get("completed_by")
    known = [person.get("id"), person.get("email")] if isinstance(person, dict) else [person]
    author = tuple(values.parse_name(one) for one in known if one is not None)
    return Annotation(where, results, author, _order(entry, entry.get("id")))


def _read_short(where: str, task: dict[str, Any]) -> Task:
    """Read a task of JSON-MIN, whose results lie under the names of the labeling tags."""
    results = []
    for listed in task.values():
        if isinstance(listed, list):
            results += [{"value": one, **one} for one in listed if isinstance(one, dict) and find_labels(one)]
    author = (values.parse_name(task.get("annotator")),)
    one = Annotation(where, results, author, _order(task, task.get("annotation_id")))
    return Task(where, _find_names(task), [one])


def _order(entry: dict[str, Any], number: Any) -> tuple[bool, str, int]:
    changed = entry.get("updated_at") or entry.get("created_at")
    return (
        entry.get("ground_truth") is True,
        changed if isinstance(changed, str) else "",
        number if isinstance(number, int) else 0,
    )


def _find_names(data: dict[str, Any]) -> list[str]:
    """List the texts of a task that may name its photo, the likeliest first."""
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    pictures = [
        value for value in texts.values() if image_folders.is_picture(value.split("?d=")[-1].split("?")[0])
    ]
    return [texts["image"]] if "image" in texts else pictures


def find_labels(value: dict[str, Any]) -> list[str]:
    """List the labels of a shape, whatever kind of labels they are."""
    return [
        name
        for key, listed in value.items()
        if _LABELS.fullmatch(key) and isinstance(listed, list)
        for name in listed
        if isinstance(name, str) and name.strip()
    ]
