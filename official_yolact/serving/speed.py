"""How fast the loaded model of a report is on this machine."""

from __future__ import annotations

import time
from typing import Any

from official_yolact.environment import machine
from official_yolact.reporting import report_schema as schema
from official_yolact.serving import benchmark
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime import run_lengths

BATCHES = (1, 8)
_MOST_ROUNDS = 15
_FEWEST_ROUNDS = 3
_SECONDS = 5.0
"""After which a batch is not timed again, but for the fewest rounds."""


def measure_speed(predictor: predictor_lib.Predictor, photo: str, precision: str) -> schema.Speed:
    """Time a photo with one and with eight at once, part by part, after a round that warms up.

    Args:
      predictor: the model.
      photo: path of a picture.
      precision: in which the model computes.

    Raises:
      OSError, ValueError: the photo cannot be read.
    """
    runtime: Any = predictor.runtime
    kept, rows, rounds = runtime.batch_size, [], _MOST_ROUNDS
    try:
        for batch in BATCHES:
            if hasattr(runtime, "run_network"):
                runtime.batch_size = batch  # the files of an export have theirs
            spent, begin = [], 0.0
            for number in range(_MOST_ROUNDS + 1):
                spent.append(benchmark.time_parts(predictor, photo, batch, ("encode", _encode)))
                begin = begin or time.monotonic()
                if number >= _FEWEST_ROUNDS and time.monotonic() - begin > _SECONDS:
                    break
            parts = benchmark.summarize(spent[1:], batch)
            rounds = min(rounds, len(spent) - 1)
            if benchmark.TOGETHER in parts:
                parts["detect"] = parts.pop(benchmark.TOGETHER)
            shown: dict[str, Any] = parts
            rows.append(schema.SpeedRow(batch=batch, parts=shown))
    finally:
        runtime.batch_size = kept
    return {
        "device": machine.describe(),
        "runtime": getattr(runtime, "description", getattr(runtime, "name", type(runtime).__name__)),
        "precision": precision,
        "rounds": rounds,
        "photo": list(predictor.read(photo).shape[:2]),
        "rows": rows,
    }


def _encode(found: detections_lib.Detections) -> None:
    run_lengths.encode_windows(found.windows, *found.image.shape[:2])
