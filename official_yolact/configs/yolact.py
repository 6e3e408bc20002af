"""Dataclasses of a YOLACT experiment: model, anchors, data, losses and task.

A field exists once, here, and the section that holds it is passed on whole.
"""

from __future__ import annotations

import dataclasses
from typing import List, Optional  # noqa: UP035  Model Garden resolves these annotations at run time

from official.core import config_definitions as cfg
from official.modeling import hyperparams
from official.vision.configs import backbones
from official.vision.configs import common

AUGMENT_PRESETS = ("paper", "default", "none")
NMS_KINDS = ("fast", "fast_second_threshold", "cross_class", "traditional")
VERIFY_LEVELS = ("none", "sizes", "records", "sha256")
DEFAULT_MIN_NEGATIVES = 8
MODEL_PARTS = ("backbone", "decoder", "head", "protonet", "semantic_head", "mask_iou_head")


@dataclasses.dataclass
class YolactResNet(hyperparams.Config):
    """ResNet as the original has it: symmetric padding, stride in the 3x3 convolution.

    Attributes:
      depth: 50 or 101.
      zero_init_residual: start the last gamma of each residual block at 0, which lets training
        from random weights begin; imported weights overwrite it.
      deformable_blocks: for each of the four stages, how many of its last blocks may have a
        modulated deformable 3x3 convolution; YOLACT++ has [0, 4, 6, 3] and [0, 4, 23, 3].
      deformable_interval: N, of these every N-th block of the stage, the first one included, has one.
    """

    depth: int = 50
    zero_init_residual: bool = True
    deformable_blocks: List[int] = dataclasses.field(default_factory=lambda: [0, 0, 0, 0])
    deformable_interval: int = 1


@dataclasses.dataclass
class YolactDarkNet(hyperparams.Config):
    """DarkNet as the original has it: convolution, batch norm, leaky ReLU of slope 0.1.

    Attributes:
      depth: 53.
    """

    depth: int = 53


@dataclasses.dataclass
class Backbone(backbones.Backbone):
    """One of Model Garden's backbones or ours, chosen by `type`."""

    type: Optional[str] = "yolact_resnet"
    yolact_resnet: YolactResNet = dataclasses.field(default_factory=YolactResNet)
    yolact_darknet: YolactDarkNet = dataclasses.field(default_factory=YolactDarkNet)


@dataclasses.dataclass
class YolactFPN(hyperparams.Config):
    """The feature pyramid of YOLACT.

    Attributes:
      num_filters: channels of every level.
    """

    num_filters: int = 256


@dataclasses.dataclass
class Identity(hyperparams.Config):
    """No decoder: the backbone gives every level itself (SpineNet)."""


@dataclasses.dataclass
class Decoder(hyperparams.OneOfConfig):
    """The decoder, chosen by `type`."""

    type: Optional[str] = "yolact_fpn"
    yolact_fpn: YolactFPN = dataclasses.field(default_factory=YolactFPN)
    identity: Identity = dataclasses.field(default_factory=Identity)


@dataclasses.dataclass
class Anchor(hyperparams.Config):
    """Anchors of every cell.

    Attributes:
      scales: side in input pixels, one for each level from `min_level`.
      scales_per_octave: 1, or 3 for scales times 2^(0, 1/3, 2/3) as YOLACT++ has them.
      aspect_ratios: width / height.
      square: give height the value of width, as the published v1 COCO models do.
    """

    scales: List[float] = dataclasses.field(default_factory=lambda: [24.0, 48.0, 96.0, 192.0, 384.0])
    scales_per_octave: int = 1
    aspect_ratios: List[float] = dataclasses.field(default_factory=lambda: [1.0, 0.5, 2.0])
    square: bool = True

    @property
    def num_per_cell(self) -> int:
        """Number of anchors in one cell."""
        return self.scales_per_octave * len(self.aspect_ratios)


@dataclasses.dataclass
class Protonet(hyperparams.Config):
    """The prototype branch.

    Attributes:
      num_filters: channels of its 3x3 convolutions.
      num_prototypes: K.
    """

    num_filters: int = 256
    num_prototypes: int = 32


@dataclasses.dataclass
class Head(hyperparams.Config):
    """The prediction head that all levels share.

    Attributes:
      num_filters: channels of its first 3x3 convolution.
    """

    num_filters: int = 256


@dataclasses.dataclass
class DetectionGenerator(hyperparams.Config):
    """From raw outputs to detections.

    Attributes:
      nms: `fast` (the original's default), `fast_second_threshold` (no score of any class at or below
        the threshold), `cross_class` (an object has one class) or `traditional` (greedy, by class).
      score_threshold: anchors whose best class score is not above it are left out.
      nms_iou_threshold: a detection that overlaps a better one of its class by more goes, with
        `cross_class` one of any class, with `traditional` also by as much.
      nms_top_k: candidates of each class, with `cross_class` of the image; `traditional` takes all.
      max_detections: D, detections of an image.
      crop_masks: cut each mask to its box.
      crop_padding: prototype pixels left around the box when masks are cut.
    """

    nms: str = "fast"
    score_threshold: float = 0.05
    nms_iou_threshold: float = 0.5
    nms_top_k: int = 200
    max_detections: int = 100
    crop_masks: bool = True
    crop_padding: float = 1.0


@dataclasses.dataclass
class Normalization(hyperparams.Config):
    """(pixel - mean) / std, RGB, pixels 0..255. The default is the original's for ResNet."""

    mean: List[float] = dataclasses.field(default_factory=lambda: [123.68, 116.78, 103.94])
    std: List[float] = dataclasses.field(default_factory=lambda: [58.40, 57.12, 57.38])


@dataclasses.dataclass
class YolactModel(hyperparams.Config):
    """The network.

    Attributes:
      num_classes: C, with the background.
      input_size: (height, width) of the network input in pixels.
      min_level: lowest pyramid level; prototypes have twice its resolution.
      max_level: highest pyramid level.
      mask_rescoring: YOLACT++'s branch that predicts the IoU of each mask; mask scores are class
        score times predicted IoU.
      freeze_bn: run every batch norm on its stored statistics and train neither gamma nor beta. None:
        do so where a replica has fewer than 6 images of a batch and the statistics are imported.
      class_prior: probability of an object with which class and semantic logits start; 0 starts
        their biases at 0 as the original does. Training from random weights needs it.
      freeze_backbone_level: keep the backbone's weights up to the endpoint of this level; 0: train
        all of it. The lowest levels take most of the time of a backward pass.
      freeze: whole parts that are not trained: of `backbone`, `decoder`, `head`, `protonet`,
        `semantic_head` and `mask_iou_head`. They get neither gradient nor decay, and their batch norms
        run on stored statistics.
    """

    num_classes: int = 81
    input_size: List[int] = dataclasses.field(default_factory=lambda: [550, 550])
    normalization: Normalization = dataclasses.field(default_factory=Normalization)
    min_level: int = 3
    max_level: int = 7
    backbone: Backbone = dataclasses.field(default_factory=Backbone)
    decoder: Decoder = dataclasses.field(default_factory=Decoder)
    anchor: Anchor = dataclasses.field(default_factory=Anchor)
    protonet: Protonet = dataclasses.field(default_factory=Protonet)
    head: Head = dataclasses.field(default_factory=Head)
    detection_generator: DetectionGenerator = dataclasses.field(default_factory=DetectionGenerator)
    norm_activation: common.NormActivation = dataclasses.field(
        default_factory=lambda: common.NormActivation(
            activation="relu", use_sync_bn=False, norm_momentum=0.9, norm_epsilon=1e-5
        )
    )
    mask_rescoring: bool = False
    freeze_bn: Optional[bool] = None
    class_prior: float = 0.0
    freeze_backbone_level: int = 0
    freeze: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Augment(hyperparams.Config):
    """Training augmentation, in the paper's order. A field left at None has the preset's value.

    Attributes:
      preset: `paper` (the original's, quirks included), `default` (its plain bugs mended) or
        `none` (resize only).
      photometric: probability of each photometric part: brightness, contrast, saturation, hue.
      expand: probability of placing the image on a larger canvas of ImageNet's mean colour.
      max_expand_ratio: largest side of that canvas over the image's.
      sample_crop: cut a random part of the image.
      min_crop_side: smallest side of that part over the image's.
      min_scale: with `max_scale`, shows an undistorted window in which objects are so much
        larger (above 1) or smaller (below 1); it then takes the place of `expand` and
        `sample_crop`. The original has no such step.
      max_scale: see there.
      mirror: probability of a left-right flip.
      flip: probability of an upside-down flip.
      transpose: probability that rows and columns change places, which with both flips gives all
        eight orientations: for photos from above. Use it with `min_scale` and `max_scale` where
        images are not square, or objects are distorted.
      min_box_side: boxes narrower or lower than so many input pixels are dropped.
    """

    preset: str = "default"
    photometric: Optional[float] = None
    expand: Optional[float] = None
    max_expand_ratio: Optional[float] = None
    sample_crop: Optional[bool] = None
    min_crop_side: Optional[float] = None
    min_scale: Optional[float] = None
    max_scale: Optional[float] = None
    mirror: Optional[float] = None
    flip: Optional[float] = None
    transpose: Optional[float] = None
    min_box_side: Optional[float] = None


@dataclasses.dataclass
class Parser(hyperparams.Config):
    """From a decoded record to a padded example.

    Attributes:
      augment: what is done to training images; evaluation only resizes.
      max_num_instances: N, rows of the padded labels; the largest instances are kept.
      empty_images: `ignore` gives a training image without objects weight 0, as the original has
        none; `train` lets it teach the background. None: `ignore` with the `paper` preset.
    """

    augment: Augment = dataclasses.field(default_factory=Augment)
    max_num_instances: int = 100
    empty_images: Optional[str] = None


@dataclasses.dataclass
class DataConfig(cfg.DataConfig):
    """Where records come from and how they are read.

    Attributes:
      max_bad_fraction: stop when more than this part of the records read cannot be used.
      verify: what is compared with the manifest at the start: `none`, the `sizes` of the shards,
        also the framing of their `records` (one short read for each), or also their `sha256`.
    """

    shuffle_buffer_size: int = 1000
    drop_remainder: bool = False
    parser: Parser = dataclasses.field(default_factory=Parser)
    max_bad_fraction: float = 0.001
    verify: str = "records"


@dataclasses.dataclass
class Losses(hyperparams.Config):
    """Matching and losses.

    Attributes:
      positive_iou: anchors that overlap an instance at least so much are positive.
      negative_iou: anchors that overlap every instance less are background; between: ignored.
      crowd_iou: other anchors that lie in a crowd by more than this part are ignored.
      negatives_per_positive: hard negatives mined for each positive of the same image.
      min_negatives: hard negatives mined at least in each image, those without objects included.
        None: 0 with the augmentation preset `paper`, as the original has it; otherwise 8.
      masks_to_train: positives of an image that draw masks, at most; the loss is rescaled.
      mask_iou_weight: of the mask-IoU loss, where the model has `mask_rescoring`.
      min_mask_iou_area: masks of no more grid cells than this teach no mask IoU.
      weight_decay: L2, on every trainable tensor, added to the gradient.
    """

    class_weight: float = 1.0
    box_weight: float = 1.5
    mask_weight: float = 6.125
    semantic_weight: float = 1.0
    mask_iou_weight: float = 25.0
    min_mask_iou_area: float = 25.0
    positive_iou: float = 0.5
    negative_iou: float = 0.4
    crowd_iou: float = 0.7
    negatives_per_positive: int = 3
    min_negatives: Optional[int] = None
    masks_to_train: int = 100
    weight_decay: float = 5e-4


@dataclasses.dataclass
class YolactTask(cfg.TaskConfig):
    """The task.

    Attributes:
      init_checkpoint: directory or checkpoint to start from when `model_dir` holds none.
      init_checkpoint_modules: `all` or `backbone`.
      seed: initial weights, order of examples and augmentation are functions of it.
      annotation_file: ground truth of the evaluation; empty: `instances-NAME.json` that the
        converter wrote beside the validation shards.
    """

    init_checkpoint_modules: str = "all"
    model: YolactModel = dataclasses.field(default_factory=YolactModel)
    losses: Losses = dataclasses.field(default_factory=Losses)
    train_data: DataConfig = dataclasses.field(default_factory=lambda: DataConfig(is_training=True))
    validation_data: DataConfig = dataclasses.field(
        default_factory=lambda: DataConfig(is_training=False, shuffle_buffer_size=1)
    )
    annotation_file: str = ""
    seed: int = 0


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
