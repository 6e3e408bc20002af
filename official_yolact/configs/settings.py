"""What a field of a configuration means and may hold, stated where the field is defined.

`setting` puts both into the metadata of the dataclass field. The checks read them there, and
`docs/write_config.py` makes the tables of `docs/config.md` of them. `model_garden` has the same for fields
of classes that are not ours.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_KEY = "setting"
_BELOW = "below"
_MAX_SEED = 2**32


class Rule(NamedTuple):
    """The values that a field may have.

    Attributes:
      accepts: whether a value is one of them.
      words: the same, after "expected".
      cure: what to write instead; empty: such a value, or the default.
    """

    accepts: Callable[[Any], bool]
    words: str
    cure: str = ""


def one_of(*choices: Any) -> Rule:
    """Make a rule of the values that it accepts."""
    return Rule(lambda value: value in choices, f"one of {', '.join(map(str, choices))}")


def optional(rule: Rule) -> Rule:
    """Make a rule that accepts null as well."""
    return Rule(lambda value: value is None or rule.accepts(value), f"{rule.words}, or null")


FRACTION = Rule(lambda value: 0 <= value <= 1, "from 0 to 1")
DECAY = Rule(lambda value: 0 <= value < 1, "0 or more and below 1")
POSITIVE = Rule(lambda value: value > 0, "above 0")
POSITIVE_SET = Rule(lambda value: value is not None and value > 0, "above 0")
AT_LEAST_ONE = Rule(lambda value: value >= 1, "1 or more")
NOT_NEGATIVE = Rule(lambda value: value >= 0, "0 or more")
SEED = Rule(lambda value: 0 <= value < _MAX_SEED, "from 0 to 2^32 - 1")
INSIDE = Rule(
    lambda value: not os.path.isabs(value) and ".." not in value.split("/"),
    "a folder inside the model directory",
)


def never(why: str) -> Rule:
    """Make the rule of a switch of Model Garden that has to stay off, `why` beginning with its value."""
    return Rule(lambda value: not value, why)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a field besides its type and default.

    Attributes:
      meaning: of the value, with its unit.
      rule: values that it may have; None: all of its type.
      unread: why no value has an effect; empty: values have one.
    """

    meaning: str = ""
    rule: Rule | None = None
    unread: str = ""


def setting(default: Any, meaning: str = "", rule: Rule | None = None, *, unread: str = "") -> Any:
    """Define a field; see `Setting`. A list is copied for each configuration."""
    metadata = {_KEY: Setting(meaning, rule, unread)}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(make: Callable[[], Any], **below: Setting) -> Any:
    """Define a field that holds a section; `below` is what is known of its fields there alone."""
    return dataclasses.field(default_factory=make, metadata={_BELOW: below})


def read(field: dataclasses.Field[Any]) -> tuple[Setting | None, Mapping[str, Setting]]:
    """Read what `setting` or `section` noted of a field: of itself, and of the fields below it."""
    return field.metadata.get(_KEY), field.metadata.get(_BELOW, {})
