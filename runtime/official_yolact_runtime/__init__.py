"""Detection with exported YOLACT models: NumPy, Pillow, and LiteRT, ONNX Runtime or OpenVINO."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Detections", "Predictor", "Tracker", "__version__", "load", "predict_tiled"]

_LAZY = {
    "load": "official_yolact_runtime.loading",
    "Predictor": "official_yolact_runtime.predictor",
    "Detections": "official_yolact_runtime.detections",
    "Tracker": "official_yolact_runtime.tracking",
    "predict_tiled": "official_yolact_runtime.tiling",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(_LAZY[name]), name)
