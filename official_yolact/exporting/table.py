"""The parities of an export as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from official_yolact.exporting import export
from official_yolact_runtime import export_info

_COUNTS = ("matched", "missing", "extra", "tied")
_NUMBERS = {"box_px": ".4f", "score": ".6f", "mask_iou": ".4f", "milliseconds": ".1f"}
_AP = ("box_AP", "mask_AP")


def list_rows(info: export_info.ExportInfo) -> tuple[list[str], list[list[str]]]:
    """List the columns, and a row of text for the model and each file."""
    own = info.parity[export.MODEL]
    measured = [name for name in _AP if name in own]
    heads = ["file", "MB", *_COUNTS, *_NUMBERS, *measured]
    rows = []
    for name, numbers in info.parity.items():
        size = f"{info.files[name].size / 1e6:.1f}" if name in info.files else ""
        texts = [str(numbers.get(count, "")) for count in _COUNTS]
        texts += [format(numbers[key], form) if key in numbers else "" for key, form in _NUMBERS.items()]
        rows.append([name, size, *texts, *(f"{numbers[key]:.4f}" for key in measured)])
    return heads, rows


def format_table(info: export_info.ExportInfo) -> str:
    """Format the table in columns of text."""
    heads, rows = list_rows(info)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(_format_line(line, widths) for line in (heads, *rows))


def _format_line(line: Sequence[Any], widths: Sequence[int]) -> str:
    first, *others = line
    cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells]).rstrip()
