"""Model Garden's runner of experiments, with checkpoints that are verified."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from official.core import train_lib
from official_yolact.evaluation import exchange
from official_yolact.training import checkpoint_manager
from official_yolact.training import run_directory


class ExperimentRunner(train_lib.OrbitExperimentRunner):
    """Runs an experiment; see `official.core.train_lib.OrbitExperimentRunner`."""

    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager | None:
        """Build the manager.

        Every worker saves, since reading variables may need all of them; the chief's folder counts, and
        all workers restore what the chief has chosen there. Model Garden's restore from their own
        folders, which are empty.
        """
        trainer, trains = self.trainer, "train" in self._mode
        is_chief = exchange.is_chief(self.strategy)
        return checkpoint_manager.VerifiedCheckpointManager(
            trainer.checkpoint,
            self.model_dir if is_chief else tempfile.mkdtemp(prefix="worker-"),
            self.params.trainer.max_to_keep if is_chief else 1,
            step_counter=trainer.global_step,
            checkpoint_interval=self.params.trainer.checkpoint_interval,
            init_fn=trainer.initialize,
            read_directory=self.model_dir,
            trains=trains,
            identity=run_directory.describe_identity(self.params, self.model_dir, trains),
            agree=_make_agreement(self.strategy),
        )


def _make_agreement(strategy: Any) -> Callable[[str], str]:
    """Make a function that gives every worker the chief's text."""
    return lambda text: exchange.send_from_chief(text.encode("utf-8"), strategy).decode("utf-8")
