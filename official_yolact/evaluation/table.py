"""The table of AP that people read."""

from __future__ import annotations

from collections.abc import Mapping

_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")


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


def _format_cell(value: float) -> str:
    return "-" if value < 0 else f"{100 * value:.1f}"
