"""Dataclasses of a YOLACT experiment: model, anchors, data, losses and task.

A field exists once, here, with its default, its meaning and the values that it may have; the section that
holds it is passed on whole.
"""

from __future__ import annotations

import dataclasses
from typing import List, Optional  # noqa: UP035  Model Garden resolves these annotations at run time

from official.core import config_definitions as cfg
from official.modeling import hyperparams
from official.vision.configs import backbones
from official.vision.configs import common
from official_yolact.configs import settings
from official_yolact.configs.settings import AT_LEAST_ONE
from official_yolact.configs.settings import FRACTION
from official_yolact.configs.settings import NOT_NEGATIVE
from official_yolact.configs.settings import POSITIVE
from official_yolact.configs.settings import SEED
from official_yolact.configs.settings import Rule
from official_yolact.configs.settings import Setting
from official_yolact.configs.settings import one_of
from official_yolact.configs.settings import optional
from official_yolact.configs.settings import section
from official_yolact.configs.settings import setting

MASK_TARGETS = ("binary", "coverage")
AUGMENT_PRESETS = ("paper", "default", "none")
NMS_KINDS = ("fast", "fast_second_threshold", "cross_class", "traditional")
CLASS_LOSSES = ("mined_softmax", "focal", "quality")
ASSIGNMENTS = ("fixed", "adaptive")
BOX_LOSSES = ("smooth_l1", "giou", "ciou")
CROP_PLACES = ("prototypes", "image")
VERIFY_LEVELS = ("none", "sizes", "records", "sha256")
DEFAULT_MIN_NEGATIVES = 8
MODEL_PARTS = ("backbone", "decoder", "head", "protonet", "semantic_head", "mask_iou_head")

_CLASSES = Rule(lambda value: value >= 2, "2 or more: the background and one class")
_RATIOS = Rule(lambda value: len(value) > 0 and min(value) > 0, "numbers above 0")
_LEVEL = Rule(lambda value: 2 <= value <= 8, "from 2 to 8")
_IN_ORDER = Setting(unread="validation reads its records in order")


@dataclasses.dataclass
class YolactResNet(hyperparams.Config):
    """ResNet as the original has it: symmetric padding, stride in the 3x3 convolution."""

    depth: int = setting(50, "ResNet-50 or ResNet-101", one_of(50, 101))
    zero_init_residual: bool = setting(
        True,
        "start the last gamma of each residual block at 0, which lets training from random weights begin; "
        "imported weights overwrite it",
    )
    deformable_blocks: List[int] = setting(
        [0, 0, 0, 0],
        "for each of the four stages, how many of its last blocks may have a modulated deformable 3x3 "
        "convolution; YOLACT++ has [0, 4, 6, 3] and [0, 4, 23, 3]",
        Rule(lambda value: len(value) == 4 and min(value) >= 0, "four numbers, one for each stage"),
    )
    deformable_interval: int = setting(
        1, "N: every N-th of these blocks of a stage, from the first on, has such a convolution", POSITIVE
    )


@dataclasses.dataclass
class YolactDarkNet(hyperparams.Config):
    """DarkNet as the original has it: convolution, batch norm, leaky ReLU of slope 0.1."""

    depth: int = setting(53, "DarkNet-53", one_of(53))


@dataclasses.dataclass
class Backbone(backbones.Backbone):
    """One of Model Garden's backbones or ours, chosen by `type`."""

    type: Optional[str] = "yolact_resnet"
    yolact_resnet: YolactResNet = section(YolactResNet)
    yolact_darknet: YolactDarkNet = section(YolactDarkNet)


@dataclasses.dataclass
class YolactFPN(hyperparams.Config):
    """The feature pyramid of YOLACT."""

    num_filters: int = setting(256, "channels of every level", POSITIVE)


@dataclasses.dataclass
class Identity(hyperparams.Config):
    """No decoder: the backbone has every level of the pyramid itself (SpineNet)."""


@dataclasses.dataclass
class Decoder(hyperparams.OneOfConfig):
    """The decoder, chosen by `type`."""

    type: Optional[str] = "yolact_fpn"
    yolact_fpn: YolactFPN = section(YolactFPN)
    identity: Identity = section(Identity)


@dataclasses.dataclass
class Anchor(hyperparams.Config):
    """Anchors of every cell."""

    scales: List[float] = setting(
        [24.0, 48.0, 96.0, 192.0, 384.0],
        "side of the anchors in input pixels, one number for each level from `min_level`",
        Rule(lambda value: len(value) > 0 and min(value) > 0, "numbers above 0, one for each level"),
    )
    scales_per_octave: int = setting(
        1, "1, or 3 for scales times 2^(0, 1/3, 2/3) as YOLACT++ has them", POSITIVE
    )
    aspect_ratios: List[float] = setting([1.0, 0.5, 2.0], "width / height", _RATIOS)
    square: bool = setting(
        True, "give the height the value of the width, as the published COCO models of YOLACT do"
    )

    @property
    def num_per_cell(self) -> int:
        """Number of anchors in one cell."""
        return self.scales_per_octave * len(self.aspect_ratios)


@dataclasses.dataclass
class Protonet(hyperparams.Config):
    """The prototype branch."""

    num_filters: int = setting(256, "channels of its 3x3 convolutions", POSITIVE)
    num_prototypes: int = setting(32, "K, prototypes of an image", POSITIVE)
    detail: bool = setting(
        False,
        "add features of the backbone's level below `min_level`, which show outlines at the resolution of "
        "the prototypes. The original has no such step",
    )


@dataclasses.dataclass
class Head(hyperparams.Config):
    """The prediction head that all levels share."""

    num_filters: int = setting(256, "channels of its first 3x3 convolution", POSITIVE)
    predict_quality: bool = setting(
        False,
        "predict for each anchor the IoU of its mask, too; scores are then class score times this IoU to the "
        "power of `detection_generator.quality_power`",
    )


@dataclasses.dataclass
class DetectionGenerator(hyperparams.Config):
    """From raw outputs to detections."""

    nms: str = setting(
        "fast",
        "how overlapping detections are suppressed: `fast` (the original's default), `fast_second_threshold` "
        "(keeps no score of any class at or below the threshold), `cross_class` (an object has one class) or "
        "`traditional` (greedy, by class)",
        one_of(*NMS_KINDS),
    )
    score_threshold: float = setting(
        0.05, "anchors whose best class score is not above it are left out", FRACTION
    )
    nms_iou_threshold: float = setting(
        0.5,
        "a detection that overlaps a better one of its class by more is left out; with `cross_class` one of "
        "any class, with `traditional` also one that overlaps by exactly as much",
        FRACTION,
    )
    quality_power: float = setting(
        0.5, "power of the predicted mask IoU in scores, where the head has `predict_quality`", NOT_NEGATIVE
    )
    one_class_iou: Optional[float] = setting(
        None,
        "one object, one class: where two detections of different classes overlap by more than this, the "
        "lower score is multiplied by `one_class_factor`; null: an object may be shown with several classes",
        optional(FRACTION),
    )
    one_class_factor: float = setting(
        0.3, "see `one_class_iou`; 0 leaves the detection of the lower score out", FRACTION
    )
    nms_top_k: int = setting(
        200, "candidates of each class, with `cross_class` of the image; `traditional` compares all", POSITIVE
    )
    max_detections: int = setting(100, "D, detections of an image, at most", POSITIVE)
    crop_masks: bool = setting(True, "cut each mask to its box")
    crop_at: str = setting(
        "prototypes",
        "where masks are cut: on the grid of the `prototypes`, before they are enlarged, as the original "
        "does; or at the size of the `image`, after it: a pixel is kept if its centre is in the widened box",
        one_of(*CROP_PLACES),
    )
    crop_padding: float = setting(
        1.0,
        "cells of the prototype grid left around the box when masks are cut, wherever they are",
        NOT_NEGATIVE,
    )

    @property
    def cuts_image(self) -> bool:
        """Whether masks leave the generator whole, to be cut when they have the size of the photo."""
        return self.crop_masks and self.crop_at == "image"


@dataclasses.dataclass
class Normalization(hyperparams.Config):
    """(pixel - mean) / std, RGB, pixels 0..255. The default is the original's for ResNet."""

    mean: List[float] = setting(
        [123.68, 116.78, 103.94],
        "subtracted from each pixel, 0..255",
        Rule(lambda value: len(value) == 3, "three numbers, RGB"),
    )
    std: List[float] = setting(
        [58.40, 57.12, 57.38],
        "divides the difference; the default is the original's for ResNet",
        Rule(lambda value: len(value) == 3 and min(value) > 0, "three numbers above 0, RGB"),
    )


@dataclasses.dataclass
class YolactModel(hyperparams.Config):
    """The network."""

    num_classes: int = setting(81, "C, with the background", _CLASSES)
    input_size: List[int] = setting(
        [550, 550],
        "(height, width) of the network input in pixels",
        Rule(lambda value: len(value) == 2 and min(value) >= 32, "(height, width), each 32 or more"),
    )
    keep_aspect: bool = setting(
        False,
        "show the photo in its own proportions, on a canvas of the input's that ImageNet's mean colour "
        "fills, instead of squashing it to the input as the original does",
    )
    normalization: Normalization = section(Normalization)
    min_level: int = setting(3, "lowest pyramid level; prototypes have twice its resolution", _LEVEL)
    max_level: int = setting(7, "highest pyramid level", _LEVEL)
    backbone: Backbone = section(Backbone)
    decoder: Decoder = section(Decoder)
    anchor: Anchor = section(Anchor)
    protonet: Protonet = section(Protonet)
    head: Head = section(Head)
    detection_generator: DetectionGenerator = section(DetectionGenerator)
    norm_activation: common.NormActivation = section(
        lambda: common.NormActivation(
            activation="relu", use_sync_bn=False, norm_momentum=0.9, norm_epsilon=1e-5
        )
    )
    mask_rescoring: bool = setting(
        False,
        "predict the IoU of each mask, as YOLACT++ does; mask scores are class score times predicted IoU",
    )
    freeze_bn: Optional[bool] = setting(
        None,
        "run every batch norm on its stored statistics and train neither gamma nor beta; null: do so where a "
        "replica has fewer than 6 images of a batch and the statistics are imported",
    )
    class_prior: float = setting(
        0.0,
        "probability of an object with which class and semantic logits start; 0 starts their biases at 0 as "
        "the original does. Training from random weights needs a small one, such as 0.01",
        Rule(lambda value: 0 <= value < 1, "0, or a probability below 1"),
    )
    initial_output_std: float = setting(
        0.0,
        "standard deviation of the initial kernels that compute boxes, classes, coefficients, qualities and "
        "semantic logits; 0: Glorot's, as of all other layers and of the original. Few photos on a backbone "
        "whose outputs are large, as MobileNetV2's are with ImageNet's weights, need a small one, such as "
        "0.002",
        Rule(lambda value: 0 <= value <= 1, "from 0 to 1"),
    )
    freeze_backbone_level: int = setting(
        0,
        "keep the backbone's weights up to the endpoint of this level; 0: train all of it. The lowest levels "
        "take most of the time of a backward pass",
        Rule(lambda value: value in (0, 2, 3, 4, 5), "0, or a level from 2 to 5"),
    )
    freeze: List[str] = setting(
        [],
        "whole parts that are not trained: they get neither gradient nor decay, and their batch norms run on "
        "stored statistics",
        Rule(lambda value: set(value) <= set(MODEL_PARTS), f"some of {MODEL_PARTS}"),
    )


@dataclasses.dataclass
class Augment(hyperparams.Config):
    """Training augmentation, in the paper's order. A field left at None has the preset's value."""

    preset: str = setting(
        "default",
        "`paper` (the original's, quirks included), `default` (its bugs mended) or `none` (resize only)",
        one_of(*AUGMENT_PRESETS),
    )
    photometric: Optional[float] = setting(
        None, "probability of changing each of brightness, contrast, saturation and hue", optional(FRACTION)
    )
    expand: Optional[float] = setting(
        None, "probability of placing the image on a canvas of ImageNet's mean colour", optional(FRACTION)
    )
    max_expand_ratio: Optional[float] = setting(
        None, "largest side of that canvas over the image's", optional(AT_LEAST_ONE)
    )
    sample_crop: Optional[bool] = setting(None, "cut a random part of the image")
    min_crop_side: Optional[float] = setting(
        None, "smallest side of that part over the image's", optional(FRACTION)
    )
    min_scale: Optional[float] = setting(
        None,
        "with `max_scale`: show an undistorted window in which objects are so much larger (above 1) or "
        "smaller (below 1), instead of `expand` and `sample_crop`. The original has no such step",
        optional(POSITIVE),
    )
    max_scale: Optional[float] = setting(None, "see `min_scale`", optional(POSITIVE))
    mirror: Optional[float] = setting(None, "probability of a left-right flip", optional(FRACTION))
    flip: Optional[float] = setting(None, "probability of an upside-down flip", optional(FRACTION))
    transpose: Optional[float] = setting(
        None,
        "probability that rows and columns are exchanged, which with both flips gives all eight "
        "orientations: for photos from above. Use it with `min_scale` and `max_scale` where images are not "
        "square, or objects are distorted",
        optional(FRACTION),
    )
    min_box_side: Optional[float] = setting(
        None, "boxes narrower or lower than so many input pixels are dropped", optional(NOT_NEGATIVE)
    )
    copy_paste: Optional[float] = setting(
        None,
        "probability of pasting about half of the objects of the next photo (arXiv 2012.07177). The original "
        "has no such step",
        optional(FRACTION),
    )
    mosaic: Optional[float] = setting(
        None,
        "probability of showing parts of four photos in one, into which nothing is pasted. The original has "
        "no such step",
        optional(FRACTION),
    )


@dataclasses.dataclass
class Parser(hyperparams.Config):
    """From a decoded record to a padded example."""

    augment: Augment = section(Augment)
    max_num_instances: int = setting(
        100, "N, instances of an image in the padded labels, at most; the largest are kept", POSITIVE
    )
    empty_images: Optional[str] = setting(
        None,
        "`ignore` gives a training image without objects weight 0, as the original has none; `train` lets it "
        "teach the background; null: `ignore` with the preset `paper`, otherwise `train`",
        one_of(None, "ignore", "train"),
    )
    mask_target: str = setting(
        "binary",
        "what a cell of the prototype grid is taught: `binary`, whether the mask, made as small as the grid, "
        "has it (the original's); `coverage`, which share of it the mask covers at full size",
        one_of(*MASK_TARGETS),
    )


@dataclasses.dataclass
class DataConfig(cfg.DataConfig):
    """Where records come from and how they are read."""

    shuffle_buffer_size: int = setting(1000, "records that training shuffles among at a time", POSITIVE)
    repeat_threshold: float = setting(
        0.0,
        "photos with rare classes come several times in an epoch: a class that a share f of the photos shows "
        "comes sqrt(threshold / f) times as often, where that is more than once, and a photo as often as the "
        "rarest of its classes. 0: every photo comes once. All records are read at the start",
        FRACTION,
    )
    drop_remainder: bool = setting(False, "leave out the images of a last batch that is not full")
    parser: Parser = section(Parser)
    max_bad_fraction: float = setting(
        0.001, "stop when more than this part of the records read cannot be used", FRACTION
    )
    verify: str = setting(
        "records",
        "what is compared with the manifest at the start: `none`, the `sizes` of the shards, also the "
        "framing of their `records` (one short read for each), or also their `sha256`",
        one_of(*VERIFY_LEVELS),
    )


@dataclasses.dataclass
class Losses(hyperparams.Config):
    """Matching and losses."""

    class_weight: float = setting(1.0, "of the class loss", NOT_NEGATIVE)
    box_weight: float = setting(1.5, "of the box loss", NOT_NEGATIVE)
    box_loss: str = setting(
        "smooth_l1",
        "what a positive's box costs: `smooth_l1` on its codes, as the original has it, or the distance of "
        "the decoded boxes, `giou` (arXiv 1902.09630) or `ciou` (arXiv 1911.08287), whose costs are smaller",
        one_of(*BOX_LOSSES),
    )
    class_loss: str = setting(
        "mined_softmax",
        "what classes cost: `mined_softmax`, the cross-entropy of positives and mined negatives, as the "
        "original has it; `focal` (arXiv 1708.02002), over all anchors; or `quality` (after arXiv "
        "2006.04388), over all anchors, whose scores learn the IoU of the predicted box",
        one_of(*CLASS_LOSSES),
    )
    focal_gamma: float = setting(
        2.0, "power of the error, with `class_loss` `focal` or `quality`", NOT_NEGATIVE
    )
    focal_alpha: float = setting(
        0.25, "weight of the positives with `class_loss: focal`; background has the rest to 1", FRACTION
    )
    mask_weight: float = setting(6.125, "of the mask loss", NOT_NEGATIVE)
    dice_weight: float = setting(
        0.0,
        "of a dice term (arXiv 1606.04797) that is added to the entropy of each mask, within `mask_weight`; "
        "it looks at the mask as a whole",
        NOT_NEGATIVE,
    )
    outline_weight: float = setting(
        0.0,
        "added to the weight 1 that a grid cell has in the entropy of a mask, where the outline of the mask "
        "crosses the cell",
        NOT_NEGATIVE,
    )
    semantic_weight: float = setting(1.0, "of the semantic segmentation loss", NOT_NEGATIVE)
    mask_iou_weight: float = setting(
        25.0, "of the mask-IoU loss, where the model has `mask_rescoring`", NOT_NEGATIVE
    )
    quality_weight: float = setting(
        1.0, "of the quality loss, where the head has `predict_quality`", NOT_NEGATIVE
    )
    min_mask_iou_area: float = setting(
        25.0, "masks of no more grid cells than this teach no mask IoU", NOT_NEGATIVE
    )
    assignment: str = setting(
        "fixed",
        "which anchors are positive: `fixed` by `positive_iou` and `negative_iou`, as the original has it, "
        "or `adaptive` (arXiv 1912.02424) by an IoU that each instance sets; the others are then background",
        one_of(*ASSIGNMENTS),
    )
    positive_iou: float = setting(
        0.5, "anchors that overlap an instance at least so much are positive", FRACTION
    )
    negative_iou: float = setting(
        0.4, "anchors that overlap every instance less are background; those in between are ignored", FRACTION
    )
    crowd_iou: float = setting(
        0.7, "other anchors that lie in a crowd by more than this part are ignored", FRACTION
    )
    negatives_per_positive: int = setting(
        3, "hard negatives mined for each positive of the same image", NOT_NEGATIVE
    )
    min_negatives: Optional[int] = setting(
        None,
        "hard negatives mined at least in each image, those without objects included; null: 0 with the "
        f"augmentation preset `paper`, as the original has it, otherwise {DEFAULT_MIN_NEGATIVES}",
        optional(NOT_NEGATIVE),
    )
    masks_to_train: int = setting(
        100, "positives of an image that draw masks, at most; the loss is rescaled", POSITIVE
    )
    weight_decay: float = setting(5e-4, "L2, on every trainable tensor, added to the gradient", NOT_NEGATIVE)


@dataclasses.dataclass
class YolactTask(cfg.TaskConfig):
    """The task."""

    init_checkpoint_modules: str = setting(
        "all", "what is loaded of `init_checkpoint`", one_of("all", "backbone")
    )
    backbone_learning_rate_multiplier: float = setting(
        1.0,
        "learning rate of the backbone as a multiple of that of all other layers. A backbone with imported "
        "weights keeps more of what it knows with a small one, such as 0.1; the original trains all with one "
        "rate",
        POSITIVE,
    )
    model: YolactModel = section(YolactModel)
    losses: Losses = section(Losses)
    train_data: DataConfig = section(
        lambda: DataConfig(is_training=True),
        is_training=Setting(rule=Rule(lambda value: value is True, "true: this section is the training's")),
        drop_remainder=Setting(unread="training repeats its data, and every batch is full"),
    )
    validation_data: DataConfig = section(
        lambda: DataConfig(is_training=False, shuffle_buffer_size=1),
        is_training=Setting(rule=settings.never("false: evaluation takes every record once, unaltered")),
        drop_remainder=Setting(rule=settings.never("false: AP of all but the last images is no AP")),
        enable_tf_data_service=Setting(rule=settings.never("false: evaluation takes every record once")),
        seed=_IN_ORDER,
        shuffle_buffer_size=_IN_ORDER,
        cycle_length=_IN_ORDER,
        block_length=_IN_ORDER,
        repeat_threshold=Setting(unread="validation reads every record once"),
    )
    annotation_file: str = setting(
        "",
        "COCO instances of the validation images; empty: `instances-NAME.json`, which the converter wrote "
        "beside the validation shards",
    )
    report: bool = setting(
        False,
        "write the report of the last evaluation to `report/` of the run, as `yolact eval --report` does, "
        "and the score thresholds with the best F1, of each class too, to `results.csv` and TensorBoard",
    )
    seed: int = setting(0, "initial weights, order of examples and augmentation are functions of it", SEED)


def resolve_losses(task: YolactTask) -> Losses:
    """Decide the losses' fields that follow the augmentation preset.

    Args:
      task: the task section.

    Returns:
      A copy of `task.losses` in which no field is None.
    """
    losses: Losses = task.losses.replace()
    if losses.min_negatives is None:
        losses.min_negatives = (
            0 if task.train_data.parser.augment.preset == "paper" else DEFAULT_MIN_NEGATIVES
        )
    return losses
