"""The card of a model, README.md: what it finds, how well, on which data, and how it is used."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from official_yolact.configs import yaml_document
from official_yolact.records import manifest
from official_yolact.reporting import report_schema
from official_yolact.serving import shipping
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import export_info
from official_yolact_runtime import model_files
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import json_text

_METRICS_FILE = "metrics.json"
_REPORT_FILES = (
    report_schema.REPORT_FILE_NAME,
    os.path.join("report", report_schema.REPORT_FILE_NAME),
)
_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_MOST_CLASSES = 100
_NOT_STATED = "not stated"
_NO_SPEED = "The speed was not measured: `yolact benchmark MODEL` does."
_TAGS = ("instance-segmentation", "yolact", "tensorflow")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a model; what is unknown is empty.

    Attributes:
      title: of the card.
      license: of the weights, as the hub spells it: `apache-2.0`.
      data_license: of the photos and annotations, in words.
      categories: what it finds.
      network: lines of a list: backbone, input size and the like.
      data: lines of a list: which records it learned from, how many photos and objects.
      classes: by name, `objects` measured on and AP in 0..1.
      ap: `box` and `mask` to the numbers of COCO in 0..1, each (value, low, high) or (value, None, None).
      measured: on what the AP was measured.
      threshold: a sentence about the recommended one.
      speed: a sentence; empty: it was not measured.
      files: size in bytes by name.
    """

    title: str
    license: str
    data_license: str
    categories: categories_lib.Categories
    network: Sequence[str]
    data: Sequence[str]
    classes: Mapping[str, Mapping[str, Any]]
    ap: Mapping[str, Mapping[str, tuple[float, float | None, float | None]]]
    measured: str
    threshold: str
    speed: str
    files: Mapping[str, int]


def collect(
    model: str, *, report: str | None = None, title: str = "", license: str = "", data_license: str = ""
) -> Facts:
    """Collect what the files of a model say.

    Args:
      model: a model directory, or the folder of an export.
      report: a report.json; None: that in the folder, if there is one.
      title: of the card; empty: the folder's name.
      license: of the weights; empty: not stated.
      data_license: of the photos; empty: not stated.

    Returns:
      The facts.

    Raises:
      OSError: a file is missing or cannot be read.
      ValueError: one is malformed.
    """
    files = shipping.list_files(model)
    sizes = {name: os.path.getsize(path) for name, path in files.items() if name != shipping.CARD}
    if os.path.isfile(os.path.join(model, model_files.EXPORT_FILE)):
        info = export_info.ExportInfo.load(model).model
        categories, network, data = info.categories, _describe_export(info), []
    else:
        categories = categories_lib.Categories.load(files[categories_lib.FILE_NAME])
        document = yaml_document.YamlDocument(
            inputs.read(files[model_files.PARAMS_FILE]).decode("utf-8-sig"), files[model_files.PARAMS_FILE]
        )
        network, data = _describe_network(document.data), _describe_data(document.data)
    measured = _read_measured(model, report)
    return Facts(
        title=title or os.path.basename(os.path.abspath(model)),
        license=license,
        data_license=data_license,
        categories=categories,
        network=network,
        data=[*_describe_import(files.get("import.json")), *data],
        files=sizes,
        **measured,
    )


def format_card(facts: Facts) -> str:
    """Write the card as Markdown, with the head that a hub of models reads."""
    sections = [
        _format_head(facts),
        f"# {_escape(facts.title)}\n",
        f"Finds {len(facts.categories.names)} classes of objects in photos, each with its box and its mask: a"
        " YOLACT model of official_yolact.\n",
        "## Use\n\n```sh\npip install official-yolact\nyolact predict MODEL photo.jpg --output out\n```\n\n"
        '```python\nimport official_yolact\n\ndetections = official_yolact.load("MODEL")("photo.jpg")\n'
        "detections.names, detections.scores, detections.boxes, detections.masks\n```\n\n"
        "MODEL is the folder of this card, or its address on a hub, `hf://OWNER/NAME`.\n",
        f"## Network\n\n{_format_list(facts.network)}",
        f"## Data\n\n{_format_list(facts.data)}",
        _format_ap(facts),
        _format_classes(facts),
        f"## Threshold\n\n{facts.threshold}\n",
        f"## Speed and size\n\n{facts.speed or _NO_SPEED}\n\n"
        + _format_list([f"`{name}`: {size / 1e6:.2f} MB" for name, size in facts.files.items()]),
        "## Licence\n\n"
        + _format_list(
            [
                f"weights: {facts.license or _NOT_STATED}",
                f"photos and annotations: {facts.data_license or _NOT_STATED}",
                "program: Apache-2.0",
            ]
        ),
    ]
    return "\n".join(section for section in sections if section)


def _format_head(facts: Facts) -> str:
    lines = [f"license: {facts.license}"] if facts.license else []
    lines += ["library_name: official-yolact", "pipeline_tag: image-segmentation", "tags:"]
    lines += [f"- {tag}" for tag in _TAGS]
    return "\n".join(["---", *lines, "---\n"])


def _format_ap(facts: Facts) -> str:
    if not facts.ap:
        return "## Accuracy\n\nNot measured: `yolact eval MODEL --images DIR --annotations JSON` does.\n"
    columns = [name for name in _COLUMNS if any(name in numbers for numbers in facts.ap.values())]
    rows = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for kind, numbers in facts.ap.items():
        cells = [_format_number(numbers.get(name, (-1.0, None, None))) for name in columns]
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    has_interval = any(low is not None for one in facts.ap.values() for _, low, _ in one.values())
    interval = " In brackets: the 95 % interval, from a bootstrap over the images." if has_interval else ""
    table = "\n".join(rows)
    return f"## Accuracy\n\nCOCO's average precision in percent, {facts.measured}.{interval}\n\n{table}\n"


def _format_number(number: tuple[float, float | None, float | None]) -> str:
    value, low, high = number
    if value < 0:
        return ""
    interval = f" ({100 * low:.1f}–{100 * high:.1f})" if low is not None and high is not None else ""
    return f"{100 * value:.1f}{interval}"


def _format_classes(facts: Facts) -> str:
    names = facts.categories.names
    if not facts.classes:
        listed = ", ".join(map(_escape, names[:_MOST_CLASSES]))
        more = f", and {len(names) - _MOST_CLASSES} more" if len(names) > _MOST_CLASSES else ""
        return f"## Classes\n\n{listed}{more}\n"
    rows = ["| class | objects measured on | box AP | mask AP |", "|---|---|---|---|"]
    for name in names[:_MOST_CLASSES]:
        found = facts.classes.get(name, {})
        cells = [_format_number((found.get(f"{kind}_AP", -1.0), None, None)) for kind in ("box", "mask")]
        rows.append(f"| {_escape(name)} | {found.get('objects', 0):.0f} | {' | '.join(cells)} |")
    if len(names) > _MOST_CLASSES:
        rows.append(f"\nThe first {_MOST_CLASSES} of {len(names)} classes.")
    table = "\n".join(rows)
    return f"## Classes\n\n{table}\n"


def _format_list(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines) or f"{_NOT_STATED.capitalize()}.\n"


def _escape(text: str) -> str:
    """Write a name in one line in which nothing is markup."""
    line = json_text.escape_control(" ".join(text.split()))
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|" else letter for letter in line)


def _describe_network(document: Any) -> list[str]:
    model = _dig(document, "task", "model")
    backbone = _dig(model, "backbone")
    chosen = backbone.get("type") if isinstance(backbone, dict) else None
    settings = _dig(backbone, chosen) if chosen else {}
    kind = ", ".join(f"{key} {value}" for key, value in sorted(settings.items()) if _is_telling(key))
    size = _dig(model, "input_size")
    lines = [f"backbone: {chosen}{f' ({kind})' if kind else ''}"] if chosen else []
    if isinstance(size, list) and len(size) == 2:
        lines.append(f"input: {size[0]} × {size[1]} pixels")
    if _dig(model, "mask_rescoring") is True:
        lines.append("masks have scores of their own (YOLACT++)")
    return lines


def _is_telling(key: str) -> bool:
    return key in ("depth", "model_id", "depth_multiplier", "filter_size_scale")


def _describe_export(info: export_info.ModelInfo) -> list[str]:
    height, width = info.input_size
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    lines = [f"input: {height} × {width} pixels", f"at most {info.max_detections} detections of a photo"]
    return [*lines, f"written by {versions}"] if versions else lines


def _describe_data(document: Any) -> list[str]:
    """Say how many photos and objects the records have, where they can still be read."""
    lines = []
    for section, what in (("train_data", "trained on"), ("validation_data", "validated on")):
        pattern = _dig(document, "task", section, "input_path")
        if not isinstance(pattern, str) or not pattern:
            continue
        split = os.path.basename(pattern).partition("-")[0]
        path = os.path.join(os.path.dirname(pattern), manifest.file_name(split))
        try:
            found = manifest.Manifest.load(path)
        except (OSError, ValueError):
            continue
        source = os.path.basename(found.source.get("annotations", ""))
        origin = f" of {_escape(source)}" if source else ""
        lines.append(f"{what} {found.num_records:,} photos with {found.num_instances:,} objects{origin}")
    return lines


def _describe_import(path: str | None) -> list[str]:
    content = json_text.load(path) if path else {}
    published = content.get("published") or os.path.basename(str(content.get("file", "")))
    return (
        [f"weights imported from {_escape(published)}, sha256 {content.get('sha256')}"] if published else []
    )


def _dig(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return {} if content is None else content


def _read_measured(model: str, report: str | None) -> dict[str, Any]:
    """Read what was measured: from a report, else from metrics.json."""
    paths = [report] if report else [os.path.join(model, name) for name in _REPORT_FILES]
    for path in paths:
        if report or os.path.isfile(path):
            return _read_report(path)
    unknown = {
        "classes": {},
        "ap": {},
        "measured": "",
        "threshold": "`yolact predict` shows what has a score of at least 0.3; no better one was measured.",
        "speed": "",
    }
    path = os.path.join(model, _METRICS_FILE)
    if not os.path.isfile(path):
        return unknown
    content = json_text.load(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected an object, as `yolact eval` writes it")
    ap = {
        kind: {
            name: (float(content[f"{kind}_{name}"]), None, None)
            for name in _COLUMNS
            if isinstance(content.get(f"{kind}_{name}"), (int, float))
        }
        for kind in ("box", "mask")
        if f"{kind}_AP" in content
    }
    classes = content.get("classes")
    return {
        **unknown,
        "ap": ap,
        "classes": classes if isinstance(classes, dict) else {},
        "measured": "of the last evaluation of the training",
    }


def _read_report(path: str) -> dict[str, Any]:
    """Read what a report.json says of the model."""
    report = json_text.load(path)
    if not isinstance(report, dict) or report.get("format") != report_schema.FORMAT:
        raise ValueError(f"{path}: is no report of format {report_schema.FORMAT}: run `yolact eval` again")
    measurements = report["measurements"]
    ap = {
        kind: {
            name: (number["value"], number["low"], number["high"])
            for name, number in found["numbers"].items()
            if name in _COLUMNS and number["value"] is not None
        }
        for kind, found in measurements.items()
    }
    classes: dict[str, dict[str, Any]] = {}
    for kind, found in measurements.items():
        for row in found["by_class"]:
            entry = classes.setdefault(row["name"], {"objects": row["objects"]})
            if row["AP"]["value"] is not None:
                entry[f"{kind}_AP"] = row["AP"]["value"]
    counts = report["evaluated"]["counts"]
    return {
        "ap": ap,
        "classes": classes,
        "measured": f"on {counts['images']:,} images with {counts['objects']:,} objects",
        "threshold": _describe_threshold(measurements[report["main"]]["thresholds"]["recommended"]),
        "speed": _describe_speed(report["speed"]),
    }


def _describe_threshold(best: Mapping[str, float] | None) -> str:
    if best is None:
        return "No threshold has a true detection."
    return (
        f"`--score-threshold {best['threshold']:.2f}` has the best F1, {best['f1']:.2f}: a precision of"
        f" {best['precision']:.2f} at a recall of {best['recall']:.2f} (IoU 0.5)."
    )


def _describe_speed(speed: Mapping[str, Any] | None) -> str:
    if not speed:
        return ""
    times = ", ".join(
        f"{row['parts']['total']['median']:.1f} ms a photo with {row['batch']} at once"
        for row in speed["rows"]
        if "total" in row["parts"]
    )
    height, width = speed["photo"]
    how = f"{speed['runtime']}, {speed['precision']}, {speed['device']}"
    return f"{times}: {how}, a photo of {height} × {width}."
