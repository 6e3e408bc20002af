"""Parts of a data set: what they may be called, and files that are written together or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

from official_yolact.files import storage
from official_yolact_runtime import values
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

MAX_NAME = 200
"""Characters; a file name of 255 has the name of a part within it."""


def refuse_long(name: str, where: str) -> None:
    """Refuse the name of a part that no name of a file has room for.

    Raises:
      ValueError: names what is too long, and its length.
    """
    if len(name) > MAX_NAME:
        raise ValueError(
            f"{where} is {values.shorten(name)} of {len(name)} characters: at most {MAX_NAME}, for names of"
            " files have room for no more"
        )


def write_json(
    contents: Mapping[str, Any],
    root: str,
    *,
    inputs: Iterable[str | None] = (),
    force: bool = False,
) -> None:
    """Write JSON files that belong together: where one cannot be written, none is.

    Args:
      contents: path below `root` to what is written there.
      root: output folder; is made.
      inputs: as for `files.check`.
      force: as for `files.check`.

    Raises:
      OSError: one cannot be written; names the file.
      ValueError: a file would be lost, or a number is not finite; names the file.
    """
    inputs = list(inputs)
    for path in contents:
        outputs.check(path, inputs=inputs, force=force, root=root)
    with outputs.named(root):
        os.makedirs(root, exist_ok=True)
        staging = tempfile.TemporaryDirectory(prefix=".yolact-", suffix=".incomplete", dir=root)
    with staging as folder:
        stored = [_store(os.path.join(folder, str(at)), *entry) for at, entry in enumerate(contents.items())]
        new = [path for path in contents if not os.path.lexists(path)]
        try:
            for (held, digest), path in zip(stored, contents, strict=True):
                outputs.move(held, path, digest)
        except BaseException:
            for path in new:
                with contextlib.suppress(OSError):
                    os.remove(path)
            raise


def _store(held: str, path: str, content: Any) -> tuple[str, str]:
    """Write the content of a path under another name; return that name and the sha256."""
    text = json_text.dump_finite(content, path)
    with outputs.named(path):
        return held, storage.store(held, text, staged=True)[1]
