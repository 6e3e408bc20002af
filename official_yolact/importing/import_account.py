"""What became of every tensor of an imported file."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class ImportAccount:
    """The account of an import.

    Attributes:
      file: what was read.
      form: `npz`, `legacy` or `zip`.
      sha256: of the file.
      published: name of the published file with this sum; empty if it is no sum that is known.
      experiment: whose model the weights are of.
      modules: `all`, or `backbone` for a backbone to start from.
      num_classes: C, with the background; 0 for a backbone.
      mapped: keys of the file that found their variable.
      skipped: key and reason of each tensor that the model has no place for.
      notes: what a person should know besides.
      checkpoint: what was written.
    """

    file: str
    form: str
    sha256: str
    published: str
    experiment: str
    modules: str
    num_classes: int
    mapped: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    checkpoint: str

    @property
    def num_read(self) -> int:
        """Tensors in the file."""
        return len(self.mapped) + len(self.skipped)

    def to_json(self) -> dict[str, Any]:
        """Give the account as JSON values; the keys that were mapped as their number."""
        fields = dataclasses.asdict(self)
        skipped = [{"key": key, "reason": reason} for key, reason in self.skipped]
        return {**fields, "read": self.num_read, "mapped": len(self.mapped), "skipped": skipped, "missing": 0}

    def lines(self) -> list[str]:
        """Say it: what the file is, then counts, then what was skipped, by reason."""
        known = (
            f"the published {self.published}" if self.published else "no published file's sum that is known"
        )
        part = "backbone" if self.modules == "backbone" else f"model with {self.num_classes} classes"
        lines = [
            f"{self.file}: {self.form} form, sha256 {self.sha256} ({known})",
            f"{self.experiment}: {part}",
            f"{self.num_read} tensors read, {len(self.mapped)} mapped, {len(self.skipped)} skipped,"
            " 0 missing",
        ]
        reasons: dict[str, list[str]] = {}
        for key, reason in self.skipped:
            reasons.setdefault(reason, []).append(key)
        for reason, keys in reasons.items():
            shown = ", ".join(keys[:4]) + (", ..." if len(keys) > 4 else "")
            lines.append(f"skipped {len(keys)}, {reason}: {shown}")
        return lines + list(self.notes)
