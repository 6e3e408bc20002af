"""Every backbone family of Model Garden that has several levels carries the network."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.modeling import factory

# (70, 45) has levels of 9x6, 5x3, 3x2, 2x1 and 1x1 cells with three anchors each.
NUM_ANCHORS = 3 * (54 + 15 + 6 + 2 + 1)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("yolact_resnet", {"depth": 50}),
        ("resnet", {"model_id": 18}),
        ("dilated_resnet", {"model_id": 50}),
        ("mobilenet", {"model_id": "MobileNetV2"}),
        ("mobilenet", {"model_id": "MobileNetV3Large"}),
        ("mobilenet", {"model_id": "MobileNetV4ConvSmall"}),
        ("efficientnet", {"model_id": "b0"}),
        ("efficientnet", {"model_id": "b3"}),
        ("mobiledet", {}),
    ],
)
def test_outputs_and_gradients_are_finite_at_odd_sizes(small_config, backbone, options):
    model = factory.build_model(small_config(backbone, (70, 45), **options))
    images = tf.constant(np.random.default_rng(0).standard_normal((2, 70, 45, 3)), tf.float32)
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        loss = tf.add_n([tf.reduce_sum(value**2) for value in outputs.values()])
    assert outputs["box_outputs"].shape == [2, NUM_ANCHORS, 4]
    assert outputs["prototypes"].shape == [2, 18, 12, 5]
    for name, value in outputs.items():
        assert np.isfinite(value.numpy()).all(), name
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient.numpy()).all(), variable.name
