"""Count parameters, multiply-accumulates, anchors and all-reduced bytes of the experiments; nothing is run.

python benchmarks/model_costs.py [EXPERIMENT ...]

Prints one JSON object. Parameters are the trainable ones, as PyTorch counts them: batch norm's gamma
and beta, not its statistics; the semantic branch is among them. Multiply-accumulates are those of the
convolutions and matrix products in the traced graph of one image at the experiment's input size,
batch norms unfolded; resizing, activations, additions and the bilinear samples of deformable
convolutions are not counted. The shared head counts once for each level. `network` is what inference
runs; the semantic branch, which only training needs, and what each detection costs have keys of their own.
Published GFLOPs count a multiply-accumulate twice. `all_reduced` are the bytes that a training step sums
over its replicas, and the number of sums that follow one another.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import os
import platform
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from official.core import task_factory
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import names
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.ops import grids
from official_yolact.tasks import train_step

# The only outside figure of this kind: OpenVINO's model zoo on ResNet-50 at 550 (semantic branch cut).
OUTSIDE_GFLOPS = {"yolact_resnet50_coco": 118.6}
_DETECTIONS = 100
_LOSS_COUNTS = 3
_SYNC_SUMS = 5


def count_operation(operation: Any) -> int:
    """Count the multiply-accumulates of one node of a graph whose shapes are static."""
    shapes = [tensor.shape.as_list() for tensor in operation.inputs]
    if operation.type == "Conv2D":
        height, width, inputs, _ = shapes[1]
        return math.prod(operation.outputs[0].shape) * height * width * inputs
    if operation.type == "DepthwiseConv2dNative":
        return math.prod(operation.outputs[0].shape) * math.prod(shapes[1][:2])
    if operation.type == "MatMul":
        return (
            math.prod(operation.outputs[0].shape) * shapes[0][0 if operation.get_attr("transpose_a") else 1]
        )
    if operation.type in ("BatchMatMul", "BatchMatMulV2"):
        return math.prod(operation.outputs[0].shape) * shapes[0][-2 if operation.get_attr("adj_x") else -1]
    if operation.type == "Einsum":
        terms = operation.get_attr("equation").decode().split("->")[0].split(",")
        sizes = {
            letter: size
            for term, shape in zip(terms, shapes, strict=True)
            for letter, size in zip(term, shape, strict=True)
        }
        return math.prod(sizes.values())
    return 0


def count_call(layer: Any, *shape: int) -> dict[str, int]:
    """Count the multiply-accumulates of a call of a built layer, by the part of the model.

    Args:
      layer: a built layer or model.
      *shape: of its float32 input.

    Returns:
      Counts by the name of the layer directly below `layer`.
    """
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec(shape)).graph
    counts: collections.Counter[str] = collections.Counter()
    for operation in graph.get_operations():
        if "/resize_bilinear" in operation.name:
            continue
        # Names are model/part/.../operation, but for inputs.
        part = (*operation.name.split("/"), "")[1]
        counts[part] += count_operation(operation)
    return counts


def count_variables(layer: Any) -> int:
    """Count the trainable numbers of a layer."""
    return sum(math.prod(variable.shape) for variable in layer.trainable_variables)


def measure(name: str) -> dict[str, Any]:
    """Count everything about one experiment."""
    task = task_factory.get_task(experiments.EXPERIMENTS[name]().task)
    config = task.task_config.model
    model = task.build_model()
    parts = model.checkpoint_items
    counts = count_call(model, 1, *config.input_size, 3)
    macs = {part: counts.pop(layer.name, 0) for part, layer in parts.items()}
    assert not any(counts.values()), f"operations outside of {sorted(parts)}: {counts}"
    semantic = macs.pop("semantic_head")
    macs.pop("mask_iou_head", None)
    cost = {
        "input_size": list(config.input_size),
        "anchors": len(factory.build_anchors(config)),
        "parameters": {
            "total": count_variables(model),
            **{part: count_variables(layer) for part, layer in parts.items()},
        },
        "gmacs": {
            "network": _giga(sum(macs.values())),
            **{part: _giga(count) for part, count in macs.items()},
        },
        "gmacs_training_only": {"semantic_head": _giga(semantic)},
        "gmacs_each_100_detections": _count_detections(config, model),
        "all_reduced": count_all_reduced(task, model),
    }
    if name in OUTSIDE_GFLOPS:
        cost["outside_gmacs"] = OUTSIDE_GFLOPS[name] / 2
    return cost


def count_all_reduced(task: Any, model: Any) -> dict[str, dict[str, int]]:
    """Count what a step on several replicas sums over them, in float32 whatever the precision.

    One sum has the gradients of all trainable weights and a flag for each loss, a second the three counts
    that normalise the losses, a third the stored statistics of the batch norms that train. Synchronised
    batch norms add five sums each: sums, sums of squares and counts forward, and two gradients backward,
    each as long as the norm has channels.

    Args:
      task: a `YolactTask`.
      model: what its `build_model` has returned.

    Returns:
      `bytes` and `sums`, where each replica has statistics of its own (`local`) and `synchronised`.
    """
    norms = train_step.find_batch_norms(model)
    channels = sum(int(norm.moving_mean.shape[0]) for norm in norms)
    numbers = count_variables(model) + len(task.step.names) + _LOSS_COUNTS + 2 * channels
    sums = 3 if norms else 2
    return {
        "local": {"bytes": 4 * numbers, "sums": sums},
        "synchronised": {
            "bytes": 4 * (numbers + _SYNC_SUMS * channels),
            "sums": sums + _SYNC_SUMS * len(norms),
        },
    }


def _count_detections(config: configs.YolactModel, model: Any) -> dict[str, float]:
    height, width = grids.prototype_size(tuple(config.input_size), config.min_level)
    found = {"masks": _giga(_DETECTIONS * height * width * config.protonet.num_prototypes)}
    if config.mask_rescoring:
        counts = count_call(model.mask_iou_head, _DETECTIONS, height, width)
        found["mask_iou_head"] = _giga(sum(counts.values()))
    return found


def _giga(count: int) -> float:
    return round(count / 1e9, 3)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
    asked = arguments.parse_args().experiments or list(experiments.EXPERIMENTS)
    results = {name: measure(name) for name in map(names.resolve_name, asked)}
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    device = "none: graphs are traced and not run"
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
