"""The cost counter counts what a person counts by hand."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
import tf_keras

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "benchmarks" / "model_costs.py"


@pytest.fixture(scope="module")
def model_costs() -> Any:
    spec = importlib.util.spec_from_file_location("model_costs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("compute", "shape", "expected"),
    [
        # 3 x 2 outputs of 8 channels, each from 3 x 3 x 4 inputs.
        (lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 4, 8]), 2, "SAME"), (1, 5, 4, 4), 3 * 2 * 8 * 36),
        # The work of two images is twice that of one.
        (lambda x: tf.nn.conv2d(x, tf.ones([1, 1, 4, 8]), 1, "VALID"), (2, 5, 4, 4), 2 * 20 * 8 * 4),
        # 3 x 2 outputs of 4 * 2 channels, each from one channel.
        (
            lambda x: tf.nn.depthwise_conv2d(x, tf.ones([3, 3, 4, 2]), [1, 1, 1, 1], "VALID"),
            (1, 5, 4, 4),
            3 * 2 * 8 * 9,
        ),
        (lambda x: tf.matmul(x, tf.ones([7, 2])), (3, 7), 3 * 7 * 2),
        (lambda x: tf.matmul(x, tf.ones([7, 2]), transpose_a=True), (7, 3), 3 * 7 * 2),
        (lambda x: tf.matmul(x, tf.ones([5, 2, 7]), transpose_b=True), (5, 3, 7), 5 * 3 * 7 * 2),
        (lambda x: tf.einsum("bhwk,kio->bhwo", x, tf.ones([9, 2, 4])), (1, 3, 5, 9), 3 * 5 * 9 * 2 * 4),
        (lambda x: tf.nn.relu(x + 1.0), (1, 5, 4, 4), 0),
    ],
)
def test_operations_are_counted(
    model_costs: Any, compute: Callable[[Any], Any], shape: tuple[int, ...], expected: int
) -> None:
    graph = tf.function(compute).get_concrete_function(tf.TensorSpec(shape)).graph
    assert sum(map(model_costs.count_operation, graph.get_operations())) == expected


def test_counts_go_to_the_part_below_the_layer(model_costs: Any) -> None:
    model = tf_keras.Sequential(
        [
            tf_keras.layers.Conv2D(4, 3, padding="same", name="first"),
            tf_keras.layers.Conv2D(2, 1, name="second"),
        ]
    )
    model.build([None, 6, 5, 3])
    counts = model_costs.count_call(model, 1, 6, 5, 3)
    assert {part: count for part, count in counts.items() if count} == {
        "first": 30 * 4 * 27,
        "second": 30 * 2 * 4,
    }
    assert model_costs.count_variables(model) == 4 * 27 + 4 + 2 * 4 + 2


def test_the_head_counts_once_for_each_level(model_costs: Any) -> None:
    found = model_costs.measure("yolact_tiny_shapes")
    cells = 16**2 + 8**2 + 4**2
    assert found["anchors"] == 3 * cells
    # Three anchors with 4 codes, 7 classes and 32 coefficients behind one convolution of 64 channels.
    assert found["gmacs"]["head"] == round(cells * 64 * 9 * (64 + 3 * (4 + 7 + 32)) / 1e9, 3)
    assert found["gmacs"]["network"] == pytest.approx(
        sum(count for part, count in found["gmacs"].items() if part != "network"), abs=2e-3
    )
    assert found["gmacs_each_100_detections"] == {"masks": round(100 * 32 * 32 * 32 / 1e9, 3)}


def test_the_page_on_scaling_states_the_bytes_that_are_counted(model_costs: Any) -> None:
    task = model_costs.task_factory.get_task(
        model_costs.experiments.EXPERIMENTS["yolact_resnet50_coco"]().task
    )
    counted = model_costs.count_all_reduced(task, task.build_model())
    page = (CHECKOUT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for cost in counted.values():
        assert f"{cost['bytes']:,} in {cost['sums']} sums" in page
