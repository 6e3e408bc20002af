"""Dataclasses of training: Model Garden's, with the original's optimizer among the choices."""

from __future__ import annotations

import dataclasses

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


@dataclasses.dataclass
class TrainerConfig(cfg.TrainerConfig):
    """Steps, intervals and the optimizer."""

    optimizer_config: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
