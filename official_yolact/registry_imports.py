"""Everything that registers itself, in one place: import this module for its effects."""

from __future__ import annotations

from official.core import exp_factory
from official.core import task_factory
from official.modeling.optimization import optimizer_factory
from official_yolact.configs import experiments
from official_yolact.configs import yolact as configs
from official_yolact.modeling import registration
from official_yolact.optimizers import flat_cosine
from official_yolact.optimizers import torch_sgd
from official_yolact.tasks import yolact as tasks

registration.register()
task_factory.register_task_cls(configs.YolactTask)(tasks.YolactTask)
optimizer_factory.register_optimizer_cls("torch_sgd", torch_sgd.TorchSGD)
optimizer_factory.LR_CLS["flat_cosine"] = flat_cosine.FlatCosine
for _name, _experiment in experiments.EXPERIMENTS.items():
    exp_factory.register_config_factory(_name)(_experiment)
