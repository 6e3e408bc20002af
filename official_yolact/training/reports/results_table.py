"""The table of a run: `results.csv`, one row for each training loop, each evaluation and each class in it."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import itertools
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence

from absl import logging

from official_yolact.files import locks
from official_yolact.files import storage
from official_yolact_runtime.files import json_text

FILE_NAME = "results.csv"
TRAIN, EVAL, CLASS = "train", "eval", "class"
MAX_CLASSES = 100
"""Classes that have a row in each evaluation; of more, those with the most objects."""
_LONGEST_NAME = 200

COLUMNS = (
    "kind",
    "step",
    "epoch",
    "time",
    "total_loss",
    "class_loss",
    "box_loss",
    "mask_loss",
    "semantic_loss",
    "mask_iou_loss",
    "quality_loss",
    "learning_rate",
    "gradient_norm",
    "positives_per_image",
    "unusable_records",
    "nonfinite_steps",
    "images_per_second",
    "input_wait",
    "memory_mb",
    "gpu_memory_mb",
    *(
        f"{kind}_{name}"
        for kind in ("box", "mask")
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
    ),
    "box_threshold",
    "mask_threshold",
    "class",
    "objects",
)
_HEADER = ",".join(COLUMNS) + "\n"


class ResultsTable:
    """Appends whole rows, and reads only whole rows.

    The rows of a loop or an evaluation are one write at the end of the file. A process or machine that dies
    in the middle leaves a row without its line break, which the next one to append removes. Cells that do
    not apply are empty; times are UTC. An evaluation in another process may append too. A table of an older
    version, with fewer columns, gets the others when the first row is appended.
    """

    def __init__(self, model_dir: str):
        """Name the file in the run directory; nothing is written before the first row."""
        self.path = os.path.join(model_dir, FILE_NAME)

    def append(
        self,
        kind: str,
        step: int,
        values: Mapping[str, float],
        classes: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Append a row; those of an evaluation replace the earlier ones of its step.

        A run that is killed between writing this row and `evaluations.json` repeats the evaluation.

        Args:
          kind: `TRAIN` or `EVAL`.
          step: global step.
          values: by column; other names are ignored.
          classes: of an evaluation, the values by the name of a class; each becomes a row of kind `CLASS`.
        """
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = {"step": str(step), "time": now}
        added = [{"kind": kind, **head, **_to_cells(values)}]
        for name, numbers in select_classes(classes or {}).items():
            label = json_text.escape_control(name).replace("\n", "\\n")[:_LONGEST_NAME]
            added.append({"kind": CLASS, **head, **_to_cells(numbers), "class": label})
        with self._open_locked() as file:
            size = _repair(file, self.path)
            rows = self.read() if kind == EVAL else []
            kept = [row for row in rows if row["kind"] == TRAIN or row["step"] != str(step)]
            if len(kept) < len(rows):
                _replace(self.path, [*kept, *added])
                return
            os.write(file, ("" if size else _HEADER).encode() + b"".join(map(_to_line, added)))
            os.fsync(file)

    def drop_after(self, step: int) -> int:
        """Remove the rows beyond a step, which a run that goes on from there computes again.

        Returns:
          How many were removed.
        """
        if not os.path.isfile(self.path):
            return 0
        with self._open_locked() as file:
            _repair(file, self.path)
            rows = self.read()
            kept = [row for row in rows if int(row["step"]) <= step]
            if len(kept) < len(rows):
                _replace(self.path, kept)
        return len(rows) - len(kept)

    def read(self) -> list[dict[str, str]]:
        """Read the whole rows: column to text, which may be empty. An unreadable file has no rows."""
        try:
            with open(self.path, encoding="utf-8", errors="replace", newline="") as file:
                text = file.read()
        except OSError:
            return []
        header, _, rest = text[: text.rfind("\n") + 1].partition("\n")
        columns = header.split(",")
        if not _is_known(columns):
            return []
        lines = csv.reader(io.StringIO(rest))
        whole = (dict(zip(columns, cells, strict=True)) for cells in lines if len(cells) == len(columns))
        # An older version had fewer columns.
        return [dict.fromkeys(COLUMNS, "") | row for row in whole if _is_row(row)]

    def find_best(self, metric: str, higher_is_better: bool = True) -> tuple[int, float] | None:
        """Find the first evaluation with the best value of a column, as (step, value)."""
        found = [
            (int(row["step"]), float(row[metric]))
            for row in self.read()
            if row["kind"] == EVAL and row.get(metric)
        ]
        found = [(step, value) for step, value in found if math.isfinite(value)]
        if not found:
            return None
        best = (max if higher_is_better else min)(value for _, value in found)
        return next((step, value) for step, value in found if value == best)

    @contextlib.contextmanager
    def _open_locked(self) -> Iterator[int]:
        """Open the file for appending while no other process changes it."""
        # Not every network file system has locks; single writes at the end remain.
        file, _ = locks.acquire(self.path, flags=os.O_APPEND, seconds=math.inf)
        if self._is_older():
            _replace(self.path, self.read())
            os.close(file)
            file, _ = locks.acquire(self.path, flags=os.O_APPEND, seconds=math.inf)
        try:
            yield file
        finally:
            os.close(file)

    def _is_older(self) -> bool:
        """Tell whether the table has fewer columns than this version writes."""
        with open(self.path, encoding="utf-8", errors="replace", newline="") as file:
            header = file.readline()
        return header.endswith("\n") and header != _HEADER and _is_known(header[:-1].split(","))


def select_classes(classes: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Select the classes whose numbers are kept over time: 100 at most, with the most objects."""
    if len(classes) <= MAX_CLASSES:
        return dict(classes)
    most = set(sorted(classes, key=lambda name: -classes[name]["objects"])[:MAX_CLASSES])
    return {name: numbers for name, numbers in classes.items() if name in most}


def _to_cells(values: Mapping[str, float]) -> dict[str, str]:
    return {name: format(float(value), ".7g") for name, value in values.items() if name in COLUMNS}


def _to_line(row: Mapping[str, str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(row.get(name, "") for name in COLUMNS)
    return line.getvalue().encode("utf-8", errors="backslashreplace")


def _is_known(columns: Sequence[str]) -> bool:
    """Tell whether columns are those of this version or of an older one."""
    return columns[:2] == ["kind", "step"] and set(columns) <= set(COLUMNS)


def _is_row(row: Mapping[str, str]) -> bool:
    return row["kind"] in (TRAIN, EVAL, CLASS) and row["step"].isdecimal()


def _repair(file: int, path: str) -> int:
    """Cut off a row that was not written to its end; keep a table with other columns under another name.

    Returns:
      Bytes that are left.
    """
    with open(path, "rb") as readable:
        content = readable.read()
    end = content.rfind(b"\n") + 1
    if not _HEADER.encode("ascii").startswith(content[: len(_HEADER)]):
        aside = _find_free(f"{path}.old")
        logging.warning("%s has other columns than this version writes: kept as %s", path, aside)
        shutil.copyfile(path, aside)
        end = 0
    if end < len(content):
        os.ftruncate(file, end)
    return end


def _find_free(path: str) -> str:
    """Find a name that nothing has: the path, or the path with a number."""
    names = itertools.chain([path], (f"{path}.{number}" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


def _replace(path: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Replace the table in one step."""
    storage.store(path, itertools.chain([_HEADER.encode()], map(_to_line, rows)))
