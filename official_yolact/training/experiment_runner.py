"""Model Garden's runner of experiments, with checkpoints that are verified."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from official.core import train_lib
from official_yolact import hosts
from official_yolact.checkpoints import checkpoint_reader
from official_yolact.checkpoints import checkpoint_writer
from official_yolact.files import storage
from official_yolact.training import run_directory
from official_yolact.training.saving import checkpoint_manager


class ExperimentRunner(train_lib.OrbitExperimentRunner):
    """Runs an experiment; see `official.core.train_lib.OrbitExperimentRunner`."""

    def _maybe_build_checkpoint_manager(self) -> checkpoint_manager.CheckpointManager:
        """Build the manager.

        Every worker saves, since reading variables may need all of them; the chief's folder counts, and
        all workers restore what the chief has chosen there. Model Garden's restore from their own
        folders, which are empty.
        """
        trainer, trains = self.trainer, "train" in self._mode
        is_chief = hosts.is_chief(self.strategy)
        identity = run_directory.describe_identity(self.params, self.model_dir, trains)
        writer = checkpoint_writer.CheckpointWriter(
            trainer.checkpoint,
            self.model_dir if is_chief else storage.make_temporary_folder(),
            self.params.trainer.max_to_keep if is_chief else 1,
            identity=identity,
        )
        reader = checkpoint_reader.CheckpointReader(
            trainer.checkpoint, self.model_dir, trains, identity, _find_settings(trainer.optimizer)
        )
        return checkpoint_manager.CheckpointManager(
            writer,
            reader,
            checkpoint_interval=self.params.trainer.checkpoint_interval,
            init_fn=trainer.initialize,
            send_from_chief=functools.partial(hosts.send_from_chief, strategy=self.strategy),
        )

    def _build_controller(self, *args: Any, eval_actions: list[Any] | None = None, **kwargs: Any) -> Any:
        """Build the controller with our actions after an evaluation alone.

        Model Garden adds one, with a moving average, by which every worker saves the averaged weights once
        more, unverified; `best_ckpt` has them.
        """
        controller = super()._build_controller(*args, **kwargs)
        controller.eval_actions = tuple(eval_actions or ())
        return controller

    def run(self) -> tuple[Any, Mapping[str, Any]]:
        """Do what the mode says.

        Model Garden's also counts operations at the end, which for a model of ours ends in a message that
        they could not be counted.

        Returns:
          The model, and the numbers of an evaluation after training, where the mode asks for one.
        """
        trainer, controller = self.params.trainer, self.controller
        with self.strategy.scope():
            if self._mode in ("train", "train_and_post_eval"):
                controller.train(steps=trainer.train_steps)
            elif self._mode == "train_and_eval":
                controller.train_and_evaluate(
                    train_steps=trainer.train_steps,
                    eval_steps=trainer.validation_steps,
                    eval_interval=trainer.validation_interval,
                )
            elif self._mode == "continuous_eval":
                controller.evaluate_continuously(
                    steps=trainer.validation_steps,
                    timeout=trainer.continuous_eval_timeout,
                    timeout_fn=lambda: int(self.trainer.global_step.numpy()) >= trainer.train_steps,
                )
            elif self._mode == "eval":
                controller.evaluate(steps=trainer.validation_steps)
            if self._mode == "train_and_post_eval":
                return self.trainer.model, controller.evaluate(steps=trainer.validation_steps)
        return self.trainer.model, {}


def _find_settings(optimizer: Any) -> list[tf.Variable]:
    """Find the optimizer's variables that hold settings, such as a constant learning rate."""
    return [
        value
        for thing in tf.train.TrackableView(optimizer).descendants()
        for value in getattr(thing, "_hyper", {}).values()
        if isinstance(value, tf.Variable)
    ]
