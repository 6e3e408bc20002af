"""The values that single fields may have, by the rules beside the fields."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

from official.modeling import optimization
from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import fields
from official_yolact.configs import finding
from official_yolact.configs import model_garden
from official_yolact.configs import settings

NOT_BUILT = ("slide", "adafactor")
"""Optimizers of which Model Garden has the name and no code."""


def describe(config: base_config.Config) -> dict[str, settings.Setting]:
    """List what is known of the fields of a section, ours or Model Garden's, by their names."""
    found: dict[str, settings.Setting] = {}
    for base in reversed(type(config).__mro__):
        found.update(model_garden.SETTINGS.get(base, {}))
    own = {field.name: settings.read(field)[0] for field in dataclasses.fields(config)}
    return found | {name: known for name, known in own.items() if known}


def check_values(
    config: base_config.Config,
    prefix: str = "",
    below: Mapping[str, settings.Setting] = types.MappingProxyType({}),
) -> Iterator[finding.Finding]:
    """Find the fields whose value nothing can be done with.

    Args:
      config: a section whose types are right.
      prefix: key path of the section, with a dot at its end.
      below: what the field that holds the section says of its fields.

    Yields:
      Findings; of sections that are chosen by `type`, the others are left out.
    """
    if isinstance(config, oneof.OneOfConfig):
        yield from _check_choice(config, prefix)
    known = describe(config)
    for field in dataclasses.fields(config):
        value, path = getattr(config, field.name), f"{prefix}{field.name}"
        if isinstance(value, base_config.Config):
            if not isinstance(config, oneof.OneOfConfig) or field.name == config.type:
                yield from check_values(value, f"{path}.", settings.read(field)[1])
            continue
        for listed in (known, below):
            rule = listed[field.name].rule if field.name in listed else None
            if rule and not rule.accepts(value):
                yield _refuse(path, value, rule)


def _refuse(path: str, value: Any, rule: settings.Rule) -> finding.Finding:
    choices = rule.words.removeprefix("one of ").split(", ")
    near = fields.nearest(value, choices) if isinstance(value, str) else None
    usual = f"did you mean {near!r}?" if near else f"write such a value, or {finding.KEEP_DEFAULT}"
    return finding.Finding(path, finding.show(value), f"expected {rule.words}", rule.cure or usual)


def _check_choice(choice: oneof.OneOfConfig, prefix: str) -> Iterator[finding.Finding]:
    """Find a `type` that names none of the sections beside it."""
    known = {field.name for field in dataclasses.fields(choice)} - {"type", *NOT_BUILT}
    may_be_null = isinstance(choice, optimization.WarmupConfig)
    if choice.type in known or (may_be_null and choice.type is None):
        return
    near = fields.nearest(choice.type or "", sorted(known))
    cure = f"did you mean {near!r}?" if near else "write one of them"
    words = f"expected one of {', '.join(sorted(known))}{' or null' if may_be_null else ''}"
    yield finding.Finding(f"{prefix}type", finding.show(choice.type), words, cure)
