"""What Orbit's controller asks of a checkpoint manager, done by a verifying writer and reader."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from official_yolact.checkpoints import checkpoint_reader
from official_yolact.checkpoints import checkpoint_writer
from official_yolact.checkpoints import scan
from official_yolact.training import errors


class CheckpointManager:
    """Restores the newest intact checkpoint of a run and writes new ones.

    A worker that is not the chief writes to a folder that nobody reads, since saving needs all workers, and
    restores what the chief has chosen in the folder of the run.

    Attributes:
      checkpoint_interval: steps between two checkpoints; None: none is saved.
      latest_checkpoint: prefix of what was last restored or saved; None: nothing was.
      saved_step: its step; -1: nothing was.
    """

    def __init__(
        self,
        writer: checkpoint_writer.CheckpointWriter,
        reader: checkpoint_reader.CheckpointReader,
        *,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], None] | None = None,
        send_from_chief: Callable[[str], str] = str,
    ) -> None:
        """Build the manager.

        Args:
          writer: writes this worker's checkpoints.
          reader: restores those of the run.
          checkpoint_interval: steps between two checkpoints.
          init_fn: called where there is nothing to restore.
          send_from_chief: returns the text that the chief calls it with, on every worker.
        """
        self._writer = writer
        self._reader = reader
        self.checkpoint_interval = checkpoint_interval
        self._init_fn = init_fn
        self._send_from_chief = send_from_chief
        self._has_started = False
        self.latest_checkpoint: str | None = None
        self.saved_step = -1

    @property
    def directory(self) -> str:
        """Where this worker's checkpoints are written."""
        return self._writer.directory

    def restore_or_initialize(self) -> str | None:
        """Restore the newest intact checkpoint; start from the beginning only where none was written.

        Returns:
          The checkpoint, without `.index`; None if there is none and the run starts.

        Raises:
          ValueError: there are checkpoints and none is intact, or the newest intact one does not fit;
            nothing was changed.
          TrainingError: training wants to go back to a checkpoint and has none yet.
        """
        is_chief = self._reader.directory == self._writer.directory
        # An evaluation changes no file.
        owns_files = is_chief and self._reader.trains
        if owns_files:
            scan.remove_orphans(self.directory, "ckpt")
        name, damaged, refusal = self._reader.choose() if is_chief else ("", [], "")
        name, refusal = json.loads(self._send_from_chief(json.dumps([name, refusal])))
        if refusal:
            raise ValueError(refusal)
        if not name:
            self._initialize()
            return None
        prefix = os.path.join(self._reader.directory, name)
        self.restore(prefix)
        if owns_files:
            self._writer.go_on_from(prefix, damaged)
        return prefix

    def restore(self, prefix: str) -> None:
        """Restore one checkpoint, as `CheckpointReader.restore` does."""
        self._reader.restore(prefix)
        self._note(prefix)

    def save(self, number: int) -> str:
        """Write the checkpoint of a step, as `CheckpointWriter.save` does."""
        prefix = self._writer.save(number)
        self._note(prefix)
        return prefix

    def sync(self) -> None:
        """Do nothing: a save has ended when it returns."""

    def _note(self, prefix: str) -> None:
        self._has_started = True
        self.latest_checkpoint = prefix
        self.saved_step = int(prefix.rpartition("-")[2])

    def _initialize(self) -> None:
        if self._has_started:
            raise errors.TrainingError(
                f"{self._reader.directory}: training is to go back to a checkpoint, and has written none yet:"
                " lower trainer.checkpoint_interval, or find the cause in the first steps"
            )
        self._has_started = True
        if self._init_fn is not None:
            self._init_fn()
