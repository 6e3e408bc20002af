"""The experiments, under the paper's names. `registry_imports` registers them.

Source: arXiv 1904.02689 and the original implementation, whose schedule is batch 8, 800,000 steps,
learning rate 1e-3 divided by 10 at 280k, 600k, 700k and 750k, after a warm-up of 500 steps from 1e-4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from official.core import config_definitions as cfg
from official.vision.configs import backbones
from official_yolact.configs import settings
from official_yolact.configs import training
from official_yolact.configs import yolact
from official_yolact.configs.settings import section
from official_yolact.configs.settings import setting

# DarkNet takes RGB pixels divided by 255.
DARKNET_NORMALIZATION = {"mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 255.0]}
MOBILENET_NORMALIZATION = {"mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]}
TRAIN2017_IMAGES = 118_287
SBD_TRAIN_IMAGES = 8_498


@dataclasses.dataclass
class YolactExperiment(cfg.ExperimentConfig):
    """An experiment that knows its own name, so that a YAML file can say what it builds on."""

    experiment: str = setting("", "registered name of what the rest overrides")
    schedule_batch_size: int = setting(
        0,
        "batch size for which learning rate, steps, boundaries, `validation_interval`, `checkpoint_interval` "
        "and, with Adam, the warm-up are written; they are scaled where `task.train_data.global_batch_size` "
        "differs. 0: they are taken as they are",
        settings.Rule(
            lambda value: value >= 0,
            "0 (do not scale) or a batch size",
            "write 0 to have numbers taken as they are",
        ),
    )
    task: yolact.YolactTask = section(yolact.YolactTask)
    trainer: training.TrainerConfig = section(training.TrainerConfig)
    runtime: training.RuntimeConfig = section(training.RuntimeConfig)


def yolact_resnet50_coco() -> YolactExperiment:
    """Configure YOLACT-550 with ResNet-50 as the paper trains it on COCO."""
    return _coco("yolact_resnet50_coco", yolact.YolactModel())


def yolact_resnet101_coco() -> YolactExperiment:
    """Configure YOLACT-550 with ResNet-101, the original's `yolact_base`."""
    return _coco("yolact_resnet101_coco", _resnet101())


def yolact_darknet53_coco() -> YolactExperiment:
    """Configure YOLACT-550 with DarkNet-53."""
    model = yolact.YolactModel(
        backbone=yolact.Backbone(type="yolact_darknet"),
        normalization=yolact.Normalization(**DARKNET_NORMALIZATION),
    )
    return _coco("yolact_darknet53_coco", model)


def yolact_im700_coco() -> YolactExperiment:
    """Configure YOLACT-700 with ResNet-101."""
    model = _resnet101()
    model.input_size = [700, 700]
    # The original's 700 / 550 of each scale, cut to an integer.
    model.anchor.scales = [30.0, 61.0, 122.0, 244.0, 488.0]
    params = _coco("yolact_im700_coco", model)
    params.task.losses.masks_to_train = 300
    return params


def yolact_im400_coco() -> YolactExperiment:
    """Configure YOLACT-400 with ResNet-101, of which the paper has numbers, but no weights."""
    model = _resnet101()
    model.input_size = [400, 400]
    model.anchor.scales = [17.0, 34.0, 69.0, 139.0, 279.0]
    return _coco("yolact_im400_coco", model)


def yolact_plus_resnet50_coco() -> YolactExperiment:
    """Configure YOLACT++ with ResNet-50: every 3x3 convolution of C3 to C5 is deformable."""
    model = yolact.YolactModel()
    model.backbone.yolact_resnet.deformable_blocks = [0, 4, 6, 3]
    return _coco("yolact_plus_resnet50_coco", _make_plus(model))


def yolact_plus_resnet101_coco() -> YolactExperiment:
    """Configure YOLACT++ with ResNet-101, the original's `yolact_plus_base`: each third is deformable."""
    model = _resnet101()
    model.backbone.yolact_resnet.deformable_blocks = [0, 4, 23, 3]
    model.backbone.yolact_resnet.deformable_interval = 3
    return _coco("yolact_plus_resnet101_coco", _make_plus(model))


def yolact_resnet50_pascal() -> YolactExperiment:
    """Configure YOLACT-550 with ResNet-50 as the original trains it on Pascal SBD: 120,000 steps."""
    model = yolact.YolactModel(num_classes=21)
    model.anchor.scales = [32.0, 64.0, 128.0, 256.0, 512.0]
    model.anchor.square = False
    params = _paper("yolact_resnet50_pascal", model, 120_000, [60_000, 100_000])
    _name_records(params.task, "data/sbd")
    params.trainer.validation_interval = 2 * (SBD_TRAIN_IMAGES // params.task.train_data.global_batch_size)
    return params


def yolact_mobilenetv2_coco() -> YolactExperiment:
    """Configure YOLACT-550 with MobileNetV2; the default augmentation, since there is no paper."""
    model = yolact.YolactModel(
        backbone=yolact.Backbone(
            type="mobilenet",
            mobilenet=backbones.MobileNet(model_id="MobileNetV2"),
        ),
        normalization=yolact.Normalization(**MOBILENET_NORMALIZATION),
    )
    model.norm_activation.norm_epsilon = 1e-3
    params = _coco("yolact_mobilenetv2_coco", model)
    # No published schedule either: the numbers of a recipe for few photos are not scaled.
    params.schedule_batch_size = 0
    params.task.train_data.parser.augment.preset = "default"
    params.task.losses.weight_decay = 4e-5
    return params


def yolact_tiny_shapes() -> YolactExperiment:
    """Configure a small YOLACT that learns the synthetic shapes on a CPU in minutes."""
    batch, steps = 16, 2000
    model = yolact.YolactModel(
        num_classes=7,
        input_size=[128, 128],
        max_level=5,
        backbone=yolact.Backbone(type="resnet", resnet=backbones.ResNet(model_id=18, depth_multiplier=0.5)),
        # Shapes are 30 to 70 pixels wide, and about as high.
        anchor=yolact.Anchor(
            scales=[20.0, 36.0, 60.0], scales_per_octave=3, aspect_ratios=[1.0], square=False
        ),
        protonet=yolact.Protonet(num_filters=64, num_prototypes=32),
        head=yolact.Head(num_filters=64),
        class_prior=0.01,
    )
    model.decoder.yolact_fpn.num_filters = 64
    task = yolact.YolactTask(model=model)
    _set_data(task, batch, preset="none")
    # Shapes have no upright; crops and colours cost more of the few minutes than they bring.
    task.train_data.parser.augment.mirror = task.train_data.parser.augment.flip = 0.5
    for data in (task.train_data, task.validation_data):
        data.parser.max_num_instances = 16
    task.losses.masks_to_train = 30
    task.losses.weight_decay = 1e-4
    optimizer = {
        "optimizer": {"type": "adam", "adam": {}},
        "ema": {"average_decay": 0.998, "trainable_weights_only": False},
        "learning_rate": {"type": "cosine", "cosine": {"initial_learning_rate": 4e-3, "decay_steps": steps}},
        "warmup": {"type": "linear", "linear": {"warmup_steps": 100, "warmup_learning_rate": 0.0}},
    }
    params = _experiment("yolact_tiny_shapes", task, optimizer, steps)
    params.trainer.steps_per_loop = params.trainer.summary_interval = 100
    params.trainer.checkpoint_interval = params.trainer.validation_interval = steps
    params.runtime.mixed_precision_dtype = "bfloat16"
    return params


def yolact_next_shapes() -> YolactExperiment:
    """Configure the network of `yolact_tiny_shapes` with what teaches finer masks in the same time."""
    params = _refine("yolact_next_shapes", yolact_tiny_shapes())
    # With both flips, all eight orientations.
    params.task.train_data.parser.augment.transpose = 0.5
    return params


def yolact_next_resnet50_coco() -> YolactExperiment:
    """Configure YOLACT-550 with ResNet-50 and finer masks than the paper's, on the paper's schedule."""
    return _refine("yolact_next_resnet50_coco", yolact_resnet50_coco())


def yolact_next_mobilenetv2_coco() -> YolactExperiment:
    """Configure YOLACT-550 with MobileNetV2 and finer masks than the paper's."""
    return _refine("yolact_next_mobilenetv2_coco", yolact_mobilenetv2_coco())


EXPERIMENTS: dict[str, Callable[[], YolactExperiment]] = {
    factory.__name__: factory
    for factory in (
        yolact_resnet50_coco,
        yolact_resnet101_coco,
        yolact_darknet53_coco,
        yolact_im700_coco,
        yolact_im400_coco,
        yolact_plus_resnet50_coco,
        yolact_plus_resnet101_coco,
        yolact_resnet50_pascal,
        yolact_mobilenetv2_coco,
        yolact_tiny_shapes,
        yolact_next_shapes,
        yolact_next_resnet50_coco,
        yolact_next_mobilenetv2_coco,
    )
}


def _refine(name: str, params: YolactExperiment) -> YolactExperiment:
    """Go beyond the paper: finer masks, as docs/recipe.md measures them."""
    params.experiment = name
    task = params.task
    task.model.protonet.detail = True
    # In Fast NMS a suppressed box suppresses too: a higher threshold makes up for it.
    task.model.detection_generator.nms_iou_threshold = 0.65
    task.model.detection_generator.one_class_iou = 0.8
    for data in (task.train_data, task.validation_data):
        data.parser.mask_target = "coverage"
    task.losses.box_loss, task.losses.box_weight = "giou", 2.0
    return params


def _resnet101() -> yolact.YolactModel:
    model = yolact.YolactModel()
    model.backbone.yolact_resnet.depth = 101
    return model


def _make_plus(model: yolact.YolactModel) -> yolact.YolactModel:
    """Give a model what YOLACT++ has besides deformable convolutions."""
    model.anchor.scales_per_octave = 3
    model.anchor.square = False
    model.mask_rescoring = True
    return model


def _coco(name: str, model: yolact.YolactModel) -> YolactExperiment:
    params = _paper(name, model, 800_000, [280_000, 600_000, 700_000, 750_000])
    _name_records(params.task, "data/coco")
    params.trainer.validation_interval = 2 * (TRAIN2017_IMAGES // params.task.train_data.global_batch_size)
    return params


def _paper(name: str, model: yolact.YolactModel, steps: int, boundaries: list[int]) -> YolactExperiment:
    batch = 8
    task = yolact.YolactTask(model=model)
    _set_data(task, batch, preset="paper")
    base = 1e-3
    optimizer = {
        "optimizer": {"type": "torch_sgd", "torch_sgd": {"momentum": 0.9}},
        "learning_rate": {
            "type": "stepwise",
            "stepwise": {
                "boundaries": boundaries,
                "values": [base / 10**passed for passed in range(len(boundaries) + 1)],
                # Keras still gives step B the rate before boundary B; the original the rate after it.
                "offset": -1,
            },
        },
        "warmup": {"type": "linear", "linear": {"warmup_steps": 500, "warmup_learning_rate": 1e-4}},
    }
    params = _experiment(name, task, optimizer, steps)
    params.schedule_batch_size = batch
    params.trainer.steps_per_loop = params.trainer.summary_interval = 100
    params.trainer.checkpoint_interval = 10_000
    return params


def _name_records(task: yolact.YolactTask, folder: str) -> None:
    task.train_data.input_path = f"{folder}/train-*.tfrecord"
    task.validation_data.input_path = f"{folder}/val-*.tfrecord"


def _set_data(task: yolact.YolactTask, batch: int, preset: str) -> None:
    task.train_data.global_batch_size = batch
    task.train_data.parser.augment.preset = preset
    task.validation_data.global_batch_size = batch


def _experiment(
    name: str, task: yolact.YolactTask, optimizer: dict[str, Any], steps: int
) -> YolactExperiment:
    return YolactExperiment(
        experiment=name,
        task=task,
        trainer=training.TrainerConfig(
            train_steps=steps,
            optimizer_config=training.OptimizationConfig(optimizer),
            best_checkpoint_export_subdir="best_ckpt",
            best_checkpoint_eval_metric="mask_AP",
            best_checkpoint_metric_comp="higher",
        ),
    )
