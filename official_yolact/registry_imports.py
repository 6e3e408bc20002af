"""Everything that registers itself, in one place: import this module for its effects."""

from __future__ import annotations

from official.core import exp_factory
from official.core import task_factory
from official.modeling.optimization import optimizer_factory
from official.vision.modeling import backbones as _backbones  # noqa: F401  registers Model Garden's
from official.vision.modeling.backbones import factory as backbone_factory
from official.vision.modeling.decoders import factory as decoder_factory
from official_yolact.configs import experiments
from official_yolact.configs import yolact as configs
from official_yolact.modeling.backbones import yolact_darknet
from official_yolact.modeling.backbones import yolact_resnet
from official_yolact.modeling.decoders import yolact_fpn
from official_yolact.optimizers import torch_sgd
from official_yolact.tasks import yolact as tasks

task_factory.register_task_cls(configs.YolactTask)(tasks.YolactTask)
backbone_factory.register_backbone_builder("yolact_resnet")(yolact_resnet.build_yolact_resnet)
backbone_factory.register_backbone_builder("yolact_darknet")(yolact_darknet.build_yolact_darknet)
decoder_factory.register_decoder_builder("yolact_fpn")(yolact_fpn.build_yolact_fpn)
optimizer_factory.register_optimizer_cls("torch_sgd", torch_sgd.TorchSGD)
for _name, _experiment in experiments.EXPERIMENTS.items():
    exp_factory.register_config_factory(_name)(_experiment)
