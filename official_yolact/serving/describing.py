"""What a report says of the model that was evaluated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from official_yolact.configs import yaml_document
from official_yolact.reporting import ceiling
from official_yolact.reporting import report_schema as schema
from official_yolact_runtime import model_files
from official_yolact_runtime import predictor as predictor_lib
from official_yolact_runtime.files import inputs


def describe_model(
    predictor: predictor_lib.Predictor, path: str, precision: str, options: Mapping[str, Any]
) -> schema.Model:
    """Say which model it is.

    Args:
      predictor: the loaded model.
      path: what was asked for.
      precision: likewise.
      options: of detection, which differ from those of the model.
    """
    weights, runtime = predictor.weights, predictor.runtime
    return {
        "path": path,
        "checkpoint": weights.checkpoint if weights else None,
        "step": weights.step if weights else None,
        "config": _read_config(predictor),
        "weights": weights.as_dict() if weights else None,
        "runtime": getattr(runtime, "description", getattr(runtime, "name", type(runtime).__name__)),
        "precision": precision,
        "options": dict(options),
    }


def find_grid(
    predictor: predictor_lib.Predictor, cells: tuple[int, int] | None, config: Mapping[str, Any] | None
) -> ceiling.Grid | None:
    """Say on which grid a model draws masks, and how it was taught; None: nothing was detected."""
    if cells is None:
        return None
    parser = (config or {}).get("task", {}).get("train_data", {}).get("parser", {})
    target = parser.get("mask_target", ceiling.BINARY) if parser else None
    return ceiling.Grid(
        cells,
        predictor.runtime.input_size,
        target if target in ceiling.TARGETS else None,
        bool(getattr(predictor.runtime, "keep_aspect", False)),
    )


def _read_config(predictor: predictor_lib.Predictor) -> dict[str, Any] | None:
    """Read the configuration of the run, or what an export says of its detection."""
    info: Any = getattr(predictor.runtime, "info", None)
    if info is not None:
        return {"detection_generator": dict(info.detection)}
    folder = os.path.dirname(predictor.weights.checkpoint) if predictor.weights else ""
    for place in (folder, os.path.dirname(folder)):
        path = os.path.join(place, model_files.PARAMS_FILE)
        if folder and os.path.isfile(path):
            data: dict[str, Any] = yaml_document.YamlDocument(inputs.read_text(path), path).data
            return data
    return None
