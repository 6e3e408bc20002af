"""The curves of a run as one picture: losses, AP, learning rate and speed over steps."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import ticker
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from official_yolact.files import storage
from official_yolact.training.reports import results_table

FILE_NAME = "results.png"
_LOSSES = (
    "total_loss",
    "class_loss",
    "box_loss",
    "mask_loss",
    "semantic_loss",
    "mask_iou_loss",
    "quality_loss",
)
_METRICS = (("mask_AP", "-"), ("mask_AP50", "--"), ("box_AP", "-"), ("box_AP50", "--"))
_MAX_POINTS = 2000

_Row = Mapping[str, str]


def draw_curves(rows: Sequence[_Row], path: str) -> None:
    """Draw the rows of `results_table.ResultsTable.read`.

    Args:
      rows: of one run; without any, the axes are empty.
      path: PNG file, replaced in one step.
    """
    # No pyplot: it keeps every figure in a registry of the process, and may open a window.
    figure = Figure(figsize=(12, 7.5), dpi=100, layout="constrained")
    train = [row for row in rows if row["kind"] == results_table.TRAIN]
    evaluations = [row for row in rows if row["kind"] == results_table.EVAL]
    (losses, metrics), (rates, speed) = figure.subplots(2, 2)
    _draw_losses(losses, train)
    _draw_metrics(metrics, evaluations)
    _draw_pair(rates, train, ("learning_rate", "learning rate"), ("gradient_norm", "gradient norm"))
    _draw_pair(speed, train, ("images_per_second", "images/s"), ("input_wait", "input wait (share)"))
    for axes in (losses, metrics, rates, speed):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        axes.grid(visible=True, alpha=0.3)
    encoded = io.BytesIO()
    backend_agg.FigureCanvasAgg(figure).print_png(encoded)
    storage.store(path, [encoded.getvalue()])


def read_series(rows: Sequence[_Row], name: str) -> tuple[list[int], list[float]]:
    """Read a column as steps and values, in the order of steps; cells without a finite value are left out.

    Of more than 2,000 rows every n-th is read, and the last.
    """
    points = sorted((int(row["step"]), float(row[name])) for row in rows if row.get(name))
    points = [point for point in points if math.isfinite(point[1])]
    every = math.ceil(len(points) / _MAX_POINTS) or 1
    kept = points[::every]
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return [step for step, _ in kept], [value for _, value in kept]


def _draw_losses(axes: Any, rows: Sequence[_Row]) -> None:
    positive = True
    for name in _LOSSES:
        steps, values = read_series(rows, name)
        if not steps:
            continue
        positive = positive and min(values) > 0
        axes.plot(
            steps,
            values,
            label=name.replace("_", " "),
            linewidth=2 if name == "total_loss" else 1.2,
            **_dot(steps),
        )
    axes.set_title("losses of training")
    if axes.lines:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
        if positive:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _draw_metrics(axes: Any, rows: Sequence[_Row]) -> None:
    colors = {"mask": "tab:blue", "box": "tab:orange"}
    for name, style in _METRICS:
        steps, values = read_series(rows, name)
        points = [(step, 100 * value) for step, value in zip(steps, values, strict=True) if value >= 0]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                style,
                label=name.replace("_", " "),
                color=colors[name.partition("_")[0]],
                marker="o",
                markersize=3,
            )
    axes.set_title("AP on the validation data, %")
    if axes.lines:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set_ylim(0, max(1.0, axes.dataLim.y1 * 1.05))


def _draw_pair(axes: Any, rows: Sequence[_Row], left: tuple[str, str], right: tuple[str, str]) -> None:
    """Draw two columns of their own scales into one field."""
    axes.set_title(f"{left[1]} and {right[1]}")
    for (name, title), color, side in ((left, "tab:green", axes), (right, "tab:gray", None)):
        steps, values = read_series(rows, name)
        if not steps:
            continue
        own = side or axes.twinx()
        own.plot(steps, values, color=color, linewidth=1.2, **_dot(steps))
        own.set_ylabel(title, color=color)
        own.set_ylim(bottom=min(0.0, *values), top=(1.05 * max(values)) or 1.0)


def _dot(steps: Sequence[int]) -> dict[str, Any]:
    """Mark single points, which no line would show."""
    return {"marker": "o", "markersize": 3} if len(steps) < 20 else {}
