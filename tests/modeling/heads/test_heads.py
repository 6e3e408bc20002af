"""The order of anchors and channels in the head, and the sizes of the other branches."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.modeling.heads import prediction_head
from official_yolact.modeling.heads import protonet
from official_yolact.modeling.heads import semantic_head


def test_anchors_run_over_level_row_column_and_cell():
    head = prediction_head.PredictionHead(configs.Head(num_filters=1, predict_quality=True), 2, 3, 5)
    pyramid = {
        level: tf.constant(np.zeros((1, *size, 1)), tf.float32)
        for level, size in (("10", (1, 1)), ("4", (2, 3)), ("3", (3, 2)))
    }
    head(pyramid)
    for conv in (head.conv, head.box_conv, head.class_conv, head.coefficient_conv, head.quality_conv):
        conv.kernel.assign(tf.zeros_like(conv.kernel))
    head.conv.kernel[1, 1, 0, 0].assign(1.0)
    for conv in (head.box_conv, head.class_conv, head.quality_conv):
        conv.kernel[1, 1, 0].assign(tf.ones(conv.filters))
        conv.bias.assign(tf.range(conv.filters, dtype=tf.float32) / 100)
    cells = iter(range(1, 14))
    filled = {}
    for level in ("3", "4", "10"):
        shape = pyramid[level].shape
        filled[level] = tf.constant([next(cells) for _ in range(shape.num_elements())], tf.float32, shape)
    outputs = head(filled)
    expected = np.repeat(np.arange(1, 14), 2)[:, np.newaxis]
    channels = np.arange(8).reshape(2, 4) / 100
    np.testing.assert_allclose(outputs["box_outputs"][0], expected + np.tile(channels, (13, 1)), atol=1e-5)
    channels = np.arange(6).reshape(2, 3) / 100
    np.testing.assert_allclose(outputs["cls_outputs"][0], expected + np.tile(channels, (13, 1)), atol=1e-5)
    assert outputs["mask_coefficients"].shape == [1, 26, 5]
    channels = np.tile([0, 0.01], 13)
    np.testing.assert_allclose(outputs["quality_outputs"][0], expected[:, 0] + channels, atol=1e-5)


def test_a_head_predicts_no_quality_unless_it_is_asked_to():
    outputs = prediction_head.PredictionHead(configs.Head(num_filters=1), 1, 2, 3)(
        {"3": tf.ones([1, 1, 1, 1])}
    )
    assert set(outputs) == {"box_outputs", "cls_outputs", "mask_coefficients"}


def test_coefficients_go_through_tanh():
    head = prediction_head.PredictionHead(configs.Head(num_filters=1), 1, 2, 3)
    pyramid = {"3": tf.ones([1, 1, 1, 1])}
    head(pyramid)
    head.coefficient_conv.bias.assign([0.5, -9.0, 9.0])
    head.coefficient_conv.kernel.assign(tf.zeros_like(head.coefficient_conv.kernel))
    np.testing.assert_allclose(head(pyramid)["mask_coefficients"][0, 0], np.tanh([0.5, -9, 9]), atol=1e-6)


def test_images_of_unknown_size_are_flattened_too():
    head = prediction_head.PredictionHead(configs.Head(num_filters=2), 3, 4, 5)
    run = tf.function(head, input_signature=[{"3": tf.TensorSpec([None, None, None, 2])}])
    assert run({"3": tf.ones([2, 3, 4, 2])})["cls_outputs"].shape == [2, 36, 4]


def test_prototypes_are_twice_as_large_and_not_negative():
    layer = protonet.Protonet(configs.Protonet(num_filters=4, num_prototypes=6))
    prototypes = layer(tf.constant(np.random.default_rng(0).standard_normal((2, 5, 7, 3)), tf.float32))
    assert prototypes.shape == [2, 10, 14, 6]
    assert (prototypes.numpy() >= 0).all()
    assert (prototypes.numpy() > 0).any()


def test_the_semantic_branch_has_no_background():
    assert semantic_head.SemanticHead(81)(tf.ones([1, 3, 2, 4])).shape == [1, 3, 2, 80]


def test_prototypes_show_the_detail_of_the_backbone_cell_by_cell():
    branch = protonet.Protonet(configs.Protonet(num_filters=2, num_prototypes=2, detail=True))
    detail = np.random.default_rng(0).standard_normal((1, 6, 8, 2)).astype(np.float32)
    branch(tf.zeros([1, 3, 4, 5]), tf.constant(detail))
    for conv in (*branch.convs, branch.lateral, branch.project):
        conv.kernel.assign(tf.zeros_like(conv.kernel))
    for conv in (branch.convs[-1], branch.lateral, branch.project):
        middle = conv.kernel.shape[0] // 2
        conv.kernel[middle, middle].assign(tf.eye(2))
    np.testing.assert_allclose(branch(tf.ones([1, 3, 4, 5]), detail), np.maximum(detail, 0), atol=1e-6)


def test_a_detail_of_weight_0_changes_nothing():
    with_detail, without = (
        protonet.Protonet(configs.Protonet(num_filters=4, num_prototypes=3, detail=detail))
        for detail in (True, False)
    )
    lowest = tf.constant(np.random.default_rng(0).standard_normal((1, 5, 3, 6)), tf.float32)
    detail = tf.ones([1, 9, 6, 2])  # of 17 and 11 pixels: one row less than twice those of the level above
    expected = without(lowest)
    with_detail(lowest, detail)
    for mine, its in zip(
        (*with_detail.convs, with_detail.project), (*without.convs, without.project), strict=True
    ):
        mine.set_weights(its.get_weights())
    with_detail.lateral.set_weights([np.zeros((1, 1, 2, 4)), np.zeros(4)])
    np.testing.assert_array_equal(with_detail(lowest, detail), expected)
