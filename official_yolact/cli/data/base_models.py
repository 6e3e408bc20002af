"""What `yolact data init` reads of an experiment, and of a model that a training goes on from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Written for each data set, or decided anew.
_OF_THE_SET = (
    "num_classes",
    "input_size",
    "min_level",
    "max_level",
    "anchor",
    "class_prior",
    "initial_output_std",
)
_OF_TRAINING = ("freeze_bn", "freeze_backbone_level", "freeze")
_CHOICES = ("backbone", "decoder")
_LIMITS = ("max_detections", "nms_top_k")


def read_anchors(config: str) -> Any:
    """Read the input size and the anchors of a configuration as an `AnchorGrid`."""
    return make_grid(load(config).task.model)


def read_experiment(name: str) -> tuple[str, Any, Any]:
    """Resolve the name of an experiment; read its input size and anchors, and what decides its cost."""
    from official_yolact.configs import names

    params = load(name)
    return names.resolve_name(name), make_grid(params.task.model), find_network(params.task.model)


def read_own(params_file: str) -> Any:
    """Read a trained model as `recipe.OwnModel` from the `params.yaml` of its directory.

    Raises:
      ValueError: the file cannot be used.
    """
    from official_yolact.checkpoints import stored_categories
    from official_yolact.configs import experiments
    from official_yolact.data.recipes import recipe

    params = load(params_file)
    default = experiments.EXPERIMENTS[params.experiment]().task.model
    kinds: dict[str, Any] = {}
    for part in _CHOICES:
        # Of a choice only the chosen section is listed, which is compared with its own defaults.
        chosen, usual = getattr(params.task.model, part), getattr(default, part)
        if chosen.type != usual.type:
            kinds[part] = {"type": chosen.type}
            usual.type = chosen.type
    section = _find_differences(params.task.model.as_dict(), default.as_dict())
    for part, kind in kinds.items():
        section[part] = {**kind, **section.get(part, {})}
    for key in (*_OF_THE_SET, *_OF_TRAINING):
        section.pop(key, None)
    generator = section.get("detection_generator", {})
    for key in _LIMITS:
        generator.pop(key, None)
    if not generator:
        section.pop("detection_generator", None)
    classes = stored_categories.find(os.path.dirname(params_file) or ".")
    return recipe.OwnModel(
        params.experiment,
        make_grid(params.task.model),
        find_network(params.task.model),
        section,
        classes.names if classes else (),
    )


def make_grid(model: Any) -> Any:
    """Make an `AnchorGrid` of the section of the network."""
    from official_yolact.data.recipes import anchor_grid

    return anchor_grid.AnchorGrid(
        (int(model.input_size[0]), int(model.input_size[1])),
        model.min_level,
        tuple(model.anchor.scales),
        model.anchor.scales_per_octave,
        tuple(model.anchor.aspect_ratios),
        model.anchor.square,
    )


def find_network(model: Any) -> Any:
    """Find what decides the cost of a network as a `step_cost.Network`; None: it was never measured."""
    from official_yolact.data.recipes import step_cost

    backbone = model.backbone
    kind, chosen = backbone.type, backbone.get()
    found = {
        ("mobilenet", "MobileNetV2"): "mobilenetv2",
        ("resnet", 18): "resnet18_half",
        ("yolact_resnet", 50): "resnet50",
        ("yolact_resnet", 101): "resnet101",
        ("yolact_darknet", 53): "darknet53",
    }.get((kind, getattr(chosen, "model_id", None) or getattr(chosen, "depth", None)))
    half = found != "resnet18_half" or chosen.depth_multiplier == 0.5
    if found is None or not half or model.decoder.type != "yolact_fpn":
        return None
    width = chosen.filter_size_scale if found == "mobilenetv2" else 1.0
    return step_cost.Network(found, width, model.decoder.yolact_fpn.num_filters)


def load(config: str) -> Any:
    """Load a configuration by file or name."""
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading

    return loading.load_config(config)


def _find_differences(values: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Find the keys whose values differ from the defaults, nested."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        usual = default.get(key)
        if isinstance(value, Mapping) and isinstance(usual, Mapping):
            inner = _find_differences(value, usual)
            if inner:
                found[key] = inner
        elif value != usual:
            found[key] = value
    return found
