"""Deformable convolution: the recorded original, a NumPy loop, finite differences, shifts, XLA and bfloat16."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import deformable


def _at(image, y, x):
    inside = 0 <= y < image.shape[0] and 0 <= x < image.shape[1]
    return image[y, x] if inside else np.zeros(image.shape[2])


def _sample(image, y, x):
    if not (-1 < y < image.shape[0] and -1 < x < image.shape[1]):
        return np.zeros(image.shape[2])
    top, left = int(np.floor(y)), int(np.floor(x))
    value = np.zeros(image.shape[2])
    for row in (top, top + 1):
        for column in (left, left + 1):
            value += (1 - abs(y - row)) * (1 - abs(x - column)) * _at(image, row, column)
    return value


def _convolve_by_loops(images, offsets, modulation, kernel, bias, stride):
    out = np.zeros((*offsets.shape[:3], kernel.shape[3])) + bias
    for b, y, x in np.ndindex(offsets.shape[:3]):
        for tap in range(9):
            i, j = divmod(tap, 3)
            shift_y, shift_x = offsets[b, y, x, 2 * tap : 2 * tap + 2]
            value = _sample(images[b], y * stride - 1 + i + shift_y, x * stride - 1 + j + shift_x)
            out[b, y, x] += modulation[b, y, x, tap] * value @ kernel[i, j]
    return out


def _draw(size=(5, 6), stride=1, channels=(3, 4), batch=2, spread=1.5, seed=0):
    rng = np.random.default_rng(seed)
    out = [-(-side // stride) for side in size]
    return [
        rng.standard_normal((batch, *size, channels[0])),
        spread * rng.standard_normal((batch, *out, 18)),
        rng.uniform(0, 1, (batch, *out, 9)),
        rng.standard_normal((3, 3, *channels)),
        rng.standard_normal(channels[1]),
    ]


def _tensors(arrays, dtype=tf.float32):
    return [tf.constant(array, dtype) for array in arrays]


def _run(arrays, stride=1, dtype=tf.float32, compiled=False):
    run = tf.function(deformable.deform_conv2d, jit_compile=True) if compiled else deformable.deform_conv2d
    return run(*_tensors(arrays, dtype), strides=stride)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 4), (4, 1), (1, 1)])
def test_outputs_equal_a_loop_over_samples(size, stride, compiled):
    arrays = _draw(size, stride)
    found = _run(arrays, stride, compiled=compiled)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, _convolve_by_loops(*arrays, stride), atol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("stride", [1, 2])
def test_outputs_equal_the_recorded_original(shared, stride):
    recorded = np.load(shared / "fixtures" / "dcn.npz")
    names = ("x", "weight", "bias", "conv_offset_mask.weight", "conv_offset_mask.bias", "y")
    images, kernel, bias, offset_kernel, offset_bias, expected = (
        recorded[f"s{stride}_{name}"] for name in names
    )
    images = tf.constant(images.transpose(0, 2, 3, 1))
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    channels = tf.nn.conv2d(padded, offset_kernel.transpose(2, 3, 1, 0), stride, "VALID") + offset_bias
    found = deformable.deform_conv2d(
        images,
        channels[..., :18],
        tf.sigmoid(channels[..., 18:]),
        kernel.transpose(2, 3, 1, 0),
        bias,
        stride,
    )
    np.testing.assert_allclose(found, expected.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [((6, 5), 1), ((6, 5), 2), ((7, 7), 2)])
def test_without_offsets_and_with_full_modulation_it_is_a_plain_convolution(size, stride):
    images, offsets, modulation, kernel, bias = _draw(size, stride)
    found = _run([images, 0 * offsets, modulation**0, kernel, bias], stride)
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    expected = tf.nn.conv2d(padded, kernel, stride, "VALID") + bias
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_whole_offsets_are_a_shifted_image():
    images, offsets, modulation, kernel, bias = _draw((7, 6))
    offsets[..., 0::2], offsets[..., 1::2] = 2, -1
    shifted = np.zeros_like(images)
    shifted[:, :-2, 1:] = images[:, 2:, :-1]
    # At the border the offset reaches into the image where the shifted one has only padding.
    found = _run([images, offsets, modulation, kernel, bias]).numpy()[:, 1:-1, 1:-1]
    expected = _run([shifted, 0 * offsets, modulation, kernel, bias]).numpy()[:, 1:-1, 1:-1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("offset", [1e9, -1e9, 1e38, np.inf, -np.inf, np.nan])
def test_a_sample_far_outside_counts_nothing_and_has_no_gradient(offset):
    images, offsets, modulation, kernel, bias = _tensors(_draw())
    offsets = tf.fill(offsets.shape, tf.constant(offset, tf.float32))
    inputs = [images, offsets, modulation, kernel]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = deformable.deform_conv2d(*inputs, bias)
    np.testing.assert_array_equal(outputs, tf.broadcast_to(bias, outputs.shape))
    for gradient in tape.gradient(outputs, inputs):
        np.testing.assert_array_equal(gradient, tf.zeros_like(gradient))


def test_a_sample_at_minus_one_or_at_the_size_has_no_gradient_and_one_inside_has():
    images = tf.ones([1, 3, 3, 1])
    offsets = np.zeros((1, 3, 3, 18), np.float32)
    offsets[0, 0, 0, 0] = 0.25  # tap 0 of the first cell at (-0.75, -1)
    offsets[0, 0, 0, 2] = 0.25  # tap 1 of the first cell at (-0.75, 0)
    offsets, modulation = tf.constant(offsets), tf.ones([1, 3, 3, 9])
    with tf.GradientTape() as tape:
        tape.watch(offsets)
        outputs = deformable.deform_conv2d(images, offsets, modulation, tf.ones([3, 3, 1, 1]))
    gradient = tape.gradient(outputs, offsets).numpy().reshape(3, 3, 9, 2)
    assert outputs[0, 0, 0, 0] == 4.25
    np.testing.assert_array_equal(gradient[0, 0, 0], [0, 0])
    np.testing.assert_array_equal(gradient[0, 0, 1], [1, 0])
    assert not gradient[2, :, 6:].any()  # at y = 3, the height


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_equal_finite_differences(stride, compiled):
    arrays = _draw((4, 5), stride, (2, 3), spread=0.8, seed=4)
    upstream = np.random.default_rng(9).standard_normal((*arrays[1].shape[:3], 3))

    def loss(*inputs):
        return tf.reduce_sum(deformable.deform_conv2d(*inputs, strides=stride) * upstream)

    def gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss(*inputs)
        return tape.gradient(value, inputs)

    found = tf.function(gradients, jit_compile=compiled)(*_tensors(arrays, tf.float64))
    fast = tf.function(loss)
    step = 1e-6
    for index, gradient in enumerate(found):
        cells = np.random.default_rng(index).permutation(arrays[index].size)[:40]
        for cell in cells:
            values = []
            for sign in (-1, 1):
                moved = [array.copy() for array in arrays]
                moved[index].flat[cell] += sign * step
                values.append(fast(*_tensors(moved, tf.float64)).numpy())
            slope = (values[1] - values[0]) / (2 * step)
            np.testing.assert_allclose(gradient.numpy().flat[cell], slope, rtol=1e-5, atol=1e-6)


def test_bfloat16_keeps_positions_in_a_wide_image_exact():
    # 300.5 is no bfloat16: 8 bits hold steps of 2 there.
    images, _, _, kernel, bias = _draw((3, 400), channels=(8, 4), batch=1)
    offsets, modulation = np.full((1, 3, 400, 18), 0.5), np.full((1, 3, 400, 9), 0.5)
    expected = _run([images, offsets, modulation, kernel, bias])
    found = _run([images, offsets, modulation, kernel, bias], dtype=tf.bfloat16)
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=0.15)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_half_precision_has_gradients_near_those_of_float32(dtype):
    arrays = _draw(channels=(16, 8))

    def gradients(dtype):
        inputs = [tf.cast(tensor, dtype) for tensor in _tensors(arrays, tf.bfloat16)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(tf.cast(deformable.deform_conv2d(*inputs), tf.float32) ** 2)
        return tape.gradient(loss, inputs)

    for found, expected in zip(gradients(dtype), gradients(tf.float32), strict=True):
        assert found.dtype == dtype
        error = tf.norm(tf.cast(found, tf.float32) - expected) / tf.norm(expected)
        assert error < 0.02


def test_an_empty_batch_gives_an_empty_batch():
    arrays = [array[:0] if index < 3 else array for index, array in enumerate(_draw())]
    assert _run(arrays).shape == [0, 5, 6, 4]


def test_the_bias_may_be_left_out():
    arrays = _draw()
    found = deformable.deform_conv2d(*_tensors(arrays[:4]))
    np.testing.assert_allclose(found, _run(arrays) - arrays[4], atol=1e-5)


@pytest.mark.parametrize(
    ("position", "shape", "message"),
    [
        (0, (2, 5, 6, 2), r"kernel is .* need \[3, 3, 2, O\]"),
        (1, (2, 5, 6, 9), r"offsets are .* needs \[B, 5, 6, 18\]"),
        (1, (2, 3, 3, 18), r"offsets are .* needs \[B, 5, 6, 18\]"),
        (2, (2, 5, 6, 18), r"modulation are .* needs \[B, 5, 6, 9\]"),
    ],
)
def test_shapes_that_do_not_belong_together_are_named(position, shape, message):
    inputs = _tensors(_draw())
    inputs[position] = tf.zeros(shape)
    with pytest.raises(ValueError, match=message):
        deformable.deform_conv2d(*inputs)


def test_images_of_unknown_size_are_refused():
    run = tf.function(lambda images: deformable.deform_conv2d(images, *_tensors(_draw()[1:])))
    with pytest.raises(ValueError, match="static height, width and channels"):
        run.get_concrete_function(tf.TensorSpec([None, None, 6, 3]))
