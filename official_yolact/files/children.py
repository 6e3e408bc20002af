"""Modules of this package that run in a process of their own: what hangs or crashes there ends alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import official_yolact


def run_module(
    words: Sequence[str],
    *,
    changes: Mapping[str, str | None] | None = None,
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m WORDS` with this package, and keep what it prints.

    Args:
      words: the module and its arguments.
      changes: of the environment, by name; None removes a variable.
      seconds: after which the process is ended; None: never.

    Returns:
      Exit code and output.

    Raises:
      subprocess.TimeoutExpired: the process took longer.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(official_yolact.__file__)))
    above = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    wanted = {**os.environ, "PYTHONPATH": above, **(changes or {})}
    return subprocess.run(
        # -P: a file of the present folder that is called as a module is not taken for it.
        [sys.executable, "-P", "-m", *words],
        env={name: value for name, value in wanted.items() if value is not None},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds,
    )
