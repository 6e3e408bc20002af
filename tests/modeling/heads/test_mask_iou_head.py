"""The mask-IoU branch against loops in NumPy; sizes and counts."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official_yolact.modeling.heads import mask_iou_head


def _build(num_classes, seed=0):
    head = mask_iou_head.MaskIoUHead(num_classes)
    head(tf.zeros([1, 63, 63]))
    rng = np.random.default_rng(seed)
    for conv in [*head.convs, head.project]:
        conv.kernel.assign(rng.normal(size=conv.kernel.shape) / np.sqrt(np.prod(conv.kernel.shape[:3])))
        conv.bias.assign(rng.normal(size=conv.bias.shape) / 10)
    return head


def _convolve(image, kernel, bias, stride):
    side = kernel.shape[0]
    rows, columns = ((length - side) // stride + 1 for length in image.shape[:2])
    out = np.zeros((rows, columns, kernel.shape[-1]))
    for y in range(rows):
        for x in range(columns):
            patch = image[y * stride : y * stride + side, x * stride : x * stride + side]
            out[y, x] = np.tensordot(patch, kernel, 3) + bias
    return np.maximum(out, 0)


def _predict(head, mask):
    features = mask[..., np.newaxis].astype(np.float64)
    sizes = []
    for conv in head.convs:
        features = _convolve(features, conv.kernel.numpy(), conv.bias.numpy(), 2)
        sizes.append(features.shape[0])
    return _convolve(features, head.project.kernel.numpy(), head.project.bias.numpy(), 1).max((0, 1)), sizes


@pytest.mark.parametrize("channel", [False, True])
def test_predictions_equal_loops_over_an_oblong_grid(channel):
    head = _build(4)
    masks = np.random.default_rng(1).random((2, 70, 101)).astype(np.float32)
    inputs = masks[..., np.newaxis] if channel else masks
    expected = np.stack([_predict(head, mask)[0] for mask in masks])
    assert (expected > 0).any()
    np.testing.assert_allclose(head(tf.constant(inputs)), expected, rtol=1e-4, atol=1e-6)


def test_the_published_grid_shrinks_to_3_cells():
    assert _predict(_build(4), np.zeros((138, 138)))[1] == [68, 33, 16, 7, 3]


def test_the_branch_of_coco_has_as_many_parameters_as_the_original():
    assert _build(81).count_params() == 108_560


@pytest.mark.parametrize("size", [(18, 26), (1, 1), (62, 200), (63, 5)])
def test_a_small_grid_counts_as_the_corner_of_the_smallest_that_works(size):
    head = _build(5)
    masks = np.random.default_rng(2).random((3, *size)).astype(np.float32)
    padded = np.zeros((3, max(63, size[0]), max(63, size[1])), np.float32)
    padded[:, : size[0], : size[1]] = masks
    np.testing.assert_array_equal(head(tf.constant(masks)), head(tf.constant(padded)))


def test_half_precision_gives_float32():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    head = mask_iou_head.MaskIoUHead(5)
    predicted = head(tf.ones([2, 64, 64]))
    assert predicted.dtype == tf.float32
    assert head.convs[0].compute_dtype == "bfloat16"
    assert head.convs[0].kernel.dtype == tf.float32


def test_new_weights_are_glorot_uniform_and_biases_0():
    head = mask_iou_head.MaskIoUHead(81)
    head(tf.zeros([1, 63, 63]))
    for conv in [*head.convs, head.project]:
        fans = [np.prod(conv.kernel.shape[:2]) * conv.kernel.shape[axis] for axis in (2, 3)]
        limit = np.sqrt(6 / sum(fans))
        # The limit itself, rounded to float32, may be drawn.
        assert 0.8 * limit < np.abs(conv.kernel).max() <= limit * (1 + 1e-6)
        assert not np.any(conv.bias)
