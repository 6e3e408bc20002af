"""Checkpoints that are verified when they are written and when they are read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging
from tensorflow.python.checkpoint import checkpoint_management

from official_yolact.checkpoints import matching
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.files import storage
from official_yolact.training import errors


class NonFiniteCheckpointError(ValueError):
    """The weights or slots hold NaN or infinity, so that no checkpoint was written.

    Attributes:
      names: paths of the variables.
    """

    def __init__(self, message: str, names: list[str]) -> None:
        """Take the message and the variables' paths."""
        super().__init__(message)
        self.names = names


class VerifiedCheckpointManager(tf.train.CheckpointManager):
    """A checkpoint manager that believes files, not what is said of them.

    It finds checkpoints by looking, restores the newest intact one and all of it, writes none that is
    poisoned, and lets one go only when enough others have been verified.
    """

    _last_checkpoint_step: int | None
    _latest_checkpoint: str | None

    def __init__(
        self,
        checkpoint: tf.train.Checkpoint,
        directory: str,
        max_to_keep: int | None,
        *,
        checkpoint_name: str = "ckpt",
        step_counter: tf.Variable | None = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], None] | None = None,
        read_directory: str | None = None,
        trains: bool = True,
        identity: Mapping[str, Any] | None = None,
        agree: Callable[[str], str] | None = None,
        settings: Sequence[tf.Variable] = (),
    ) -> None:
        """Find what is there.

        Args:
          checkpoint: what is saved and restored.
          directory: where checkpoints are written.
          max_to_keep: intact ones, the newest, that are kept; None: all.
          checkpoint_name: before the number.
          step_counter: the global step.
          checkpoint_interval: steps between two checkpoints.
          init_fn: called where there is nothing to restore.
          read_directory: where checkpoints are restored from, if not `directory`: a worker that is not
            the chief writes to a folder that nobody reads.
          trains: this run goes on with training: all that is stored must be taken, and what killed
            saves have left is removed. An evaluation changes no file and leaves optimizers alone.
          identity: key and JSON value of what must be as it was when a checkpoint was written.
          agree: gives every worker the text of the chief; None: there is one worker.
          settings: variables that hold what the configuration says, which a restore does not change.
        """
        # TensorFlow's constructor reads the state file, and fails if that is empty.
        nowhere = os.path.join(directory, "no-such-folder")
        super().__init__(
            checkpoint,
            nowhere,
            max_to_keep,
            checkpoint_name=checkpoint_name,
            step_counter=step_counter,
            checkpoint_interval=checkpoint_interval,
            init_fn=init_fn,
        )
        self._directory = directory
        self._checkpoint_prefix = os.path.join(directory, checkpoint_name)
        self._name = checkpoint_name
        self._steps = step_counter
        self._read_directory = read_directory or directory
        self._owns = trains and self._read_directory == directory
        self._trains = trains
        self._identity = dict(identity or {})
        self._agree = agree or str
        self._settings = tuple(settings)
        self._verified: set[str] = set()
        self._started = False
        self._find()

    def restore_or_initialize(self) -> str | None:
        """Restore the newest intact checkpoint; start from the beginning only where none was written.

        Returns:
          The checkpoint, without `.index`; None if there is none and the run starts.

        Raises:
          ValueError: there are checkpoints and none is intact, or the newest intact one does not fit;
            nothing was changed.
          TrainingError: training wants to go back to a checkpoint and has none yet.
        """
        if self._owns:
            scan.remove_orphans(self._directory, self._name)
        prefix, damaged = self._choose()
        if prefix is None:
            self._initialize()
            return None
        self.restore(prefix)
        self._started = True
        if self._owns:
            self._find(damaged)
            self._verified.add(prefix)
        self._latest_checkpoint = prefix
        if self._owns:
            self._record_state()
        if self._steps is not None:
            self._last_checkpoint_step = int(self._steps.numpy())
        return prefix

    def _choose(self) -> tuple[str | None, set[str]]:
        """Choose the checkpoint to restore; the chief does it for all workers."""
        chosen, refusal = "", ""
        damaged: dict[str, str] = {}
        if self._read_directory == self._directory:
            found, damaged = verify.find_intact(self._directory, self._name)
            chosen = found.name if found else ""
            refusal = "" if found else self._find_reason_not_to_start(damaged)
        agreed = json.loads(self._agree(json.dumps([chosen, refusal])))
        if agreed[1]:
            raise ValueError(agreed[1])
        return os.path.join(self._read_directory, agreed[0]) if agreed[0] else None, set(damaged)

    def restore(self, prefix: str) -> matching.Match:
        """Restore one checkpoint: all of it, or nothing and an error.

        Args:
          prefix: the checkpoint, without `.index`.

        Returns:
          The account.

        Raises:
          ValueError: a variable has no value there, or one of another shape, or, in training, a stored
            value has no variable; nothing was changed.
        """
        record = sidecar.read(prefix)
        if record is not None:
            self._check_identity(prefix, record)
        match = matching.match_objects(self._checkpoint, prefix)
        left_out = match.unused if self._trains else ()
        if match.missing or match.unfit or left_out:
            raise ValueError(_describe(prefix, match, left_out))
        settings = [variable.numpy() for variable in self._settings]
        status = self._checkpoint.restore(prefix)
        status.assert_existing_objects_matched()
        if not self._trains:
            status.expect_partial()
        for variable, value in zip(self._settings, settings, strict=True):
            variable.assign(value)
        logging.info("%s: %s", prefix, match)
        return match

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: tf.train.CheckpointOptions | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> str | None:
        """Write a checkpoint, verify it, then let the oldest go.

        Args:
          checkpoint_number: at the end of its name; None: the number of saves.
          check_interval: write none within `checkpoint_interval` steps of the last.
          options: of TensorFlow; writing is never left to another thread.
          metrics: what an evaluation has measured, to be kept beside it.

        Returns:
          The checkpoint, without `.index`; None if none was due.

        Raises:
          NonFiniteCheckpointError: a weight or slot is NaN or infinite; the last checkpoint stays.
          OSError: it cannot be written, or is not read back as it was written; the last one stays.
        """
        step = int(self._steps.numpy()) if self._steps is not None else None
        if self._checkpoint_interval is not None and not self._is_due(step, check_interval):
            return None
        counter = self._checkpoint.save_counter
        counter.assign_add(1)
        number = int(counter.numpy() if checkpoint_number is None else checkpoint_number)
        prefix = f"{self._checkpoint_prefix}-{number}"
        try:
            self._write(prefix, options, number if step is None else step, dict(metrics or {}))
        except Exception:
            counter.assign_sub(1)
            raise
        self._last_checkpoint_step = step
        self._verified.add(prefix)
        self._maybe_delete.pop(prefix, None)
        self._maybe_delete[prefix] = time.time()
        self._latest_checkpoint = prefix
        self._record_state()
        self._sweep()
        return prefix

    def _is_due(self, step: int | None, check_interval: bool) -> bool:
        last = self._last_checkpoint_step
        if last is None or step is None:
            return True
        return bool(step != last and (not check_interval or step >= last + self._checkpoint_interval))

    def _write(self, prefix: str, options: Any, step: int, metrics: dict[str, float]) -> None:
        """Write into a folder beside, verify there, then move: data, index, and last the record."""
        folder = f"{prefix}_temp"
        inside = os.path.join(folder, os.path.basename(prefix))
        plain = tf.train.CheckpointOptions()
        if options is not None:
            plain.experimental_io_device = options.experimental_io_device
        try:
            storage.remove(folder)
            tf.io.gfile.makedirs(folder)
            self._checkpoint.write(inside, options=plain)
            (written,) = scan.find_checkpoints(folder)
            self._refuse_poison(prefix, inside)
            sums = verify.record_files(inside, (*written.data, ".index"))
            for path in written.paths():
                storage.sync(path)
            storage.remove(prefix + sidecar.ENDING)
            for ending in (*written.data, ".index"):
                storage.move(inside + ending, prefix + ending)
            storage.sync(self._directory)
            sidecar.write(prefix, sidecar.Sidecar(step, sums, self._identity, metrics))
        except NonFiniteCheckpointError:
            raise
        except verify.READ_ERRORS as error:
            last = f"{self._latest_checkpoint} stays" if self._latest_checkpoint else "there is no other"
            raise OSError(
                f"{prefix}: the checkpoint could not be written ({storage.describe(error)}); {last}. "
                "Is the disk full or gone?"
            ) from error
        finally:
            storage.remove(folder)

    def _refuse_poison(self, prefix: str, inside: str) -> None:
        poisoned = verify.find_nonfinite(inside)
        if poisoned:
            last = self._latest_checkpoint
            raise NonFiniteCheckpointError(
                f"{prefix} is not written: NaN or infinity in {verify.name_some(poisoned)}. "
                + (f"The last checkpoint, {last}, stays" if last else "There is no earlier checkpoint"),
                poisoned,
            )

    def _find(self, damaged: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Take over the files that are there as those that are kept."""
        found = scan.find_checkpoints(self._directory, self._name)
        kept = [each.prefix for each in reversed(found) if each.has_index and each.prefix not in damaged]
        now = time.time()
        self._maybe_delete.clear()
        self._maybe_delete.update((prefix, now) for prefix in kept)
        self._latest_checkpoint = kept[-1] if kept else None

    def _record_state(self) -> None:
        """Write the state file, for the programs that read it."""
        if not self._maybe_delete:
            return
        checkpoint_management.update_checkpoint_state_internal(
            self._directory,
            model_checkpoint_path=self._latest_checkpoint,
            all_model_checkpoint_paths=list(self._maybe_delete),
            all_model_checkpoint_timestamps=list(self._maybe_delete.values()),
            last_preserved_timestamp=self._last_preserved_timestamp,
            save_relative_paths=True,
        )

    def _sweep(self) -> None:
        """Delete what is older than the `max_to_keep` newest intact ones."""
        if not self._max_to_keep or len(self._maybe_delete) <= self._max_to_keep:
            return
        found = {each.prefix: each for each in scan.find_checkpoints(self._directory, self._name)}
        kept: dict[str, float] = {}
        for prefix, timestamp in reversed(self._maybe_delete.items()):
            if len(kept) < self._max_to_keep and prefix in found and self._is_intact(found[prefix]):
                kept[prefix] = timestamp
        gone = [found[prefix] for prefix in self._maybe_delete if prefix in found and prefix not in kept]
        self._maybe_delete.clear()
        self._maybe_delete.update(reversed(kept.items()))
        # First the state: what it names was whole once, and a killed deletion leaves parts.
        self._record_state()
        for each in gone:
            for path in each.paths():
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

    def _initialize(self) -> None:
        if self._started:
            raise errors.TrainingError(
                f"{self._read_directory}: training is to go back to a checkpoint, and has written none yet: "
                "lower trainer.checkpoint_interval, or find the cause in the first steps"
            )
        self._started = True
        if self._init_fn is not None:
            self._init_fn()

    def _find_reason_not_to_start(self, damaged: dict[str, str]) -> str:
        state = os.path.join(self._read_directory, scan.STATE_FILE)
        if not damaged and not tf.io.gfile.exists(state):
            return ""
        listed = "; ".join(f"{os.path.basename(prefix)}: {problem}" for prefix, problem in damaged.items())
        listed = listed or f"{scan.STATE_FILE} says that some were written, and all are gone"
        return (
            f"{self._read_directory}: has no intact checkpoint ({listed}). Copy an intact one back, "
            "take another directory, or begin again at step 0 with --restart, which moves the old files aside"
        )

    def _check_identity(self, prefix: str, record: sidecar.Sidecar) -> None:
        changed = [
            f"{key}: {record.identity[key]!r} -> {value!r}"
            for key, value in self._identity.items()
            if record.identity.get(key, value) != value
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
