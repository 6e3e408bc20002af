"""All that `yolact doctor` looks at."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator, Sequence

from official_yolact.environment import machine
from official_yolact.environment import observation
from official_yolact.environment import packages
from official_yolact.environment import probe


def examine() -> Iterator[observation.Observation]:
    """Look at the environment, the quick things first.

    Yields:
      Observations, as they are made; nothing is changed.
    """
    yield from packages.check_python()
    distributions = list(importlib.metadata.distributions())
    yield from packages.check_versions(distributions)
    yield from packages.check_overlaps(distributions)
    yield from machine.check_processors()
    yield from machine.check_memory()
    yield from machine.check_disk()
    yield from machine.check_limits()
    yield from machine.check_variables(os.environ)
    tpu = list(machine.check_tpu(os.environ))
    yield from tpu
    yield from probe.check_tensorflow(is_tpu_host=bool(tpu))


def find_worst(observations: Sequence[observation.Observation]) -> int:
    """Find the index of the worst status in `LEVELS`: 0 all is well, 1 warnings, 2 not usable."""
    return max((observation.LEVELS.index(one.status) for one in observations), default=0)
