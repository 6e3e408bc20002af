"""The record beside a checkpoint: the checksums of its files, and the model that it belongs to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from absl import logging

import official_yolact
from official_yolact.files import storage
from official_yolact_runtime.files import json_text

ENDING = ".json"
_SUM = "sha256"


@dataclasses.dataclass(frozen=True)
class Sidecar:
    """The record of a checkpoint, `ckpt-N.json`; it is written last.

    Attributes:
      step: of the training.
      files: name, without folder, to size in bytes and sha256 of each file.
      identity: key and JSON value of the settings that must be the same when the run goes on.
      metrics: of the evaluation that chose the checkpoint; empty for those of the training.
      library: version that wrote it.
    """

    step: int
    files: Mapping[str, tuple[int, str]]
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    library: str = official_yolact.__version__


def write(prefix: str, sidecar: Sidecar) -> None:
    """Write the record of a checkpoint.

    Args:
      prefix: the checkpoint, without `.index`.
      sidecar: its record.

    Raises:
      OSError: it cannot be written.
    """
    content = json_text.to_finite(dataclasses.asdict(sidecar))
    storage.store(prefix + ENDING, json.dumps({**content, _SUM: _sum(content)}, indent=1) + "\n")


def read(prefix: str) -> Sidecar | None:
    """Read the record of a checkpoint; None if it is missing or damaged.

    The record has a checksum of its own. A damaged record does not make the checkpoint damaged: every
    tensor is then read instead.
    """
    path = prefix + ENDING
    try:
        # Old records have NaN among their metrics, and the checksum of such text.
        content = json_text.parse(storage.read_text(path), path, finite=False)
        if content.pop(_SUM) != _sum(content):
            raise ValueError("its sha256 is not its content's")
        content["files"] = {name: (int(size), str(sha)) for name, (size, sha) in content["files"].items()}
        return Sidecar(**content)
    except OSError:
        return None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        logging.warning("%s is damaged (%s): every tensor is read instead", path, error)
        return None


def _sum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
