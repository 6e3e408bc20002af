"""The table of AP that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized

from official_yolact.evaluation import measurement
from official_yolact_runtime.files import json_text

_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")
_MOST_SHOWN = 10
_MOST_NAMED = 20
_WIDEST_NAME = 40


def format_table(metrics: Mapping[str, float]) -> str:
    """Lay out box and mask AP in percent.

    Args:
      metrics: `box_AP`, `mask_AP` and so on, 0..1; -1 where there is no such ground truth.

    Returns:
      Lines: a heading, and one for each of box and mask that is there.
    """
    lines = ["      " + "".join(f"{column:>7}" for column in _COLUMNS)]
    for kind in ("box", "mask"):
        if f"{kind}_AP" in metrics:
            cells = [_format_cell(metrics.get(f"{kind}_{column}", -1.0)) for column in _COLUMNS]
            lines.append(f"{kind:<6}" + "".join(f"{cell:>7}" for cell in cells))
    return "\n".join(lines)


def format_classes(classes: Mapping[str, measurement.ClassMetrics]) -> str:
    """Lay out the ten classes with the lowest AP, and name the classes that have learned nothing.

    AP is that of masks, or of boxes where no masks were measured. Of classes with the same AP, the one
    with the most objects comes first.

    Args:
      classes: see `measurement.Evaluation.class_metrics`.

    Returns:
      Lines: a heading, one for each of these classes, how many there are, the names of those with AP 0, and
      of those without an object. Empty without classes.
    """
    kind = "mask" if any("mask_AP" in numbers for numbers in classes.values()) else "box"
    measured = {name: numbers for name, numbers in classes.items() if numbers.get(f"{kind}_AP", -1.0) >= 0}
    order = sorted(measured, key=lambda name: (measured[name][f"{kind}_AP"], -measured[name]["objects"]))
    lines = _format_rows({name: measured[name] for name in order[:_MOST_SHOWN]}, kind)
    if len(order) > _MOST_SHOWN:
        lines.append(f"({_MOST_SHOWN} of {len(order)} classes, those with the lowest {kind} AP)")
    lines += _name_some([name for name in order if is_zero(measured[name], kind)], measured, f"{kind} AP 0")
    absent = [name for name in classes if name not in measured]
    lines += _name_some(absent, classes, "no object to be measured on")
    return "\n".join(lines)


def is_zero(numbers: measurement.ClassMetrics, kind: str) -> bool:
    """Tell whether an AP is one that the table shows as 0.0: of the class next to nothing is found."""
    return _format_cell(numbers[f"{kind}_AP"]) == "0.0"


def _format_rows(classes: Mapping[str, measurement.ClassMetrics], kind: str) -> list[str]:
    if not classes:
        return []
    width = max(len("class"), *(len(shorten(name)) for name in classes))
    lines = [f"{'class':<{width}}{'objects':>9}{f'{kind} AP':>9}{'AP50':>7}"]
    for name, numbers in classes.items():
        ap, ap50 = (_format_cell(numbers[f"{kind}_{column}"]) for column in ("AP", "AP50"))
        lines.append(f"{shorten(name):<{width}}{numbers['objects']:>9,.0f}{ap:>9}{ap50:>7}")
    return lines


def _name_some(names: Sequence[str], among: Sized, what: str) -> list[str]:
    """Write one line that counts classes and names the first twenty; none without classes."""
    if not names:
        return []
    verb = "has" if len(names) == 1 else "have"
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    listed = ", ".join(map(shorten, names[:_MOST_NAMED]))
    return [f"{len(names)} of {len(among)} classes {verb} {what}: {listed}{more}"]


def shorten(name: str) -> str:
    """Write a name in one line."""
    return json_text.escape_control(" ".join(name.split()))[:_WIDEST_NAME]


def _format_cell(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f}"
