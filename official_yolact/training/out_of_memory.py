"""What to say when the memory does not hold a step of training or evaluation."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from official_yolact.configs import experiments
from official_yolact.training import errors

_SHAPE = re.compile(r"shape\s*\[([\d,\s]+)\].*?type\s+(\w+)", re.DOTALL)
_BYTES = re.compile(r"(?:allocate|allocating)\s+([\d.]+)\s*(B|KiB|MiB|GiB|bytes)")
_SMALLER = "  a smaller task.model.input_size: memory goes with its area"


class OutOfMemoryError(errors.TrainingError):
    """A step does not fit into the memory of a device."""


@contextlib.contextmanager
def explaining(
    params: experiments.YolactExperiment, num_replicas: int, evaluates: bool = False
) -> Iterator[None]:
    """Turn an exhausted memory within the block into an error that says what would fit.

    Args:
      params: the experiment.
      num_replicas: of the strategy.
      evaluates: the block evaluates; otherwise it trains.

    Raises:
      OutOfMemoryError: the memory of a device was not enough.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if not is_memory(str(error)):
            raise
        say = describe_evaluation if evaluates else describe
        raise OutOfMemoryError(say(params, num_replicas, str(error))) from error


def is_memory(message: str) -> bool:
    """Tell whether the resource that ran out is memory, and not, say, a disk."""
    lowered = message.lower()
    return any(word in lowered for word in ("oom", "out of memory", "allocat"))


def describe(params: experiments.YolactExperiment, num_replicas: int, message: str) -> str:
    """Say what of a training step did not fit and what to try, the most useful first.

    Args:
      params: the experiment.
      num_replicas: of the strategy.
      message: TensorFlow's.
    """
    batch = params.task.train_data.global_batch_size
    parts = params.trainer.gradient_accumulation
    images = batch // num_replicas // parts
    lines = [_name_step("a training step", images, params, num_replicas, message)]
    if images > 1:
        fitting = 1 << (images - 1).bit_length() - 1
        divisors = [k for k in range(2, batch // num_replicas + 1) if (batch // num_replicas) % k == 0]
        finer = next((k for k in divisors if k > parts), None)
        if finer:
            lines.append(
                f"  trainer.gradient_accumulation={finer}: {batch // num_replicas // finer} at a time, with"
                " the same weights after each step (batch norms that train see smaller parts)"
            )
        lines.append(
            f"  task.train_data.global_batch_size={fitting * parts * num_replicas}, if half as many images"
            f" fit; {max(fitting // 2, 1) * parts * num_replicas}, if not: learning rate and steps follow"
            " where the configuration scales them"
        )
    lines += _list_halves(params)
    if not params.task.model.freeze_backbone_level:
        lines.append("  task.model.freeze_backbone_level=2: the largest activations need not be kept")
    return "\n".join([*lines, _SMALLER])


def describe_evaluation(params: experiments.YolactExperiment, num_replicas: int, message: str) -> str:
    """Say what of an evaluation step did not fit and what to try; see `describe`."""
    images = params.task.validation_data.global_batch_size // num_replicas
    lines = [_name_step("an evaluation step", images, params, num_replicas, message)]
    if images > 1:
        lines.append(
            f"  task.validation_data.global_batch_size={(images + 1) // 2 * num_replicas}, or less: the same"
            " numbers, from more steps"
        )
    return "\n".join([*lines, *_list_halves(params), _SMALLER])


def _name_step(
    step: str, images: int, params: experiments.YolactExperiment, num_replicas: int, message: str
) -> str:
    height, width = params.task.model.input_size
    return (
        f"out of memory in {step} with {images} images of {height}x{width} at a time on each of"
        f" {num_replicas} replicas{_find_tensor(message)}. The memory of a step grows with these images:"
    )


def _list_halves(params: experiments.YolactExperiment) -> list[str]:
    if params.runtime.mixed_precision_dtype in (None, "", "float32"):
        return ["  runtime.mixed_precision_dtype=bfloat16: about half the memory"]
    return []


def _find_tensor(message: str) -> str:
    """Describe the tensor that did not fit, if TensorFlow names one."""
    shape = _SHAPE.search(message)
    if shape:
        return f" (no place for a tensor of {shape[2]} [{shape[1].strip()}])"
    size = _BYTES.search(message)
    return f" (no place for {size[1]} {size[2]})" if size else ""
