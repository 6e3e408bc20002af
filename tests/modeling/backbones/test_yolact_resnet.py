"""Where the ResNet of YOLACT++ has deformable convolutions, and how many parameters."""

import numpy as np
import pytest
import tensorflow as tf

from official.vision.configs import common
from official_yolact.configs import yolact as configs
from official_yolact.modeling.backbones import yolact_resnet
from official_yolact.modeling.layers import deformable_conv

NORM = common.NormActivation(activation="relu", norm_momentum=0.9, norm_epsilon=1e-5)
STRIDED = {(1, 0), (2, 0), (3, 0)}


def _build(depth, blocks=(0, 0, 0, 0), interval=1):
    config = configs.YolactModel().backbone
    config.type = "yolact_resnet"
    config.get().override(
        {"depth": depth, "deformable_blocks": list(blocks), "deformable_interval": interval}
    )
    return yolact_resnet.build_yolact_resnet(None, config, NORM)


def _placement(model):
    return {
        (stage, index): block.conv2.strides
        for stage, blocks in enumerate(model.stages)
        for index, block in enumerate(blocks)
        if isinstance(block.conv2, deformable_conv.DeformableConv2D)
    }


@pytest.mark.parametrize(
    ("depth", "blocks", "interval", "expected", "parameters"),
    [
        (50, (0, 4, 6, 3), 1, {1: range(4), 2: range(6), 3: range(3)}, 24_382_879),
        (101, (0, 4, 23, 3), 3, {1: [0, 3], 2: range(0, 22, 3), 3: [0]}, 43_187_561),
    ],
)
def test_the_published_backbones_have_the_recorded_blocks_and_parameters(
    depth, blocks, interval, expected, parameters
):
    model = _build(depth, blocks, interval)
    places = {(stage, index) for stage, indices in expected.items() for index in indices}
    assert _placement(model) == {place: 2 if place in STRIDED else 1 for place in places}
    model(tf.zeros([1, 32, 32, 3]))
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == parameters


def test_only_the_last_blocks_that_the_interval_divides_are_deformable():
    assert _placement(_build(50, (0, 0, 3, 0))) == {(2, 3): 1, (2, 4): 1, (2, 5): 1}
    assert _placement(_build(50, (2, 3, 4, 0), 2)) == {(0, 2): 1, (1, 2): 1, (2, 2): 1, (2, 4): 1}
    assert _placement(_build(50)) == {}


def test_deformable_blocks_start_from_the_distribution_of_plain_ones():
    model = yolact_resnet.YolactResNet((1, 1, 1, 1), NORM, deformable_blocks=(0, 0, 0, 1))
    model(tf.zeros([1, 32, 32, 3]))
    kernel = model.stages[3][0].conv2.kernel.numpy()
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 512)), rtol=0.01)
    assert model.stages[2][0].conv2.bias is None
    assert model.stages[3][0].conv2.bias is not None
