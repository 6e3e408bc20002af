"""The check of a whole configuration, after YAML and overrides are merged.

Model Garden checks no value: `train_steps: abc` trains, and fails hours later.
"""

from __future__ import annotations

from official.core import config_definitions as cfg
from official_yolact.configs import contradictions
from official_yolact.configs import fields
from official_yolact.configs import finding
from official_yolact.configs import memory
from official_yolact.configs import values


def find_errors(params: cfg.ExperimentConfig) -> list[finding.Finding]:
    """Find wrong types; where there are none, wrong values, contradictions, and what cannot fit."""
    found = list(fields.check_types(params))
    if found:
        return found
    found = list(values.check_values(params))
    wrong = {one.path for one in found}
    right = _reset(params, wrong)
    together = [*contradictions.check_contradictions(right), *memory.check_memory(right)]
    return found + [one for one in together if not wrong & {one.path, *one.others}]


def _reset(params: cfg.ExperimentConfig, wrong: set[str]) -> cfg.ExperimentConfig:
    """Copy a configuration with the default of its class in each field that is wrong."""
    copy = params.replace()
    for path in wrong:
        above, _, name = path.rpartition(".")
        section = finding.read(copy, above) if above else copy
        setattr(section, name, getattr(type(section)(), name))
    return copy
