"""Lines for people: one for each training loop, one for each evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping

_TERMS = ("class", "box", "mask", "semantic", "mask_iou", "quality")
_ROW_COLUMNS = ("total_loss", "class_loss", "box_loss", "mask_loss", "semantic_loss", "images_per_second")
_ROW_WIDTHS = (7, 7, 7, 7, 9, 10)
_SECONDS_OF_DAY = 86400

ROW_HEADING = (
    "     step   epoch"
    + "".join(
        f"{title:>{width}}"
        for title, width in zip(
            ("loss", "class", "box", "mask", "semantic", "images/s"), _ROW_WIDTHS, strict=True
        )
    )
    + "      left"
)


def format_train_line(
    step: int,
    num_steps: int,
    logs: Mapping[str, float],
    epoch: float | None = None,
    seconds_left: float | None = None,
) -> str:
    """Write the line of a training loop.

    Args:
      step: global step at its end.
      num_steps: of the whole run.
      logs: means over the loop; what is missing is left out.
      epoch: passes over the data so far.
      seconds_left: until the last step.

    Returns:
      One line without a line break.
    """
    parts = [f"step {step:,}/{num_steps:,}"]
    if epoch is not None:
        parts.append(f"epoch {epoch:.2f}")
    if "total_loss" in logs:
        parts.append(_format_losses(logs))
    for name, title in (("learning_rate", "lr"), ("gradient_norm", "gradient norm")):
        if name in logs:
            parts.append(f"{title} {format_number(logs[name])}")
    if logs.get("nonfinite_steps"):
        parts.append(f"{logs['nonfinite_steps']:.0f} steps not finite")
    if "images_per_second" in logs:
        parts.append(f"{format_number(logs['images_per_second'])} images/s")
    if "input_wait" in logs:
        parts.append(f"input wait {100 * logs['input_wait']:.0f} %")
    if "memory_mb" in logs:
        parts.append(f"{logs['memory_mb']:,.0f} MB")
    if seconds_left is not None:
        parts.append(f"left {format_duration(seconds_left)}")
    return " | ".join(parts)


def format_row(
    step: int, logs: Mapping[str, float], epoch: float | None = None, seconds_left: float | None = None
) -> str:
    """Write a row of the table below `ROW_HEADING`, in less than 80 columns; what is missing is a dash.

    Args:
      step: global step.
      logs: means over a loop.
      epoch: passes over the data so far.
      seconds_left: until the end of the run.
    """
    cells = [f"{step:>9,}", f"{'-' if epoch is None else f'{epoch:.2f}':>8}"]
    for name, width in zip(_ROW_COLUMNS, _ROW_WIDTHS, strict=True):
        cells.append(f"{format_number(logs[name]) if name in logs else '-':>{width}}")
    cells.append(f"{'-' if seconds_left is None else format_duration(seconds_left):>10}")
    return "".join(cells)


def format_eval_line(
    step: int, logs: Mapping[str, float], metric: str, best: tuple[int, float] | None = None
) -> str:
    """Write the line of an evaluation.

    Args:
      step: global step of the weights.
      logs: the numbers; of these box and mask AP and AP50 are shown, in percent.
      metric: by which the best weights are chosen.
      best: (step, value) of the best evaluation so far.

    Returns:
      One line without a line break.
    """
    parts = [f"evaluation of step {step:,}"]
    for kind in ("box", "mask"):
        if f"{kind}_AP" not in logs:
            continue
        text = f"{kind} AP {format_ap(logs[f'{kind}_AP'])}"
        if f"{kind}_AP50" in logs:
            text += f" (AP50 {format_ap(logs[f'{kind}_AP50'])})"
        parts.append(text)
    if best is not None:
        parts.append(f"best {metric.replace('_', ' ')} {format_ap(best[1])} at step {best[0]:,}")
    return " | ".join(parts)


def format_end_line(step: int, seconds: float, peak_mb: float, gpu_peak_mb: float | None) -> str:
    """Write the line at the end of a training.

    Args:
      step: the last one.
      seconds: since the process began to train.
      peak_mb: largest resident memory.
      gpu_peak_mb: largest allocation on a GPU, None without one.
    """
    gpu = "" if gpu_peak_mb is None else f", {gpu_peak_mb:,.0f} MB on a GPU"
    return f"trained to step {step:,} | took {format_duration(seconds)} | peak memory {peak_mb:,.0f} MB{gpu}"


def format_number(value: float) -> str:
    """Write a number with three significant digits: 0.0123, 1.23, 12,300, 1.23e-05."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    size = abs(value)
    if size < 1e-3:
        return f"{value:.2e}"
    if size < 999.5:
        return f"{value:#.3g}".rstrip(".")
    if size < 1e7:
        digits = math.floor(math.log10(size)) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.2e}"


def format_ap(value: float) -> str:
    """Write an AP of 0..1 in percent; `none` for the -1 of pycocotools, where there is nothing to find."""
    return "none" if value < 0 else f"{100 * value:.1f}"


def format_duration(seconds: float) -> str:
    """Write a duration: 0:05, 12:34, 3:04:05, 2 d 3:04."""
    whole = max(0, round(seconds))
    if whole >= _SECONDS_OF_DAY:
        return f"{whole // _SECONDS_OF_DAY} d {whole // 3600 % 24}:{whole // 60 % 60:02d}"
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def _format_losses(logs: Mapping[str, float]) -> str:
    if math.isnan(logs["total_loss"]):
        return "no finite loss in this loop"
    terms = [
        f"{term.replace('_', ' ')} {format_number(logs[f'{term}_loss'])}"
        for term in _TERMS
        if f"{term}_loss" in logs
    ]
    return f"loss {format_number(logs['total_loss'])}" + (f" ({', '.join(terms)})" if terms else "")
