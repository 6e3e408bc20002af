"""A training schedule, written for one batch size, carried over to another.

Source: the original scales by batch / 8 unless told not to: learning rate times that, iterations and
their boundaries divided by it. Differences: it leaves a learning rate given on its command line as it
is, where here every number of a configuration is for `schedule_batch_size`, wherever it was written;
and it knows no Adam, with which the warm-up keeps its share of the training, too.
"""

from __future__ import annotations

import functools
from typing import Any

from absl import logging

from official_yolact.configs import batch_scaling
from official_yolact.configs import experiments

_RATES = {
    "constant": ("learning_rate",),
    "stepwise": ("values",),
    "exponential": ("initial_learning_rate",),
    "polynomial": ("initial_learning_rate", "end_learning_rate"),
    "cosine": ("initial_learning_rate",),
    "flat_cosine": ("initial_learning_rate",),
    "step_cosine_with_offset": ("values",),
}
_STEPS = {
    "stepwise": ("boundaries",),
    "exponential": ("decay_steps",),
    "polynomial": ("decay_steps",),
    "cosine": ("decay_steps",),
    "flat_cosine": ("flat_steps", "decay_steps"),
    "step_cosine_with_offset": ("boundaries",),
}
_TRAINER_STEPS = ("train_steps", "validation_interval", "checkpoint_interval")
SCALED_KINDS = tuple(sorted(_RATES))
"""Learning rates that can be written for another batch size."""


def scale_schedule(params: experiments.YolactExperiment) -> None:
    """Scale learning rate and steps, in place, from `schedule_batch_size` to the training batch.

    Learning rates are multiplied by batch / schedule_batch_size, with Adam and its kin by the root of it;
    `trainer.train_steps`, `trainer.validation_interval`, `trainer.checkpoint_interval`, the schedule's
    boundaries or decay steps and, with Adam and its kin, the steps of warm-up are divided by it, rounded
    down, but to 1 at least. With descent the warm-up stays. The rate from which it starts, the schedule's
    `offset`, `steps_per_loop` and `summary_interval` stay, too. Then `schedule_batch_size` is the training
    batch: scaling again, and reading the written configuration, change nothing.

    Args:
      params: a checked experiment.
    """
    written, batch = params.schedule_batch_size, params.task.train_data.global_batch_size
    if not written or written == batch:
        return
    config = params.trainer.optimizer_config
    kind = str(config.learning_rate.type)  # one of `SCALED_KINDS`: the check refuses others
    optimizer = str(config.optimizer.type)
    rate = functools.partial(batch_scaling.scale_rate, optimizer=optimizer)
    sections: list[tuple[Any, tuple[str, ...], Any]] = [
        (config.learning_rate.get(), _RATES[kind], rate),
        (config.learning_rate.get(), _STEPS.get(kind, ()), batch_scaling.scale_steps),
        (params.trainer, _TRAINER_STEPS, batch_scaling.scale_steps),
    ]
    if config.warmup and config.warmup.type:
        warmup = functools.partial(batch_scaling.scale_warmup, optimizer=optimizer)
        sections.append((config.warmup.get(), ("warmup_steps",), warmup))
    changes = [
        _scale_field(section, name, scale, written, batch)
        for section, names, scale in sections
        for name in names
    ]
    params.schedule_batch_size = batch
    logging.info(
        "schedule scaled from batch %d to batch %d: %s. Set schedule_batch_size=%d to have numbers taken "
        "as they are written",
        written,
        batch,
        ", ".join(change for change in changes if change),
        batch,
    )


def _scale_field(section: Any, name: str, scale: Any, written: int, batch: int) -> str:
    value = getattr(section, name)
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        scaled = [scale(item, written, batch) for item in value]
    else:
        scaled = scale(value, written, batch)
    setattr(section, name, scaled)
    return f"{name} {value} -> {scaled}"
