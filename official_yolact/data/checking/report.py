"""Findings as rows: for a table, JSON or a page."""

from __future__ import annotations

import textwrap
from typing import Any

from official_yolact.data.checking import codes
from official_yolact.data.checking import findings
from official_yolact.data.checking import view as view_lib
from official_yolact_runtime import values

_WIDTH = 100


def to_rows(found: list[findings.Finding], view: view_lib.View) -> list[dict[str, Any]]:
    """Describe findings.

    Args:
      found: of the checks.
      view: that they were found in.

    Returns:
      For each: code, severity, title, section, field, count, first (ids with values), detail,
      consequence and cure; JSON can hold it.
    """
    rows = []
    for finding in found:
        code = codes.CODES[finding.code]
        rows.append(
            {
                "code": code.code,
                "severity": code.severity,
                "title": code.title,
                "section": finding.section,
                "field": finding.field,
                "count": finding.count,
                "first": [
                    _example(finding, view, at) for at in range(min(findings.NUM_NOTED, finding.count))
                ],
                "detail": finding.detail,
                "consequence": code.consequence,
                "cure": code.cure,
            }
        )
    return rows


def has_faults(rows: list[dict[str, Any]]) -> bool:
    """Tell whether something is an error or a warning."""
    return any(row["severity"] != codes.INFO for row in rows)


def count_severities(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Count rows by severity."""
    return {name: sum(row["severity"] == name for row in rows) for name in codes.SEVERITIES}


def format_table(rows: list[dict[str, Any]], path: str) -> str:
    """Lay rows out for a terminal."""
    lines = []
    for row in rows:
        head = f"{row['code']}  {row['severity']:<7}  {row['count']:>7}  {row['title']}"
        lines += textwrap.wrap(head, _WIDTH, subsequent_indent=" " * 24)
        shown = "; ".join(format_example(example, row["field"]) for example in row["first"])
        words = {name: row[name] for name in ("detail", "consequence", "cure")} | {"first": shown}
        for title, text in words.items():
            if text:
                lines += textwrap.wrap(
                    f"{title}: {text}", _WIDTH - 5, initial_indent="     ", subsequent_indent="       "
                )
    counts = count_severities(rows)
    summary = ", ".join(f"{count} {name}" for name, count in counts.items())
    lines.append(f"{path}: {summary}" if rows else f"{path}: nothing found")
    # A file name may hold anything, a terminal does not show all of it.
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def format_example(example: dict[str, Any], field: str) -> str:
    """Show an example in a few words."""
    words = [str(example["id"])] if "id" in example else []
    words += [f"({example['file_name']})"] if "file_name" in example and field != "file_name" else []
    words += [f"{field} {example['value']}"] if "value" in example else []
    return " ".join(words + ([example["note"]] if "note" in example else []))


def _example(finding: findings.Finding, view: view_lib.View, at: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    entries = view.entries(finding.section)
    position = int(finding.positions[at])
    if finding.field and position < len(entries):
        entry = entries[position]
        name = f"{finding.section}[{position}]"
        result["id"] = _show_id(entry.get("id"), name)
        owner = None
        if finding.section == "images":
            owner = position
        elif finding.section == "annotations" and view.image_of[position] >= 0:
            owner = int(view.image_of[position])
        if owner is not None and view.file_names[owner]:
            result["file_name"] = view.file_names[owner]
        if finding.field != "id" or result["id"] == name:
            result["value"] = values.shorten(entry.get(finding.field))
    if at < len(finding.notes) and finding.notes[at]:
        result["note"] = finding.notes[at]
    return result


def _show_id(value: Any, name: str) -> Any:
    plain = type(value) is int and abs(value) < 2**63
    return value if plain or (isinstance(value, str) and 0 < len(value) <= 64) else name
