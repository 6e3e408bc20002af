"""Build the network from its config."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from official.vision.modeling.backbones import factory as backbone_factory
from official.vision.modeling.decoders import factory as decoder_factory
from official_yolact.configs import yolact as configs
from official_yolact.modeling import initial_weights
from official_yolact.modeling import yolact_model
from official_yolact.modeling.heads import prediction_head
from official_yolact.modeling.heads import protonet
from official_yolact.modeling.heads import semantic_head
from official_yolact.modeling.layers import detection_generator
from official_yolact.ops import anchors
from official_yolact.ops import grids


def build_model(config: configs.YolactModel, seed: int = 0) -> yolact_model.YolactModel:
    """Build a `YolactModel` with all its variables.

    The registries must hold the backbone and the decoder: import `official_yolact.registry_imports`.

    Args:
      config: `configs.yolact.YolactModel`.
      seed: the initial weights are a function of it.

    Returns:
      The model; with `freeze_bn` its batch norms are frozen.

    Raises:
      ValueError: if the backbone cannot be built for the input size, or misses a level.
    """
    model = assemble_model(config)
    model(tf_keras.Input(shape=[*config.input_size, 3]), training=False)
    initial_weights.seed_weights(model, seed)
    if config.class_prior:
        initial_weights.set_class_prior(model, config.class_prior)
    if config.initial_output_std:
        initial_weights.set_output_std(model, config.initial_output_std)
    if config.freeze_bn:
        freeze_batch_norms(model)
    for name in config.freeze:
        _freeze_part(model, name)
    return model


@yolact_model.unconverted
def assemble_model(config: configs.YolactModel) -> yolact_model.YolactModel:
    """Put the parts of a `YolactModel` together for weights that come from a file.

    The first call makes the variables, with any values.

    Args:
      config: as of `build_model`.

    Raises:
      ValueError: likewise.
    """
    backbone, specs = _build_backbone(config)
    finer = specs.pop(str(config.min_level - 1), None)
    if config.protonet.detail and finer is None:
        raise ValueError(
            f"model.protonet.detail needs level {config.min_level - 1}, which backbone"
            f" {config.backbone.type!r} does not give: set it to false, or choose another backbone"
        )
    decoder = decoder_factory.build_decoder(input_specs=specs, model_config=config)
    if decoder is None:
        _check_levels(config, specs)
    return yolact_model.YolactModel(
        backbone=backbone,
        decoder=decoder,
        head=prediction_head.PredictionHead(
            config.head,
            num_anchors=config.anchor.num_per_cell,
            num_classes=config.num_classes,
            num_prototypes=config.protonet.num_prototypes,
            name="head",
        ),
        protonet=protonet.Protonet(config.protonet, name="protonet"),
        semantic_head=semantic_head.SemanticHead(config.num_classes, name="semantic_head"),
        mask_iou_head=_build_mask_iou_head(config),
        min_level=config.min_level,
        max_level=config.max_level,
        name="yolact",
    )


def build_anchors(config: configs.YolactModel) -> np.ndarray:
    """Lay out the anchors of the network: float32 [A, 4] cyxhw_norm, in the order of its outputs."""
    return anchors.build_anchors(
        tuple(config.input_size),
        config.min_level,
        config.max_level,
        scales=config.anchor.scales,
        scales_per_octave=config.anchor.scales_per_octave,
        aspect_ratios=config.anchor.aspect_ratios,
        square=config.anchor.square,
    )


def list_levels(config: configs.YolactModel) -> list[grids.Size]:
    """List the (height, width) of the levels of the anchors, in cells."""
    height, width = config.input_size
    return [grids.level_size((height, width), k) for k in range(config.min_level, config.max_level + 1)]


def build_detection_generator(config: configs.YolactModel) -> detection_generator.DetectionGenerator:
    """Build the layer that makes detections of the network's raw outputs."""
    return detection_generator.DetectionGenerator(
        config.detection_generator, build_anchors(config), config.num_classes
    )


def freeze_batch_norms(model: Any) -> None:
    """Run every batch norm on its stored statistics, and train neither gamma nor beta."""
    kinds = (tf_keras.layers.BatchNormalization, tf_keras.layers.experimental.SyncBatchNormalization)
    for layer in initial_weights.flatten_layers(model):
        if isinstance(layer, kinds):
            layer.trainable = False


def _freeze_part(model: yolact_model.YolactModel, name: str) -> None:
    """Train nothing of a part."""
    parts = model.checkpoint_items
    if name not in parts:
        raise ValueError(f"model.freeze names {name!r}, but the parts of the model are {', '.join(parts)}")
    parts[name].trainable = False


def _build_mask_iou_head(config: configs.YolactModel) -> tf_keras.layers.Layer | None:
    """Build the branch with its variables, for the model does not call it."""
    if not config.mask_rescoring:
        return None
    from official_yolact.modeling.heads import mask_iou_head  # noqa: PLC0415  of YOLACT++ alone

    head = mask_iou_head.MaskIoUHead(config.num_classes, name="mask_iou_head")
    height, width = config.input_size
    head(tf_keras.Input(shape=grids.prototype_size((height, width), config.min_level)))
    return head


def _build_backbone(config: configs.YolactModel) -> tuple[Any, dict[str, Any]]:
    _check_attention(config)
    input_specs = tf_keras.layers.InputSpec(shape=[None, *config.input_size, 3])
    try:
        backbone = backbone_factory.build_backbone(
            input_specs=input_specs,
            backbone_config=config.backbone,
            norm_activation_config=config.norm_activation,
        )
    except ValueError as error:
        raise ValueError(
            f"backbone {config.backbone.type!r} cannot be built for model.input_size"
            f" {list(config.input_size)} (SpineNet takes multiples of 128): {error}"
        ) from error
    if config.freeze_backbone_level:
        _freeze_levels(backbone, str(config.freeze_backbone_level))
    specs = {
        level: shape
        for level, shape in backbone.output_specs.items()
        if config.min_level - bool(config.protonet.detail) <= int(level) <= config.max_level
    }
    _check_sizes(config, specs)
    if backbone.inputs:
        # Model Garden's mobile backbones end in a classifier's convolution that no level needs.
        outputs = {level: backbone.output[level] for level in specs}
        backbone = tf_keras.Model(backbone.inputs, outputs, name=backbone.name)
    return backbone, specs


def _freeze_levels(backbone: Any, level: str) -> None:
    """Train nothing that the endpoint of a level depends on."""
    if level not in backbone.output_specs:
        raise ValueError(
            f"model.freeze_backbone_level is {level}, but the backbone has the levels"
            f" {sorted(backbone.output_specs)}: choose one of them, or 0 to train all of it"
        )
    if backbone.inputs:
        layers = tf_keras.Model(backbone.inputs, backbone.output[level]).layers
    else:
        layers = backbone.layers_up_to(int(level))
    for layer in layers:
        layer.trainable = False


def _check_sizes(config: configs.YolactModel, specs: dict[str, Any]) -> None:
    height, width = config.input_size
    for level, shape in specs.items():
        expected = grids.level_size((height, width), int(level))
        if tuple(shape[1:3]) != expected:
            raise ValueError(
                f"backbone {config.backbone.type!r} gives level {level} the size {tuple(shape[1:3])}, not"
                f" {expected}, at model.input_size {list(config.input_size)}: choose another backbone"
            )


def _check_levels(config: configs.YolactModel, specs: dict[str, Any]) -> None:
    missing = [level for level in range(config.min_level, config.max_level + 1) if str(level) not in specs]
    if missing:
        raise ValueError(
            f"model.decoder.type is 'identity', but backbone {config.backbone.type!r} gives no level"
            f" {missing}: use 'yolact_fpn', or set the levels of the backbone to those of the model"
        )


def _check_attention(config: configs.YolactModel) -> None:
    height, width = config.input_size
    model_id = config.backbone.mobilenet.model_id
    if config.backbone.type == "mobilenet" and "Hybrid" in model_id and height != width:
        raise ValueError(
            f"model.backbone.mobilenet.model_id {model_id!r} has attention that Model Garden computes for"
            f" squares only, but model.input_size is {[height, width]}: make it square"
        )
