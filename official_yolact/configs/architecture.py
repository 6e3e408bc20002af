"""Which keys of a configuration decide what the stored weights mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FREEZE_BN = "task.model.freeze_bn"
_MODEL = "task.model."
# What comes after the network, or sets only its initial values.
_MAY_CHANGE = (
    "task.model.detection_generator.",
    "task.model.class_prior",
    "task.model.initial_output_std",
)
# Keys that only training reads.
_OF_TRAINING = (
    FREEZE_BN,
    "task.model.freeze",
    "task.model.freeze_backbone_level",
    "task.model.norm_activation.norm_momentum",
    "task.model.norm_activation.use_sync_bn",
)


def select(config: Mapping[str, Any]) -> dict[str, Any]:
    """List the keys that must not change while a run goes on, with their values."""
    return {key: value for key, value in flatten(config).items() if is_architecture(key)}


def is_architecture(key: str) -> bool:
    """Tell whether a key decides which variables there are, or what they mean."""
    return key.startswith(_MODEL) and not key.startswith(_MAY_CHANGE)


def find_changes(stored: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Find keys whose change would make a trained network predict something else than it learned.

    A key that only one of the two has was added or removed by a version of this library, and is no change.

    Args:
      stored: key path to JSON value, as `select` gave them when the weights were written.
      config: the present configuration, nested.

    Returns:
      Key path to what was stored and what is there now.
    """
    now = {key: value for key, value in select(config).items() if key not in _OF_TRAINING}
    return {key: (stored[key], now[key]) for key in now if key in stored and stored[key] != now[key]}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Map key paths to JSON values; a list is one value."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = json.loads(json.dumps(value, default=str))
    return flat
