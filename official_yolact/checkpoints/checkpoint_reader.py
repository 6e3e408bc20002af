"""Restoring checkpoints: the newest intact one and all of it, or nothing and an error."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import matching
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import state_file
from official_yolact.checkpoints import verify


@dataclasses.dataclass(frozen=True)
class CheckpointReader:
    """Restores checkpoints of a directory.

    Attributes:
      checkpoint: what is restored.
      directory: where its checkpoints are.
      trains: the run goes on with training, and every value that is stored must have its variable. An
        evaluation leaves optimizers alone.
      identity: key and JSON value of what must be the same as when the checkpoint was written.
      settings: variables that hold what the configuration says, which a restore does not change.
    """

    checkpoint: tf.train.Checkpoint
    directory: str
    trains: bool = True
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Sequence[tf.Variable] = ()

    def choose(self) -> tuple[str, list[str], str]:
        """Choose the newest intact checkpoint.

        Returns:
          Its name, such as `ckpt-8`, or ""; the prefixes of newer ones, which are damaged; and why a run must
          not begin without a checkpoint, or "".
        """
        found, damaged = verify.find_intact(self.directory, "ckpt")
        if found is not None:
            return found.name, list(damaged), ""
        if not damaged and not tf.io.gfile.exists(os.path.join(self.directory, state_file.NAME)):
            return "", [], ""
        listed = "; ".join(f"{os.path.basename(prefix)}: {problem}" for prefix, problem in damaged.items())
        listed = listed or f"{state_file.NAME} says that some were written, and all are gone"
        refusal = (
            f"{self.directory}: has no intact checkpoint ({listed}). Copy an intact one back, "
            "take another directory, or begin again at step 0 with --restart, which moves the old files aside"
        )
        return "", list(damaged), refusal

    def restore(self, prefix: str) -> matching.Match:
        """Restore one checkpoint: all of it, or nothing and an error.

        Args:
          prefix: the checkpoint, without `.index`.

        Returns:
          The account.

        Raises:
          ValueError: it was written by another model; a variable has no value there, or one of another
            shape, or, in training, a stored value has no variable; nothing was changed.
        """
        record = sidecar.read(prefix)
        if record is not None:
            self._check_identity(prefix, record.identity)
        match = matching.match_objects(self.checkpoint, prefix)
        left_out = match.unused if self.trains else ()
        if match.missing or match.unfit or left_out:
            raise ValueError(_describe(prefix, match, left_out))
        settings = [variable.numpy() for variable in self.settings]
        status = self.checkpoint.restore(prefix)
        status.assert_existing_objects_matched()
        if not self.trains:
            status.expect_partial()
        for variable, value in zip(self.settings, settings, strict=True):
            variable.assign(value)
        logging.info("%s: %s", prefix, match)
        return match

    def _check_identity(self, prefix: str, written: Mapping[str, Any]) -> None:
        changed = [
            f"{key}: {written[key]!r} -> {value!r}"
            for key, value in self.identity.items()
            if written.get(key, value) != value
        ]
        if changed:
            raise ValueError(
                f"{prefix}: was written by another model: {verify.name_some(changed)}. Set it back, take "
                "another directory (and this one as task.init_checkpoint, which takes over what fits), or "
                "begin again with --restart"
            )


def _describe(prefix: str, match: matching.Match, left_out: tuple[str, ...]) -> str:
    parts = [
        ("other shapes or types", match.unfit),
        ("not stored", match.missing),
        ("stored, and not used here", left_out),
    ]
    listed = "; ".join(
        f"{len(names)} {what}: {verify.name_some(list(names))}" for what, names in parts if names
    )
    return (
        f"{prefix}: does not fit this run, and nothing was restored ({listed}). Set task.model and "
        "trainer.optimizer_config as they were (params.yaml beside it), take another directory (and this one "
        "as task.init_checkpoint, which takes over what fits), or begin again with --restart"
    )
