"""The deformable layer: its start, its sizes, its config, a SavedModel."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official_yolact.modeling import initial_weights
from official_yolact.modeling.layers import deformable_conv
from official_yolact.modeling.layers import symmetric_conv


def _image(*shape):
    return tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 7), (5, 8), (1, 3)])
def test_it_starts_as_half_a_plain_convolution(size, stride):
    layer = deformable_conv.DeformableConv2D(4, stride)
    images = _image(2, *size, 3)
    found = layer(images)
    plain = symmetric_conv.SymmetricConv2D(4, 3, strides=stride, use_bias=False)
    plain.build(images.shape)
    plain.kernel.assign(layer.kernel)
    np.testing.assert_allclose(found, plain(images) / 2, atol=1e-6)


def test_its_variables_are_those_of_the_original():
    layer = deformable_conv.DeformableConv2D(4)
    layer(_image(1, 5, 5, 3))
    assert layer.kernel.shape == [3, 3, 3, 4]
    assert layer.bias.shape == [4]
    assert layer.offset_conv.kernel.shape == [3, 3, 3, 27]
    assert layer.offset_conv.bias.shape == [27]
    assert len(layer.trainable_variables) == 4
    assert not any(variable.numpy().any() for variable in [layer.bias, *layer.offset_conv.variables])


def test_channels_are_offsets_in_y_and_x_by_turns_and_then_modulation():
    layer = deformable_conv.DeformableConv2D(1)
    images = _image(1, 6, 6, 1)
    layer(images)
    kernel, bias = np.zeros((3, 3, 1, 1), np.float32), np.zeros(27, np.float32)
    kernel[1, 2] = 1  # tap 5 alone
    bias[10], bias[11], bias[18 + 5] = 1, -2, np.log(3)  # one down, two to the left, three quarters
    layer.kernel.assign(kernel)
    layer.offset_conv.bias.assign(bias)
    found = layer(images)[0, :, :, 0].numpy()
    expected = np.zeros((6, 6))
    expected[:-1, 1:] = 0.75 * images[0, 1:, :-1, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_saved_model_takes_any_batch(tmp_path):
    layer = deformable_conv.DeformableConv2D(4, 2)
    layer(_image(1, 7, 6, 3))
    generator = np.random.default_rng(1)
    for variable in layer.variables:
        variable.assign(generator.standard_normal(variable.shape))
    inputs = tf_keras.Input([7, 6, 3])
    tf_keras.Model(inputs, layer(inputs)).save(str(tmp_path / "model"), save_format="tf")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    for batch in (1, 3):
        images = _image(batch, 7, 6, 3)
        found = loaded.signatures["serving_default"](images)
        np.testing.assert_allclose(next(iter(found.values())), layer(images), atol=1e-5)


def test_both_kernels_are_regularized():
    layer = deformable_conv.DeformableConv2D(4, kernel_regularizer=tf_keras.regularizers.L2(0.5))
    layer(_image(1, 5, 5, 3))
    layer.offset_conv.kernel.assign(tf.ones_like(layer.offset_conv.kernel))
    expected = 0.5 * (np.sum(layer.kernel.numpy() ** 2) + 27 * 27)
    np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-5)


def test_a_seed_draws_the_kernel_and_leaves_zeros():
    layers = [deformable_conv.DeformableConv2D(4, kernel_initializer="he_normal") for _ in range(2)]
    for layer in layers:
        layer(_image(1, 5, 5, 3))
        initial_weights.seed_weights(layer, 3)
    np.testing.assert_array_equal(layers[0].kernel, layers[1].kernel)
    assert layers[0].kernel.numpy().any()
    assert not any(variable.numpy().any() for variable in [layers[0].bias, *layers[0].offset_conv.variables])
