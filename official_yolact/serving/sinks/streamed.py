"""Files of text that grow picture by picture, and appear when they are complete."""

from __future__ import annotations

import contextlib
import csv
import io
from typing import Any

import numpy as np

from official_yolact.serving import shots
from official_yolact.serving.sinks import entries
from official_yolact.serving.sinks import sink
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import mask_windows
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

PREDICTIONS_FILE = "predictions.json"
LINES_FILE = "predictions.jsonl"
TABLE_FILE = "counts.csv"

_COLUMNS = ("file_name", "frame", "time", "height", "width", "category_id", "category_name", "count", "area")


class _Streamed(sink.Sink):
    """A file that is written piece by piece, and is whole or absent."""

    def __init__(self, place: sink.Place, name: str) -> None:
        self._path = place.claim(name)
        self._begin = lambda: place.begin(name)
        self._stack = contextlib.ExitStack()
        self._file: outputs.Output | None = None

    def append(self, text: str) -> None:
        """Append text."""
        if self._file is None:
            self._file = self._stack.enter_context(outputs.create(self._begin()))
        self._file.write(text.encode())

    def finish(self) -> None:
        """Let the file appear."""
        self._stack.close()

    def abandon(self) -> None:
        """Remove what was written."""
        with contextlib.suppress(_AbandonedError), self._stack:
            raise _AbandonedError


class _AbandonedError(Exception):
    """Ends the writing of a file."""


class Predictions(_Streamed):
    """`predictions.json`: a list of COCO results of all pictures, with file and class names."""

    def __init__(self, place: sink.Place, mask_format: str = entries.RUN_LENGTHS) -> None:
        super().__init__(place, PREDICTIONS_FILE)
        self._mask_format = mask_format
        self._separator = "["
        self._is_begun = False

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Append an entry for each instance."""
        self._is_begun = True
        named = entries.describe_shot(shot)
        for entry in entries.describe_found(shot, found, self._mask_format):
            self.append(self._separator + json_text.dump_finite({**entry, **named}, self._path))
            self._separator = ", "

    def finish(self) -> None:
        """End the list, and let the file appear, if there was any picture."""
        if self._is_begun:
            self.append("[]" if self._separator == "[" else "]")
        super().finish()


class Lines(_Streamed):
    """`predictions.jsonl`: a line of JSON for each picture, also for one without instances."""

    def __init__(self, place: sink.Place, mask_format: str = entries.RUN_LENGTHS) -> None:
        super().__init__(place, LINES_FILE)
        self._mask_format = mask_format

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Append a line."""
        height, width = shot.image.shape[:2]
        described = entries.describe_found(shot, found, self._mask_format)
        line = {
            "image_id": shot.image_id,
            "frame": None,
            "time": None,
            **entries.describe_shot(shot),
            "height": height,
            "width": width,
            "detections": [
                {key: value for key, value in entry.items() if key != "image_id"} for entry in described
            ],
        }
        self.append(json_text.dump_finite(line, self._path) + "\n")


class Table(_Streamed):
    """`counts.csv`: a row for each class in each picture, with the number of its instances and their area.

    A pixel that two instances of a class cover counts once. A picture without instances has one row, whose
    count is 0.
    """

    def __init__(self, place: sink.Place) -> None:
        super().__init__(place, TABLE_FILE)
        self._rows: list[tuple[Any, ...]] = [_COLUMNS]

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Append the rows of a picture; the first ones have the names of the columns above them."""
        named = entries.describe_shot(shot)
        first = (named["file_name"], named.get("frame", ""), named.get("time", ""), *shot.image.shape[:2])
        for category_id in np.unique(found.category_ids):
            chosen = np.flatnonzero(found.category_ids == category_id)
            area = int(mask_windows.unite([found.windows[index] for index in chosen]).mask.sum())
            self._rows.append((*first, int(category_id), found.names[chosen[0]], len(chosen), area))
        if not len(found):
            self._rows.append((*first, "", "", 0, 0))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self._rows)
        self._rows = []
        self.append(text.getvalue())
