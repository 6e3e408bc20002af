"""Model Garden's trainer with a data position that follows the step, and an eye on the masks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from absl import logging

from official.core import base_trainer
from official_yolact.training import bad_records
from official_yolact.training import plateau


class YolactTrainer(base_trainer.Trainer):
    """Trains from the example at which a run of so many steps would be.

    Model Garden's trainer reads the data from the start after every restart, so a job that is
    pre-empted often trains on its first batches only.
    """

    def __init__(self, config: Any, task: Any, model: Any, optimizer: Any, **kwargs: Any):
        """Take what Model Garden's trainer takes.

        Args:
          config: the experiment.
          task: a `YolactTask`.
          model: its model.
          optimizer: its optimizer; its slots are made here, since a distribution strategy cannot
            make them inside the first step.
          **kwargs: see `official.core.base_trainer.Trainer`.
        """
        super().__init__(config, task, model, optimizer, **kwargs)
        self._position_step: int | None = None
        self._bad_records = bad_records.BadRecords(config.task.train_data.max_bad_fraction)
        self._mask_watch = plateau.MaskPlateau(config.task.losses.mask_weight)
        if kwargs.get("train", True):
            create_slots(optimizer, model.trainable_variables)

    def train_loop_begin(self) -> None:
        """Move the data to the global step when a restart or a recovery has moved the step."""
        super().train_loop_begin()
        step = int(self.global_step.numpy())
        if self._position_step == step:
            return
        if step or self._position_step is not None:
            self.task.start_position = step * self.config.task.train_data.global_batch_size
            logging.info("training data: start at example %d (step %d)", self.task.start_position, step)
            self.train_dataset = self.distribute_dataset(self.task.build_inputs, self.config.task.train_data)

    def train_loop_end(self) -> dict[str, Any]:
        """Collect the means of the loop; report masks that do not learn and records that teach nothing.

        Raises:
          ValueError: more records than `max_bad_fraction` could not be used.
        """
        logs: dict[str, Any] = super().train_loop_end()
        before, step = self._position_step or 0, int(self.global_step.numpy())
        self._position_step = step
        num_examples = (step - before) * self.config.task.train_data.global_batch_size
        for message in (
            self._mask_watch.update(step, float(logs["mask_loss"])),
            self._bad_records.update(
                num_examples,
                float(logs["unusable_records"]),
                self._take_faults(is_training=True),
                self.task.unusable[True].num_records,
            ),
        ):
            if message:
                logging.warning("%s", message)
        return logs

    def eval_end(self, aggregated_outputs: Any = None) -> Any:
        """Compute the numbers of an evaluation; name the records that it could not use."""
        faults = self._take_faults(is_training=False)
        if faults:
            logging.error(
                "%d of %d validation records could not be used and count as images without detections:%s",
                len(faults),
                self.task.unusable[False].num_records,
                bad_records.list_faults(faults),
            )
        return super().eval_end(aggregated_outputs)

    def _take_faults(self, is_training: bool) -> list[Any]:
        faults: list[Any] = self.task.unusable[is_training].take(self.config.task.model.num_classes)
        return faults


def create_slots(optimizer: Any, variables: list[tf.Variable]) -> None:
    """Create the optimizer's slot variables ahead of the first step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "build"):
        inner.build(variables)
    elif hasattr(inner, "_create_all_weights"):
        inner._create_all_weights(variables)
