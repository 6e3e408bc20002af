"""What optimizer, learning rate, warm-up and moving average may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import schedules
from official_yolact.configs import values

_PREFIX = "trainer.optimizer_config."
_NOT_BUILT = ("slide",)  # Model Garden has the name and no code
_POSITIVE = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE = (lambda value: value >= 0, "0 or more")
_BELOW_ONE = (lambda value: 0 <= value < 1, "0 or more and below 1")
_SET_POSITIVE = (lambda value: value is not None and value > 0, "above 0")
_FREE_POSITIVE = (lambda value: value is None or value > 0, "above 0, or null")

_RATES: dict[str, list[values.Rule]] = {
    "constant": [("learning_rate", *_POSITIVE)],
    "exponential": [
        ("initial_learning_rate", *_SET_POSITIVE),
        ("decay_steps", *_SET_POSITIVE),
        ("decay_rate", *_SET_POSITIVE),
    ],
    "polynomial": [
        ("initial_learning_rate", *_SET_POSITIVE),
        ("decay_steps", *_SET_POSITIVE),
        ("end_learning_rate", *_NOT_NEGATIVE),
        ("power", *_POSITIVE),
    ],
    "cosine": [
        ("initial_learning_rate", *_SET_POSITIVE),
        ("decay_steps", *_SET_POSITIVE),
        ("alpha", lambda value: 0 <= value <= 1, "from 0 to 1"),
    ],
    "power": [("initial_learning_rate", *_SET_POSITIVE)],
    "power_linear": [
        ("initial_learning_rate", *_SET_POSITIVE),
        ("total_decay_steps", *_SET_POSITIVE),
        ("linear_decay_fraction", lambda value: 0 < value <= 1, "above 0, to 1"),
    ],
    "power_with_offset": [("initial_learning_rate", *_SET_POSITIVE)],
}
_WARMUPS: dict[str, list[values.Rule]] = {
    "linear": [
        ("warmup_steps", *_SET_POSITIVE),
        ("warmup_learning_rate", *_NOT_NEGATIVE),
    ],
    "polynomial": [("warmup_steps", *_SET_POSITIVE), ("power", *_POSITIVE)],
}
_OPTIMIZER: list[values.Rule] = [
    ("momentum", *_BELOW_ONE),
    ("beta_1", *_BELOW_ONE),
    ("beta_2", *_BELOW_ONE),
    ("rho", *_BELOW_ONE),
    ("epsilon", *_POSITIVE),
    ("weight_decay_rate", *_NOT_NEGATIVE),
    ("clipnorm", *_FREE_POSITIVE),
    ("clipvalue", *_FREE_POSITIVE),
    ("global_clipnorm", *_FREE_POSITIVE),
]
_AVERAGE: list[values.Rule] = [
    ("average_decay", lambda value: 0 <= value <= 1, "from 0 to 1"),
    ("start_step", *_NOT_NEGATIVE),
]


def check_optimization(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    """Find what no optimizer can be made of.

    Args:
      params: an experiment whose types are right.

    Yields:
      Findings.
    """
    config = params.trainer.optimizer_config
    names = set(vars(config.optimizer)) - set(_NOT_BUILT)
    chosen = [("optimizer", list(names), False), ("learning_rate", None, False), ("warmup", None, True)]
    for name, allowed, may_be_null in chosen:
        choice = getattr(config, name)
        found = list(values.check_choice(choice, f"{_PREFIX}{name}", allowed, may_be_null))
        yield from found
        if not found and choice.type:
            rules = {"optimizer": _rules_of(choice), "learning_rate": _RATES.get(choice.type, [])}
            listed = rules.get(name, _WARMUPS.get(choice.type, []))
            yield from values.apply(choice.get(), listed, f"{_PREFIX}{name}.{choice.type}.")
    if config.learning_rate.type in ("stepwise", "step_cosine_with_offset"):
        yield from _check_steps(config.learning_rate)
    if config.ema is not None:
        yield from values.apply(config.ema, _AVERAGE, f"{_PREFIX}ema.")
    yield from _check_clipping(config.optimizer)
    yield from _check_scaling(params)


def _rules_of(choice: Any) -> list[values.Rule]:
    section = choice.get()
    return [rule for rule in _OPTIMIZER if getattr(section, rule[0], None) is not None]


def _check_steps(learning_rate: Any) -> Iterator[finding.Finding]:
    """Check the two lists of a rate that changes at given steps."""
    kind, section = learning_rate.type, learning_rate.get()
    prefix = f"{_PREFIX}learning_rate.{kind}."
    boundaries, rates = section.boundaries, section.values
    paths = (f"{prefix}boundaries", f"{prefix}values")
    for path, value in zip(paths, (boundaries, rates), strict=True):
        if value is None:
            yield finding.Finding(
                path, "None", "expected a list of numbers", "write [280000, 600000] or the like"
            )
    if boundaries is None or rates is None:
        return
    if list(boundaries) != sorted(set(boundaries)) or any(step <= 0 for step in boundaries):
        cure = f"write {sorted({step for step in boundaries if step > 0})}"
        yield finding.Finding(
            paths[0], finding.show(boundaries), "expected steps above 0 that increase", cure
        )
    if not rates or any(rate <= 0 for rate in rates):
        yield finding.Finding(paths[1], finding.show(rates), "expected rates above 0", "correct the others")
    wanted = len(boundaries) + (kind == "stepwise")
    if len(rates) != wanted:
        rule = f"has {len(rates)} rates for {len(boundaries)} boundaries, expected {wanted}"
        cure = "give one before each boundary" + (" and one after the last" if kind == "stepwise" else "")
        yield finding.Finding(paths[1], finding.show(rates), rule, cure, others=(paths[0],))


def _check_clipping(choice: Any) -> Iterator[finding.Finding]:
    section = getattr(choice, choice.type or "", None)
    names = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(section, name, None)]
    if len(names) > 1:
        prefix = f"{_PREFIX}optimizer.{choice.type}."
        rule, cure = f"is set beside {names[0]}: gradients are clipped one way", "keep one of them"
        value = finding.show(getattr(section, names[1]))
        yield finding.Finding(f"{prefix}{names[1]}", value, rule, cure, others=(f"{prefix}{names[0]}",))


def _check_scaling(params: experiments.YolactExperiment) -> Iterator[finding.Finding]:
    written, batch = params.schedule_batch_size, params.task.train_data.global_batch_size
    kind = params.trainer.optimizer_config.learning_rate.type
    if written < 0:
        rule, cure = "expected 0 (do not scale) or a batch size", "write 0 to have numbers taken as they are"
        yield finding.Finding("schedule_batch_size", str(written), rule, cure)
    elif written not in (0, batch) and kind is not None and kind not in schedules.SCALED_KINDS:
        batch_key = "task.train_data.global_batch_size"
        rule = f"cannot be scaled from schedule_batch_size {written} to {batch_key} {batch}"
        cure = (
            f"write it for batch {batch} and set schedule_batch_size={batch}, or choose one of "
            f"{', '.join(schedules.SCALED_KINDS)}"
        )
        others = ("schedule_batch_size", batch_key)
        yield finding.Finding(f"{_PREFIX}learning_rate.type", finding.show(kind), rule, cure, others=others)
