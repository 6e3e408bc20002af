"""Orbit's controller with loops on a fixed grid, a graceful stop and early stopping."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import logging

import orbit
from official_yolact import hosts
from official_yolact.configs import training as configs
from official_yolact.training import errors
from official_yolact.training import run_log
from official_yolact.training import stopping
from official_yolact.training.saving import new_checkpoints
from official_yolact.training.watch import early_stopping
from official_yolact.training.watch import nonfinite


class YolactController(orbit.Controller):
    """Runs loops that end at the same steps however often the run is interrupted.

    A loop ends at each multiple of `steps_per_loop`, `summary_interval` and `checkpoint_interval`, and
    where an evaluation is due. Orbit counts from where a run began: after a restart it would save,
    report and evaluate at other steps, and it would save at no multiple of `checkpoint_interval` that
    is none of `steps_per_loop`.

    Attributes:
      restored: the checkpoint that the run goes on from; None: it begins.
    """

    def __init__(
        self,
        *,
        config: configs.TrainerConfig,
        model_dir: str,
        stop: stopping.StopSignals | None = None,
        is_chief: bool = True,
        **kwargs: Any,
    ):
        """Build Orbit's controller and restore the last checkpoint.

        Args:
          config: the section `trainer`.
          model_dir: of the run.
          stop: says when to stop.
          is_chief: whether this process writes for all workers. Actions log the numbers of its loops and
            evaluations; the other workers log them here.
          **kwargs: see `orbit.Controller`.
        """
        self._intervals = tuple(
            interval
            for interval in (config.steps_per_loop, config.summary_interval, config.checkpoint_interval)
            if interval
        )
        self.restored: str | None = None
        self._writes_lines = not is_chief
        kwargs["steps_per_loop"] = self._count_steps_to_boundary
        super().__init__(**kwargs)
        self._stop = stop or stopping.StopSignals()
        self._is_any = hosts.build_any(self.strategy)
        self._early_stopping = early_stopping.EarlyStopping(config, model_dir, is_chief)

    def train(self, steps: int, checkpoint_at_completion: bool = True) -> None:
        """Train up to a step.

        Args:
          steps: the global step.
          checkpoint_at_completion: save at the end.

        Raises:
          StopRequested: a signal came; the last step is saved.
        """
        self._require("trainer", for_method="train")
        step = int(self.global_step.numpy())
        if step >= steps:
            _say_nothing_is_left(step, steps)
        while step < steps:
            self._train_n_steps(min(steps - step, self.steps_per_loop))
            self._follow_verdict()
            self._maybe_save_checkpoint()
            self._stop_if_requested()
            step = int(self.global_step.numpy())
        if checkpoint_at_completion:
            self._maybe_save_checkpoint(check_interval=False)

    def train_and_evaluate(
        self, train_steps: int, eval_steps: int = -1, eval_interval: int | None = None
    ) -> Any:
        """Train, with an evaluation at each multiple of `eval_interval` and at the end.

        The step is saved before it is evaluated. An evaluation that was interrupted is repeated when the
        run goes on.

        Args:
          train_steps: the global step at which training ends, if not before.
          eval_steps: batches of an evaluation; -1: all.
          eval_interval: steps.

        Returns:
          The numbers of the last evaluation; None if there was nothing left to do.

        Raises:
          StopRequested: a signal came; the last step is saved.
        """
        self._require("evaluator", for_method="train_and_evaluate")
        interval = eval_interval or train_steps
        step = int(self.global_step.numpy())
        self._early_stopping.go_back_to(step)
        is_due = step > 0 and (step % interval == 0 or step == train_steps)
        output = None
        if is_due and not self._early_stopping.has(step):
            output = self._evaluate_step(eval_steps)
        elif step >= train_steps:
            _say_nothing_is_left(step, train_steps)
        while step < train_steps and not self._stops_early():
            self.train(min(train_steps, (step // interval + 1) * interval))
            output = self._evaluate_step(eval_steps)
            step = int(self.global_step.numpy())
        return output

    def evaluate(self, steps: int = -1) -> Any:
        """Evaluate what the model is now.

        Args:
          steps: batches; -1: all.

        Returns:
          The numbers.
        """
        self._require("evaluator", for_method="evaluate")
        if steps != -1 and steps < 1:
            raise ValueError(f"steps={steps}: batches to evaluate on, or -1 for all")
        step = int(self.global_step.numpy())
        said = f"evaluating step {step:,} ..."
        logging.info("%s", said, extra=run_log.progress(said))
        begin = time.monotonic()
        with self.eval_summary_manager.summary_writer().as_default():
            output = self.evaluator.evaluate(tf.convert_to_tensor(steps, tf.int32)) or {}
        seconds = time.monotonic() - begin
        for action in self.eval_actions:
            action(output)
        output = tf.nest.map_structure(orbit.utils.get_value, output)
        if self._writes_lines:
            logging.info("evaluated step %d in %.1f s: %s", step, seconds, _format(output))
        by_class = self.evaluator.class_scalars() if hasattr(self.evaluator, "class_scalars") else {}
        self.eval_summary_manager.write_summaries({**output, **by_class})
        self.eval_summary_manager.flush()
        return output

    def evaluate_continuously(
        self, steps: int = -1, timeout: float | None = None, timeout_fn: Callable[[], bool] | None = None
    ) -> Any:
        """Evaluate each checkpoint that a training in another process saves.

        Args:
          steps: batches of an evaluation; -1: all.
          timeout: seconds without a new checkpoint after which it ends.
          timeout_fn: whether the checkpoint that was evaluated is the last.

        Returns:
          The numbers of the last evaluation; None if there was no checkpoint.
        """
        output = None
        is_done = timeout_fn or (lambda: False)
        for path in new_checkpoints.iterate(self.checkpoint_manager.directory, is_done, timeout):
            try:
                self.restore_checkpoint(path)
            except (OSError, ValueError, tf.errors.OpError):
                if tf.io.gfile.exists(f"{path}.index"):
                    raise
                logging.warning("%s was deleted before it was read; taking the next one", path)
                continue
            output = self.evaluate(steps)
        return output

    def restore_checkpoint(self, checkpoint_path: str | None = None) -> Any:
        """Restore a checkpoint, by default the last one, or else initialize the model."""
        with self.strategy.scope():
            if checkpoint_path is None:
                checkpoint_path = self.checkpoint_manager.restore_or_initialize()
            else:
                self.checkpoint_manager.restore(checkpoint_path)
        if checkpoint_path is not None:
            self.restored = checkpoint_path
            logging.info("restored %s (step %d)", checkpoint_path, int(self.global_step.numpy()))
        return checkpoint_path

    def _evaluate_step(self, eval_steps: int) -> Any:
        output = self.evaluate(eval_steps)
        self._early_stopping.add(int(self.global_step.numpy()), output)
        self._stop_if_requested()
        return output

    def _stops_early(self) -> bool:
        reason = self._early_stopping.find_reason()
        if reason:
            logging.warning("early stopping at step %d: %s", int(self.global_step.numpy()), reason)
        return reason is not None

    def _count_steps_to_boundary(self, step: int) -> int:
        return min(int(interval) - int(step) % int(interval) for interval in self._intervals)

    def _train_n_steps(self, num_steps: int) -> None:
        """Do a loop, which may be cut short by a request to stop, and report it."""
        before, begin = int(self.global_step.numpy()), time.monotonic()
        with self.summary_manager.summary_writer().as_default(), tf.summary.record_if(self._is_recorded()):
            output = self.trainer.train(tf.convert_to_tensor(num_steps, tf.int32)) or {}
        steps_per_second = (int(self.global_step.numpy()) - before) / (time.monotonic() - begin)
        self._call_train_actions(output)
        output = tf.nest.map_structure(orbit.utils.get_value, output)
        output["steps_per_second"] = steps_per_second
        if math.isnan(output.get("total_loss", 0.0)):
            output.pop("training_loss", None)  # no step was finite; see YolactTrainer.train_loop_end
        if self._writes_lines:
            logging.info("step %d: %s", int(self.global_step.numpy()), _format(output))
        self.summary_manager.write_summaries(output)
        self.summary_manager.flush()

    def _call_train_actions(self, output: dict[str, Any]) -> None:
        """Call the actions; name a cure where Model Garden's recovery ends the training.

        Raises:
          TrainingError: the loss is above `trainer.loss_upper_bound`, and going back is of no use.
        """
        try:
            for action in self.train_actions:
                action(output)
        except errors.TrainingError:
            raise
        except RuntimeError as error:
            raise errors.TrainingError(
                f"{error} See trainer.loss_upper_bound and trainer.recovery_max_trials; lower the learning "
                "rate or lengthen its warm-up"
            ) from error

    def _is_recorded(self) -> bool | Callable[[], Any]:
        if not self.summary_interval:
            return False
        return lambda: self.global_step % self.summary_interval == 0

    def _maybe_save_checkpoint(self, check_interval: bool = True) -> bool:
        """Save, where one is due or asked for and the step is not saved yet."""
        step = int(self.global_step.numpy())
        manager = self.checkpoint_manager
        if not manager or not manager.checkpoint_interval or step == manager.saved_step:
            return False
        if check_interval and step % manager.checkpoint_interval:
            return False
        said = f"saved {manager.save(step)}"
        logging.info("%s", said, extra=run_log.progress(said))
        return True

    def _follow_verdict(self) -> None:
        """Go back or end, where the loop had steps that were not finite and the policy says so.

        Raises:
          NonfiniteError: training ends; the weights are saved as they were before.
        """
        verdict = getattr(self.trainer, "verdict", nonfinite.Verdict())
        if verdict.action == "stop":
            if verdict.step >= 0:
                self.trainer.go_back_to(verdict.step)
            self._maybe_save_checkpoint(check_interval=False)
            raise nonfinite.NonfiniteError(verdict.message)
        if verdict.action != "restore":
            return
        if self.checkpoint_manager is None or not self.checkpoint_manager.latest_checkpoint:
            logging.warning("going on: there is no checkpoint to go back to, and no weight was changed")
            return
        logging.warning("going back to the last checkpoint: trainer.nonfinite is restore")
        self.restore_checkpoint()

    def _stop_if_requested(self) -> None:
        """Save and leave, if a signal came."""
        if not self._is_any(self._stop.is_requested):
            return
        step = int(self.global_step.numpy())
        self._maybe_save_checkpoint(check_interval=False)
        if self.checkpoint_manager and step == self.checkpoint_manager.saved_step:
            logging.warning("stopping after step %d: saved ckpt-%d", step, step)
        else:
            logging.error("stopping after step %d, which could not be saved", step)
        raise stopping.StopRequested(self._stop.signal_number or signal.SIGTERM)


def _say_nothing_is_left(step: int, steps: int) -> None:
    logging.warning(
        "nothing left to do: step %d of %d is reached. Raise trainer.train_steps to go on, or begin again "
        "with --restart or in another --model_dir",
        step,
        steps,
    )


def _format(output: dict[str, Any]) -> str:
    """Write numbers with four digits."""
    return ", ".join(f"{name} {float(value):.4g}" for name, value in sorted(output.items()))
