"""Real-time instance segmentation with YOLACT on TensorFlow Model Garden.

Importing this package imports no TensorFlow; `load`, `Predictor` and `Detections` do when used.
"""

from __future__ import annotations

import importlib
from typing import Any

from official_yolact_runtime import __version__

__all__ = ["Detections", "Predictor", "Tracker", "__version__", "load", "predict_tiled"]

_LAZY = {
    "load": "official_yolact.serving.models",
    "Predictor": "official_yolact_runtime.predictor",
    "Detections": "official_yolact_runtime.detections",
    "Tracker": "official_yolact_runtime.tracking",
    "predict_tiled": "official_yolact_runtime.tiling",
}


def __getattr__(name: str) -> Any:
    """Import the public names that need TensorFlow when they are first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}")
    return getattr(importlib.import_module(_LAZY[name]), name)
