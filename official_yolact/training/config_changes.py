"""What two configurations of one run differ in, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from official_yolact.configs import architecture

_BATCH = "task.train_data.global_batch_size"
_ORDER = ("task.seed", "task.train_data.input_path", "task.train_data.shuffle_buffer_size")
_SCHEDULE = (
    "trainer.train_steps",
    "trainer.optimizer_config.",
    "schedule_batch_size",
    "task.backbone_learning_rate_multiplier",
)

Changes = dict[str, tuple[Any, Any]]


def compare(start: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Find the keys that both have, with different values.

    A key that only one has came or went with a version of this library.

    Args:
      start: the configuration at the start, nested.
      now: the present one, nested.

    Returns:
      Key path to old and new value.
    """
    old, new = architecture.flatten(start), architecture.flatten(now)
    return {key: (old[key], new[key]) for key in new if key in old and old[key] != new[key]}


def refuse_other_architecture(model_dir: str, changes: Changes) -> None:
    """Refuse to go on with another network.

    Args:
      model_dir: of the run.
      changes: since its start.

    Raises:
      ValueError: names each key, what it was and what it is.
    """
    refused = [
        f"{key}: {old!r} -> {new!r}"
        for key, (old, new) in changes.items()
        if architecture.is_architecture(key)
    ]
    if refused:
        raise ValueError(
            f"{model_dir}: the run began with another architecture: {some(refused)}. Set it back (see "
            "params.yaml there), take another directory (and this one as task.init_checkpoint, which takes "
            "over what fits), or begin again with --restart"
        )


def describe(changes: Changes, step: int) -> list[str]:
    """Say what has changed and what that does to a run that goes on.

    Args:
      changes: since the start.
      step: at which the run goes on.

    Returns:
      A line for each key.
    """
    return [
        f"{key}: {old!r} -> {new!r}{_explain(key, old, new, step)}" for key, (old, new) in changes.items()
    ]


def some(items: list[str]) -> str:
    """Join a few of many."""
    return "; ".join(items[:6]) + (f"; and {len(items) - 6} more" if len(items) > 6 else "")


def _explain(key: str, old: Any, new: Any, step: int) -> str:
    if key == _BATCH:
        there = f"goes on at example {step * new}, where it was at {step * old}"
        effect = "leaves some out" if new > old else "sees some again"
        return (
            f" (the place in the data is step x batch: it {there}, and {effect}; train_steps, intervals "
            "and the learning rate count steps of the new size)"
        )
    if key.startswith(_ORDER):
        return " (the order of the examples is another from here on)"
    if key.startswith(_SCHEDULE):
        return f" (the learning rate follows the new schedule from step {step} on)"
    return ""
