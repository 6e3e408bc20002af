"""Networks built from configs: sizes, counts, families, seeds and frozen batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official.vision.modeling.backbones import factory as backbone_factory
from official_yolact.configs import yolact as configs
from official_yolact.modeling import factory
from official_yolact.modeling import initial_weights
from official_yolact.ops import grids


def _image(config, batch=1):
    values = np.random.default_rng(0).standard_normal((batch, *config.input_size, 3))
    return tf.constant(values, tf.float32)


def _num_anchors(config):
    levels = range(config.min_level, config.max_level + 1)
    sizes = [grids.level_size(config.input_size, level) for level in levels]
    return sum(height * width for height, width in sizes) * config.anchor.num_per_cell


def _assert_outputs(config, outputs):
    anchors = _num_anchors(config)
    prototypes = config.protonet.num_prototypes
    expected = {
        "box_outputs": (anchors, 4),
        "cls_outputs": (anchors, config.num_classes),
        "mask_coefficients": (anchors, prototypes),
        "prototypes": (*grids.prototype_size(config.input_size, config.min_level), prototypes),
        "semantic_outputs": (*grids.level_size(config.input_size, config.min_level), config.num_classes - 1),
    }
    assert {name: tuple(value.shape[1:]) for name, value in outputs.items()} == expected
    for value in outputs.values():
        assert value.dtype == tf.float32
        assert np.isfinite(value.numpy()).all()
    assert (outputs["prototypes"].numpy() >= 0).all()
    assert (np.abs(outputs["mask_coefficients"].numpy()) <= 1).all()


@pytest.mark.parametrize(("depth", "parameters"), [(50, 31_164_943), (101, 50_157_071)])
def test_the_coco_networks_have_as_many_parameters_as_the_original(depth, parameters):
    config = configs.YolactModel()
    config.backbone.yolact_resnet.depth = depth
    model = factory.build_model(config)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == parameters
    backbone = sum(int(np.prod(variable.shape)) for variable in model.backbone.trainable_variables)
    assert backbone == {50: 23_508_032, 101: 42_500_160}[depth]


def test_published_and_oblong_sizes_give_their_numbers_of_anchors(small_config):
    run = tf.function(factory.build_model(small_config("yolact_resnet", (550, 550))))
    for size, anchors, prototypes in [
        ((550, 550), 19_248, (138, 138)),
        ((700, 700), 30_963, (176, 176)),
        ((400, 400), 10_077, (100, 100)),
        ((550, 96), 3 * (69 * 12 + 35 * 6 + 18 * 3 + 9 * 2 + 5 * 1), (138, 24)),
    ]:
        outputs = run.get_concrete_function(tf.TensorSpec([2, *size, 3])).structured_outputs
        assert outputs["box_outputs"].shape == [2, anchors, 4]
        assert outputs["prototypes"].shape == [2, *prototypes, 5]
        assert outputs["semantic_outputs"].shape == [2, prototypes[0] // 2, prototypes[1] // 2, 3]


@pytest.mark.parametrize("backbone", ["mobilenet", "yolact_resnet", "yolact_darknet"])
def test_the_detail_of_each_backbone_reaches_the_prototypes(backbone, small_config):
    config = small_config(backbone)
    config.protonet.detail = True
    model = factory.build_model(config)
    with tf.GradientTape() as tape:
        outputs = model(_image(config), training=False)
        total = tf.reduce_sum(outputs["prototypes"])
    _assert_outputs(config, outputs)
    assert np.any(tape.gradient(total, model.protonet.lateral.kernel))
    model.protonet.lateral.kernel.assign(tf.ones_like(model.protonet.lateral.kernel))
    assert np.any(model(_image(config), training=False)["prototypes"] != outputs["prototypes"])


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_prototypes_begin_as_if_there_were_no_detail(scale, small_config):
    config = small_config("mobilenet")
    config.protonet.detail = True
    protonet = factory.build_model(config).protonet
    features = tf.random.stateless_normal([1, 8, 8, protonet.convs[0].kernel.shape[2]], [1, 2])
    detail = scale * tf.random.stateless_normal([1, 16, 16, protonet.lateral.kernel.shape[2]], [3, 4])
    found = protonet(features, detail)
    assert np.any(found)
    np.testing.assert_array_equal(found, protonet(features, tf.zeros_like(detail)))


def test_a_backbone_without_the_level_of_the_detail_is_named(small_config):
    config = small_config("spinenet_mobile", (128, 128))
    config.decoder.type = "identity"
    config.protonet.detail = True
    with pytest.raises(ValueError, match=r"model\.protonet\.detail needs level 2.*'spinenet_mobile'"):
        factory.build_model(config)


def test_spinenet_gives_the_pyramid_itself(small_config):
    config = small_config("spinenet_mobile", (128, 256))
    config.decoder.type = "identity"
    model = factory.build_model(config)
    assert model.decoder is None
    assert "decoder" not in model.checkpoint_items
    _assert_outputs(config, model(_image(config), training=False))


def test_a_size_that_spinenet_cannot_take_is_named(small_config):
    config = small_config("spinenet_mobile", (100, 128))
    config.decoder.type = "identity"
    with pytest.raises(ValueError, match=r"spinenet_mobile.*\[100, 128\].*multiples of 128"):
        factory.build_model(config)


def test_identity_decoder_without_all_levels_is_refused(small_config):
    config = small_config("resnet", model_id=18)
    config.decoder.type = "identity"
    with pytest.raises(ValueError, match=r"no level \[6, 7\]"):
        factory.build_model(config)


def test_mobilenets_with_attention_draw_their_weights_from_the_seed_and_take_squares_only(small_config):
    config = small_config("mobilenet", (70, 70), model_id="MobileNetV4HybridMedium")
    first, second = factory.build_model(config, 7), factory.build_model(config, 7)
    for variable, same in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), same.numpy(), err_msg=variable.name)
    _assert_outputs(config, first(_image(config), training=False))
    config.input_size = [70, 45]
    with pytest.raises(ValueError, match=r"MobileNetV4HybridMedium.*\[70, 45\].*square"):
        factory.build_model(config)


def test_unknown_depth_is_refused(small_config):
    with pytest.raises(ValueError, match=r"depth is 34: choose one of \[50, 101\]"):
        factory.build_model(small_config("yolact_resnet", depth=34))


@pytest.mark.parametrize(("min_level", "max_level"), [(3, 5), (4, 6), (2, 4)])
def test_other_pyramids_give_their_levels(small_config, min_level, max_level):
    config = small_config("resnet", model_id=18)
    config.min_level, config.max_level = min_level, max_level
    model = factory.build_model(config)
    _assert_outputs(config, model(_image(config), training=False))


def test_a_pyramid_below_the_backbone_is_refused(small_config):
    config = small_config("resnet", model_id=18)
    config.min_level = 1
    with pytest.raises(ValueError, match=r"levels 1 to 7, but the backbone gives \[2, 3, 4, 5\]"):
        factory.build_model(config)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        ("yolact_resnet", {"depth": 50}),
        ("mobilenet", {"model_id": "MobileNetV2"}),
    ],
)
def test_initial_weights_are_a_function_of_the_seed(small_config, backbone, options):
    config = small_config(backbone, (70, 45), **options)
    first, second = factory.build_model(config, 7), factory.build_model(config, 7)
    for variable, same in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), same.numpy(), err_msg=variable.name)
    initial_weights.seed_weights(second, 8)
    for variable, other in zip(first.trainable_variables, second.trainable_variables, strict=True):
        drawn = np.ptp(variable.numpy()) > 0
        assert (variable.numpy() != other.numpy()).any() == drawn, variable.name


def test_freezing_batch_norms_leaves_the_initial_weights_alone(small_config):
    config = small_config()
    model = factory.build_model(config, 1)
    config.freeze_bn = True
    frozen = factory.build_model(config, 1)
    layers = zip(initial_weights.flatten_layers(model), initial_weights.flatten_layers(frozen), strict=True)
    compared = 0
    for layer, twin in layers:
        for name in ("kernel", "depthwise_kernel"):
            if getattr(layer, name, None) is not None:
                np.testing.assert_array_equal(getattr(layer, name).numpy(), getattr(twin, name).numpy())
                compared += 1
    assert compared > 60


def test_kernels_have_the_spread_of_their_initialisers(small_config):
    model = factory.build_model(small_config("yolact_resnet"))
    stem = model.backbone.conv1.kernel.numpy()
    np.testing.assert_allclose(stem.std(), np.sqrt(2 / (7 * 7 * 64)), rtol=0.05)
    smooth = model.decoder.smooth["3"].kernel.numpy()
    limit = np.sqrt(6 / (3 * 3 * (16 + 16)))
    np.testing.assert_allclose(np.abs(smooth).max(), limit, rtol=0.01)
    assert (model.backbone.stages[0][0].bn3.gamma.numpy() == 0).all()
    assert (model.backbone.stages[0][0].bn2.gamma.numpy() == 1).all()
    assert not any(conv.bias.numpy().any() for conv in model.protonet.convs)


@pytest.mark.parametrize(("backbone", "synchronized"), [("yolact_resnet", True), ("mobilenet", False)])
def test_frozen_batch_norms_neither_train_nor_move(small_config, backbone, synchronized):
    config = small_config(backbone)
    config.freeze_bn = True
    config.norm_activation.use_sync_bn = synchronized
    model = factory.build_model(config)
    assert not [variable.name for variable in model.trainable_variables if "gamma" in variable.name]
    before = [variable.numpy() for variable in model.non_trainable_variables]
    assert before
    images = _image(config, batch=2)
    training, inference = model(images, training=True), model(images, training=False)
    for name in training:
        np.testing.assert_allclose(training[name], inference[name], atol=1e-5)
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_training_moves_the_statistics_of_batch_norms_that_are_not_frozen(small_config):
    config = small_config("yolact_resnet")
    model = factory.build_model(config)
    before = model.backbone.bn1.moving_mean.numpy()
    model(_image(config, batch=2), training=True)
    assert (model.backbone.bn1.moving_mean.numpy() != before).any()


@pytest.mark.parametrize("backbone", ["mobilenet", "efficientnet"])
def test_a_checkpoint_of_a_whole_model_garden_backbone_restores(tmp_path, small_config, backbone):
    config = small_config(backbone)
    whole = backbone_factory.build_backbone(
        tf_keras.layers.InputSpec(shape=[None, *config.input_size, 3]),
        config.backbone,
        config.norm_activation,
    )
    path = tf.train.Checkpoint(backbone=whole).write(str(tmp_path / "ckpt"))
    model = factory.build_model(config)
    tf.train.Checkpoint(backbone=model.backbone).read(path).expect_partial().assert_existing_objects_matched()
    expected, found = whole(_image(config)), model.backbone(_image(config))
    for level in ("3", "4", "5"):
        np.testing.assert_allclose(found[level], expected[level], atol=1e-5)


def test_checkpoint_items_name_the_parts_that_exist(small_config):
    items = factory.build_model(small_config("resnet", model_id=18)).checkpoint_items
    assert sorted(items) == ["backbone", "decoder", "head", "protonet", "semantic_head"]


def test_the_branch_of_mask_rescoring_is_built_with_the_model_and_changes_no_other_weight(small_config):
    config = small_config("yolact_resnet", (65, 97))
    plain = factory.build_model(config, seed=3)
    config.mask_rescoring = True
    model, twin = factory.build_model(config, seed=3), factory.build_model(config, seed=3)
    assert plain.mask_iou_head is None
    assert model.checkpoint_items["mask_iou_head"] is model.mask_iou_head
    count = len(plain.trainable_variables)
    assert len(model.trainable_variables) == count + 12
    for one, other in zip(plain.trainable_variables, model.trainable_variables[:count], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(model.mask_iou_head.variables, twin.mask_iou_head.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    image = _image(config)
    assert set(model(image)) == set(plain(image))
    assert model.mask_iou_head(tf.ones([2, 18, 26])).shape == [2, 3]


@pytest.mark.parametrize("kind", ["yolact_resnet", "mobilenet", "resnet"])
def test_frozen_levels_keep_just_what_their_endpoint_depends_on(small_config, kind):
    counts = []
    for level in (0, 2, 5):
        config = small_config(kind, (64, 64))
        config.freeze_backbone_level = level
        model = factory.build_model(config)
        counts.append(len(model.backbone.trainable_variables))
        with tf.GradientTape() as tape:
            outputs = model(_image(config), training=True)
            total = tf.add_n([tf.reduce_sum(outputs[name]) for name in ("box_outputs", "cls_outputs")])
        gradients = tape.gradient(total, model.backbone.trainable_variables)
        assert all(gradient is not None for gradient in gradients)
    assert counts[0] > counts[1] > counts[2] == 0


def test_a_level_that_the_backbone_has_not_cannot_be_frozen(small_config):
    config = small_config("spinenet_mobile", (128, 128))
    config.decoder.type = "identity"
    config.freeze_backbone_level = 2
    with pytest.raises(ValueError, match=r"freeze_backbone_level is 2, but the backbone has the levels"):
        factory.build_model(config)


def test_predictions_begin_small_whatever_the_scale_of_the_features(small_config):
    config = small_config("yolact_resnet", (64, 64))
    config.class_prior, config.head.predict_quality = 0.01, True
    plain = factory.build_model(config, seed=3)
    config.initial_output_std = 0.01
    model = factory.build_model(config, seed=3)
    names = ("box_conv", "class_conv", "coefficient_conv", "quality_conv")
    for ours, theirs in (
        *((getattr(model.head, name), getattr(plain.head, name)) for name in names),
        (model.semantic_head.conv, plain.semantic_head.conv),
    ):
        np.testing.assert_allclose(np.std(ours.kernel, dtype=np.float64), 0.01, rtol=1e-5)
        # The same draw, scaled; biases are those of the prior.
        direction = ours.kernel.numpy() / np.linalg.norm(ours.kernel)
        np.testing.assert_allclose(direction, theirs.kernel / np.linalg.norm(theirs.kernel), atol=1e-6)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
    for ours, theirs in (
        (model.head.conv, plain.head.conv),
        (model.protonet.project, plain.protonet.project),
    ):
        np.testing.assert_array_equal(ours.kernel, theirs.kernel)
    # Features of 5, as those of MobileNetV2 with ImageNet's weights: a prior of 0.01 still holds.
    features = {
        str(level): 5 * np.random.default_rng(level).normal(size=[1, 8, 8, model.head.conv.kernel.shape[2]])
        for level in (3, 4)
    }
    features = {level: np.maximum(0, each).astype(np.float32) for level, each in features.items()}
    logits = [each.head(features)["cls_outputs"].numpy() for each in (plain, model)]
    background = [tf.nn.softmax(each).numpy()[..., 0] for each in logits]
    assert background[1].min() > 0.5
    assert background[0].min() < 0.01


def test_a_class_prior_starts_anchors_and_semantic_pixels_at_that_probability(small_config):
    config = small_config("yolact_resnet", (64, 64))
    config.class_prior = 0.02
    model = factory.build_model(config)
    for layer in (model.head.class_conv, model.semantic_head.conv):
        layer.kernel.assign(tf.zeros_like(layer.kernel))
    outputs = model(_image(config), training=False)
    probabilities = tf.nn.softmax(outputs["cls_outputs"]).numpy()
    np.testing.assert_allclose(1.0 - probabilities[..., 0], 0.02, rtol=1e-4)
    np.testing.assert_allclose(probabilities[..., 1:], 0.02 / (config.num_classes - 1), rtol=1e-3)
    np.testing.assert_allclose(tf.sigmoid(outputs["semantic_outputs"]), 0.02, rtol=1e-4)
