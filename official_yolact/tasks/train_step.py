"""The training step: gradients of the global batch, and one update if all of them are finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from official_yolact.modeling import yolact_model
from official_yolact.optimizers import guarded_update
from official_yolact.schema import Tensor
from official_yolact.tasks import accumulation
from official_yolact.tasks import fault_record

TOTAL = "total_loss"


class StepOptions(NamedTuple):
    """What the trainer decides about the step.

    Attributes:
      num_parts: parts that a replica cuts its batch into, see `trainer.gradient_accumulation`.
      halts: after a fault no step changes a weight until the record is read.
      record: of the steps that were not finite; None: they are not recorded.
    """

    num_parts: int = 1
    halts: bool = False
    record: fault_record.FaultRecord | None = None


class StepResult(NamedTuple):
    """The scalars that a step computes.

    Attributes:
      losses: of this replica's batch; their mean over the replicas is the loss of the global batch.
      is_loss_finite: bool, all losses of all replicas are finite.
      gradient_norm: of the gradient of the global batch with the decay, before it is clipped.
      positives_per_image: of the global batch.
    """

    losses: dict[str, Tensor]
    is_loss_finite: Tensor
    gradient_norm: Tensor
    positives_per_image: Tensor


class TrainStep:
    """Does one update from one global batch.

    The gradient that is clipped and applied is that of the loss of the global batch plus the decay,
    however many replicas share the batch and in however many parts each goes through it.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        assign: Callable[[Any], Any],
        compute_losses: Callable[..., dict[str, Tensor]],
        decay: float,
    ) -> None:
        """Build the step from its losses.

        Args:
          names: of the loss terms and of their total.
          assign: see `YolactLoss.assign`.
          compute_losses: computes the losses by name from (labels, outputs), `mask_iou_head` and
            `assignment`.
          decay: `task.losses.weight_decay`.
        """
        self.names = names
        self._assign = assign
        self._compute_losses = compute_losses
        self._decay = decay
        self.options = StepOptions()

    @yolact_model.unconverted
    def __call__(self, inputs: Any, model: tf_keras.Model, optimizer: Any) -> StepResult:
        """Do the step on this replica's part of the batch.

        Args:
          inputs: (images, labels).
          model: a `YolactModel`.
          optimizer: see `guarded_update.apply_where`.
        """
        labels = inputs[1]
        statistics = find_statistics(model)
        before = [variable.read_value() for variable in statistics]
        assignment = self._assign(labels)
        losses, gradients = self._differentiate(inputs, assignment, model, optimizer)
        variables = model.trainable_variables
        gradients, bad_terms = self._reduce(gradients, losses)
        gradients = self._add_decay(gradients, variables)
        squares = tf.stack([2.0 * tf.nn.l2_loss(gradient) for gradient in gradients])
        # A gradient whose square overflows counts as infinite.
        bad_gradients = tf.logical_not(tf.math.is_finite(squares))
        accepted, judges_scale = self._decide(optimizer, bad_terms, bad_gradients, labels["image_id"])
        for variable, old, new in zip(statistics, before, _average(statistics), strict=True):
            variable.assign(tf.where(accepted, new, old))
        guarded_update.apply_where(accepted, judges_scale, optimizer, gradients, variables)
        positives, _, num_images = tf.unstack(assignment.counts)
        return StepResult(
            losses=losses,
            is_loss_finite=tf.logical_not(tf.reduce_any(bad_terms)),
            gradient_norm=tf.sqrt(tf.reduce_sum(squares)),
            positives_per_image=positives / tf.maximum(num_images, 1.0),
        )

    def _differentiate(
        self, inputs: Any, assignment: Any, model: Any, optimizer: Any
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Compute losses and gradients of this replica's batch, part by part."""
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        scaler = guarded_update.find_scaler(optimizer)
        variables = model.trainable_variables

        def compute(part: Any) -> tuple[dict[str, Tensor], list[Tensor]]:
            images, labels, targets = part
            with tf.GradientTape() as tape:
                outputs = model(images, training=True)
                losses = self._compute_losses(
                    labels,
                    outputs,
                    mask_iou_head=model.mask_iou_head,
                    assignment=assignment._replace(targets=targets),
                )
                # Gradients are summed over the replicas.
                loss = losses[TOTAL] / replicas
                loss = loss if scaler is None else scaler.get_scaled_loss(loss)
            found = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            found = found if scaler is None else scaler.get_unscaled_gradients(found)
            return {name: losses[name] for name in self.names}, found

        start = ({name: tf.constant(0.0) for name in self.names}, [tf.zeros(v.shape) for v in variables])
        # TensorFlow refuses them in a `tf.while_loop` under a strategy of one replica as well.
        has_collectives = any(getattr(norm, "synchronized", False) for norm in find_batch_norms(model))
        batch = (*inputs, assignment.targets)
        result: tuple[dict[str, Tensor], list[Tensor]] = accumulation.sum_parts(
            compute, batch, start, self.options.num_parts, has_collectives
        )
        return result

    def _reduce(self, gradients: list[Tensor], losses: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
        """Sum the gradients over the replicas; find the loss terms that are not finite on any."""
        terms = tf.stack([losses[name] for name in self.names])
        bad = tf.cast(tf.logical_not(tf.math.is_finite(terms)), tf.float32)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            *gradients, bad = context.all_reduce(tf.distribute.ReduceOp.SUM, [*gradients, bad])
        return gradients, bad > 0.0

    def _add_decay(self, gradients: list[Tensor], variables: list[Any]) -> list[Tensor]:
        """Add the gradient of the L2 decay.

        Source: the original decays every trainable tensor, biases, gamma and beta included.
        """
        if not self._decay:
            return gradients
        sums = []
        for gradient, variable in zip(gradients, variables, strict=True):
            # Else TensorFlow may compute all decays at the start of the step and hold them in memory.
            with tf.control_dependencies([gradient]):
                sums.append(gradient + self._decay * tf.cast(variable, gradient.dtype))
        return sums

    def _decide(
        self, optimizer: Any, bad_terms: Tensor, bad_gradients: Tensor, image_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decide whether the weights may change and whether a loss scale may; record a fault."""
        is_bad_loss = tf.reduce_any(bad_terms)
        is_bad = tf.logical_or(is_bad_loss, tf.reduce_any(bad_gradients))
        scaler = guarded_update.find_scaler(optimizer)
        is_fault = is_bad
        if scaler is not None and scaler.dynamic:
            # A dynamic scale falls when gradients overflow: a fault only once it is at its minimum of 1.
            is_fault = tf.logical_or(is_bad_loss, tf.logical_and(is_bad, scaler.loss_scale <= 1.0))
        runs = tf.constant(True)
        record, halts = self.options.record, self.options.halts
        if record is not None:
            if halts:
                runs = tf.equal(record.count, 0)
            record.write(is_fault, optimizer.iterations, bad_terms, bad_gradients, image_ids)
        return tf.logical_and(runs, ~is_bad), tf.logical_and(runs, ~is_bad_loss)


def _average(statistics: list[Any]) -> list[Tensor]:
    """Average variables over the replicas.

    A strategy would average them whenever they are read or saved. Averaged at each step, they are the
    same on every replica and in a checkpoint.
    """
    values = [variable.read_value() for variable in statistics]
    context = tf.distribute.get_replica_context()
    if not values or context.num_replicas_in_sync == 1:
        return values
    averages: list[Tensor] = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
    return averages


def find_batch_norms(model: tf_keras.Model) -> list[Any]:
    """List the batch norms that train."""
    kinds = (tf_keras.layers.BatchNormalization, tf_keras.layers.experimental.SyncBatchNormalization)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds) and layer.trainable]


def find_statistics(model: tf_keras.Model) -> list[Any]:
    """List the variables that a forward pass in training changes."""
    return [variable for norm in find_batch_norms(model) for variable in norm.non_trainable_weights]
