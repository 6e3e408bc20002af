"""Dataclasses of training: Model Garden's, with the original's optimizer and what it lacks for long runs."""

from __future__ import annotations

import dataclasses
from typing import Optional

from official.core import config_definitions as cfg
from official.modeling import optimization
from official.modeling.optimization.configs import optimizer_config


@dataclasses.dataclass
class TorchSGD(optimizer_config.BaseOptimizerConfig):
    """Gradient descent with momentum as PyTorch computes it: see `optimizers.torch_sgd`.

    Attributes:
      name: of the optimizer.
      momentum: part of the velocity that is kept at each step.
      nesterov: look ahead by one velocity.
    """

    name: str = "TorchSGD"
    momentum: float = 0.9
    nesterov: bool = False


@dataclasses.dataclass
class OptimizerConfig(optimization.OptimizerConfig):
    """One of Model Garden's optimizers or the original's, chosen by `type`."""

    torch_sgd: TorchSGD = dataclasses.field(default_factory=TorchSGD)


@dataclasses.dataclass
class OptimizationConfig(optimization.OptimizationConfig):
    """Optimizer, moving average of the weights, learning rate and warm-up."""

    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)


NONFINITE_POLICIES = ("skip", "restore", "stop")


@dataclasses.dataclass
class TrainerConfig(cfg.TrainerConfig):
    """Steps, intervals and the optimizer.

    Attributes:
      gradient_accumulation: parts that a replica cuts its batch into; their gradients are added up
        before the one update of the step, so that memory is needed for one part only.
      nonfinite: what follows a loss or gradient that is not finite: `skip` leaves the weights as they
        are and goes on, as the original does, `restore` goes back to the last checkpoint, `stop` ends
        the run. No such step ever changes a weight.
      max_nonfinite_steps: of those, before the run is stopped whatever the policy.
      early_stopping_patience: evaluations without a better best metric before training ends; 0: none.
      early_stopping_min_delta: what counts as better.
      input_timeout: seconds without a batch after which the run says which stage of the input stands
        still; 0: never.
      num_pictures: validation images that are drawn into TensorBoard after each evaluation.
    """

    optimizer_config: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    gradient_accumulation: int = 1
    nonfinite: str = "skip"
    max_nonfinite_steps: int = 100
    early_stopping_patience: int = 0
    early_stopping_min_delta: float = 0.0
    input_timeout: float = 600.0
    num_pictures: int = 4


@dataclasses.dataclass
class RuntimeConfig(cfg.RuntimeConfig):
    """Devices and precision.

    Attributes:
      num_gpus: GPUs to use; None: all that are visible, 0: the CPU.
    """

    num_gpus: Optional[int] = None
