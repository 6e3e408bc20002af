"""Writing checkpoints: each is verified before it counts, and the oldest are deleted."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import state_file
from official_yolact.checkpoints import verify
from official_yolact.files import storage


class NonFiniteCheckpointError(ValueError):
    """The weights or slots hold NaN or infinity, so that no checkpoint was written."""


class CheckpointWriter:
    """Writes the checkpoints of one directory; none is deleted before enough others were verified.

    Attributes:
      checkpoint: what is saved.
      directory: where it is saved.
      kept: prefixes of the checkpoints in the directory, without `.index`; the latest one is last.
    """

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        directory: str,
        max_to_keep: int | None = None,
        *,
        name: str = "ckpt",
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        """Find the checkpoints that the directory holds.

        Args:
          checkpoint: what is saved.
          directory: where; it is made when a checkpoint is saved.
          max_to_keep: the newest intact checkpoints, so many, are kept; None: all.
          name: of a checkpoint, before its number.
          identity: key and JSON value of what must be the same when the checkpoint is restored.
        """
        self.checkpoint = checkpoint
        self.directory = directory
        self._max_to_keep = max_to_keep
        self._name = name
        self._identity = dict(identity or {})
        self._verified: set[str] = set()
        self.kept = self._find()

    def go_on_from(self, prefix: str, damaged: Collection[str] = ()) -> None:
        """Count a checkpoint of the directory as verified and the latest, and write the state file.

        Args:
          prefix: the checkpoint, without `.index`; it was restored.
          damaged: prefixes of those that do not count as kept.
        """
        self.kept = [kept for kept in self._find() if kept not in damaged]
        self._verified.add(prefix)
        self._write_state()

    def save(self, number: int, metrics: Mapping[str, float] | None = None) -> str:
        """Write a checkpoint and verify it; then delete the oldest.

        Args:
          number: the step, with which its name ends.
          metrics: what an evaluation has measured, for the record beside the checkpoint.

        Returns:
          The checkpoint, without `.index`.

        Raises:
          NonFiniteCheckpointError: a weight or slot is NaN or infinite; the last checkpoint stays.
          OSError: it cannot be written, or is not read back as it was written; the last one stays.
        """
        prefix = os.path.join(self.directory, f"{self._name}-{number}")
        counter = self.checkpoint.save_counter
        counter.assign_add(1)
        try:
            self._write(prefix, number, dict(metrics or {}))
        except Exception:
            counter.assign_sub(1)
            raise
        self._verified.add(prefix)
        self.kept = [*(kept for kept in self.kept if kept != prefix), prefix]
        self._write_state()
        self._delete_oldest()
        return prefix

    def _find(self) -> list[str]:
        found = scan.find_checkpoints(self.directory, self._name)
        return [each.prefix for each in reversed(found) if each.has_index]

    def _write(self, prefix: str, step: int, metrics: Mapping[str, float]) -> None:
        """Write into a folder beside, verify there, then move: data, index, and last the record."""
        folder = f"{prefix}_temp"
        inside = os.path.join(folder, os.path.basename(prefix))
        last = self.kept[-1] if self.kept else None
        try:
            storage.remove(folder)
            tf.io.gfile.makedirs(folder)
            self.checkpoint.write(inside)
            (written,) = scan.find_checkpoints(folder)
            poisoned = verify.find_nonfinite(inside)
            if poisoned:
                raise NonFiniteCheckpointError(
                    f"{prefix} is not written: NaN or infinity in {verify.name_some(poisoned)}. "
                    + (f"The last checkpoint, {last}, stays" if last else "There is no earlier checkpoint")
                )
            sums = verify.record_files(inside, (*written.data, ".index"))
            for path in written.paths():
                storage.sync(path)
            storage.remove(prefix + sidecar.ENDING)
            for ending in (*written.data, ".index"):
                storage.rename(inside + ending, prefix + ending)
            sidecar.write(prefix, sidecar.Sidecar(step, sums, self._identity, metrics))
        except NonFiniteCheckpointError:
            raise
        except verify.READ_ERRORS as error:
            raise OSError(
                f"{prefix}: the checkpoint could not be written ({storage.describe(error)}); "
                f"{f'{last} stays' if last else 'there is no other'}. Is the disk full or gone?"
            ) from error
        finally:
            storage.remove(folder)

    def _write_state(self) -> None:
        state_file.write(self.directory, [os.path.basename(prefix) for prefix in self.kept])

    def _delete_oldest(self) -> None:
        """Delete all but the `max_to_keep` newest intact checkpoints."""
        if not self._max_to_keep or len(self.kept) <= self._max_to_keep:
            return
        found = {each.prefix: each for each in scan.find_checkpoints(self.directory, self._name)}
        listed = [prefix for prefix in self.kept if prefix in found]
        intact = (prefix for prefix in reversed(listed) if self._is_intact(found[prefix]))
        self.kept = list(itertools.islice(intact, self._max_to_keep))[::-1]
        # First the state: what it names was whole once, and a killed deletion leaves parts.
        self._write_state()
        for prefix in listed:
            if prefix not in self.kept:
                for path in found[prefix].paths():
                    storage.remove(path)

    def _is_intact(self, found: scan.CheckpointFiles) -> bool:
        if found.prefix in self._verified:
            return True
        problem = verify.find_damage(found)
        if problem:
            logging.error("DAMAGED CHECKPOINT %s: %s; it is not counted as kept", found.prefix, problem)
            return False
        self._verified.add(found.prefix)
        return True
