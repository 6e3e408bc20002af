"""New layers start as the original's: Xavier-uniform kernels and biases of 0 outside the backbone."""

import numpy as np
import pytest
import tf_keras

from official.vision.configs import backbones
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.modeling import initial_weights


@pytest.fixture(scope="module")
def model():
    backbone = configs.Backbone(type="resnet", resnet=backbones.ResNet(model_id=18, depth_multiplier=0.25))
    # Large enough for the five unpadded convolutions of the mask-IoU branch.
    config = configs.YolactModel(backbone=backbone, input_size=[256, 256], mask_rescoring=True)
    return factory.build_model(config, seed=3)


def new_convolutions(model):
    of_backbone = {id(layer) for layer in initial_weights.flatten_layers(model.backbone)}
    # Several layers of one name: each branch has its own "conv".
    return {
        f"{index} {layer.name}": layer
        for index, layer in enumerate(initial_weights.flatten_layers(model))
        if id(layer) not in of_backbone and hasattr(layer, "kernel")
    }


def test_every_variable_outside_the_backbone_belongs_to_a_convolution_looked_at(model):
    found = {id(v) for layer in new_convolutions(model).values() for v in layer.variables}
    backbone = {id(v) for v in model.backbone.variables}
    assert {id(v) for v in model.variables} - backbone == found
    kinds = {type(layer).__name__ for layer in new_convolutions(model).values()}
    assert all(kind.endswith("Conv2D") for kind in kinds), kinds


def test_kernels_are_uniform_within_the_limit_of_fan_in_and_fan_out(model):
    for name, layer in new_convolutions(model).items():
        kernel = layer.kernel.numpy().astype(np.float64)
        height, width, channels, filters = kernel.shape
        limit = np.sqrt(6.0 / (height * width * (channels + filters)))
        count = kernel.size
        # In 6 standard deviations of the mean, the variance and the extremes of so many draws.
        assert np.abs(kernel).max() <= limit * (1 + 1e-6), name
        assert np.abs(kernel).max() >= limit * (1 - 20 / count), name
        assert abs(kernel.mean()) <= 6 * limit / np.sqrt(3 * count), name
        assert abs(kernel.var() / (limit**2 / 3) - 1) <= 6 * np.sqrt(0.8 / count), name


def test_biases_are_0_and_no_two_kernels_are_the_same(model):
    layers = new_convolutions(model)
    for name, layer in layers.items():
        assert not layer.bias.numpy().any(), name
    firsts = [float(layer.kernel.numpy().ravel()[0]) for layer in layers.values()]
    assert len(set(firsts)) == len(firsts)


def test_the_backbone_keeps_its_own_initialisers(model):
    """Model Garden's ResNet draws from a truncated normal distribution of its own scale."""
    convolutions = [
        layer
        for layer in initial_weights.flatten_layers(model.backbone)
        if isinstance(layer, tf_keras.layers.Conv2D)
    ]
    assert convolutions
    assert {type(layer.kernel_initializer).__name__ for layer in convolutions} == {"VarianceScaling"}
