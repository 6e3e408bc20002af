"""Dataclasses of training: Model Garden's, with the original's optimizer and what it lacks for long runs."""

from __future__ import annotations

import dataclasses
from typing import Optional

from official.core import config_definitions as cfg
from official.modeling import hyperparams
from official.modeling import optimization
from official.modeling.optimization.configs import optimizer_config
from official_yolact.configs.settings import AT_LEAST_ONE
from official_yolact.configs.settings import DECAY
from official_yolact.configs.settings import FRACTION
from official_yolact.configs.settings import NOT_NEGATIVE
from official_yolact.configs.settings import POSITIVE_SET
from official_yolact.configs.settings import one_of
from official_yolact.configs.settings import optional
from official_yolact.configs.settings import section
from official_yolact.configs.settings import setting


@dataclasses.dataclass
class TorchSGD(optimizer_config.BaseOptimizerConfig):
    """Gradient descent with momentum as PyTorch computes it: see `optimizers.torch_sgd`."""

    name: str = "TorchSGD"
    momentum: float = setting(0.9, "part of the velocity that is kept at each step", DECAY)
    nesterov: bool = setting(False, "look ahead by one velocity")


@dataclasses.dataclass
class OptimizerConfig(optimization.OptimizerConfig):
    """One of Model Garden's optimizers or the original's, chosen by `type`."""

    torch_sgd: TorchSGD = section(TorchSGD)


@dataclasses.dataclass
class FlatCosine(hyperparams.Config):
    """A rate that stays, and then falls along a cosine: see `optimizers.flat_cosine`."""

    name: str = "FlatCosine"
    initial_learning_rate: Optional[float] = setting(None, "of the first steps", POSITIVE_SET)
    flat_steps: int = setting(0, "steps from which on it falls, half of all in RTMDet", NOT_NEGATIVE)
    decay_steps: Optional[int] = setting(None, "steps after which it has fallen", POSITIVE_SET)
    alpha: float = setting(0.0, "part of it that is left then", FRACTION)


@dataclasses.dataclass
class LearningRateConfig(optimization.LrConfig):
    """One of Model Garden's learning rates or ours, chosen by `type`."""

    flat_cosine: FlatCosine = section(FlatCosine)


@dataclasses.dataclass
class OptimizationConfig(optimization.OptimizationConfig):
    """Optimizer, moving average of the weights, learning rate and warm-up."""

    optimizer: OptimizerConfig = section(OptimizerConfig)
    learning_rate: LearningRateConfig = section(LearningRateConfig)


NONFINITE_POLICIES = ("skip", "restore", "stop")


@dataclasses.dataclass
class TrainerConfig(cfg.TrainerConfig):
    """Steps, intervals and the optimizer."""

    optimizer_config: OptimizationConfig = section(OptimizationConfig)
    gradient_accumulation: int = setting(
        1,
        "parts that a replica cuts its batch into; their gradients are added up before the one update of the "
        "step, so that memory is needed for one part only",
        AT_LEAST_ONE,
    )
    nonfinite: str = setting(
        "skip",
        "what follows a loss or gradient that is not finite: `skip` leaves the weights as they are and goes "
        "on, as the original does, `restore` goes back to the last checkpoint, `stop` ends the run. No such "
        "step ever changes a weight",
        one_of(*NONFINITE_POLICIES),
    )
    max_nonfinite_steps: int = setting(
        100, "such steps after which the run is stopped whatever the policy", NOT_NEGATIVE
    )
    early_stopping_patience: int = setting(
        0, "evaluations without a better best metric before training ends; 0: none", NOT_NEGATIVE
    )
    early_stopping_min_delta: float = setting(
        0.0, "by how much the metric has to grow to be better", NOT_NEGATIVE
    )
    input_timeout: float = setting(
        600.0,
        "seconds without a batch until the run names the stage of the input that stopped; 0: never",
        NOT_NEGATIVE,
    )
    num_pictures: int = setting(
        4, "validation images that are drawn into TensorBoard after each evaluation", NOT_NEGATIVE
    )


@dataclasses.dataclass
class RuntimeConfig(cfg.RuntimeConfig):
    """Devices and precision."""

    num_gpus: Optional[int] = setting(
        None, "GPUs to use; null: all that are visible, 0: the CPU", optional(NOT_NEGATIVE)
    )
