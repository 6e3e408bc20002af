"""Photos that keep their proportions: in training, in evaluation and in prediction alike."""

import io

import fake_network
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import shown_sizes
from official_yolact.dataloaders import yolact_input
from official_yolact.modeling import detector


def make_parser(model, training=True, **augment):
    config = configs.Parser(max_num_instances=5, augment=configs.Augment(**augment))
    return yolact_input.Parser(config, model, training, seed=3)


@pytest.fixture
def kept(model):
    """The model's section, with the switch on."""
    model.keep_aspect = True
    return model


def to_numpy(example):
    return tf.nest.map_structure(np.asarray, example)


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_evaluation_shows_the_network_what_a_prediction_shows_it(record, kept):
    kept.input_size = [96, 64]  # a photo of 48 x 64 has a border above and below
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    image, labels = to_numpy(
        make_parser(kept, training=False).parse(record(image__encoded=[encode(pixels)]), 0)
    )
    wrapped = detector.Detector(None, kept)
    np.testing.assert_array_equal(image, wrapped.preprocess(pixels))
    np.testing.assert_array_equal(labels["image_info"], wrapped.fit(pixels.shape[:2]))
    # The colour of the canvas is the mean that is subtracted.
    np.testing.assert_allclose(image[[0, 23, 72, 95]], 0, atol=1e-5)
    assert np.abs(image[24:72]).mean() > 0.3


def test_labels_lie_where_the_photo_lies_on_its_canvas(record, kept):
    kept.input_size = [96, 64]
    _, labels = to_numpy(make_parser(kept, training=False).parse(record(9, [(12, 16, 36, 48)], [3]), 5))
    np.testing.assert_allclose(labels["boxes"][0], [36 / 96, 16 / 64, 60 / 96, 48 / 64], atol=1e-6)
    expected = np.zeros((24, 16), bool)
    expected[9:15, 4:12] = True
    np.testing.assert_array_equal(labels["masks"][0], expected)
    assert np.argwhere(labels["semantic_masks"][..., 2]).min(0).tolist() == [5, 2]


@pytest.mark.parametrize(
    "augment",
    [
        {"preset": "paper"},
        {"preset": "default", "min_scale": 0.5, "max_scale": 1.5, "flip": 0.5, "transpose": 0.5},
    ],
    ids=["paper", "scales"],
)
def test_no_augmentation_distorts_an_object(record, kept, augment):
    kept.input_size = [64, 160]
    parse = tf.function(make_parser(kept, **augment).parse, autograph=False)
    serialized = record(1, [(14, 20, 34, 40)], [2])
    seen = 0
    for position in range(40):
        _, labels = to_numpy(parse(serialized, tf.constant(position, tf.int64)))
        (top, left, bottom, right) = labels["boxes"][0]
        if min(top, left) > 0 and max(bottom, right) < 1 and labels["num_instances"]:
            height, width = (bottom - top) * 64, (right - left) * 160
            assert height == pytest.approx(width, rel=0.05)  # a window has whole pixels
            mask = labels["masks"][0]
            rows, columns = mask.any(1).sum() * 4, mask.any(0).sum() * 4
            assert abs(rows - height) <= 6
            assert abs(columns - width) <= 6
            seen += 1
    assert seen >= 5


def test_boxes_and_sizes_come_back_to_the_pixels_of_the_photo():
    config = fake_network.tiny_config()
    config.keep_aspect = True
    wrapped = detector.Detector(fake_network.FakeNetwork(), config)
    images = np.full((1, 48, 96, 3), 230, np.uint8)
    found = wrapped.detect_pixels(images)
    # Anchor 27 of 64 pixels is (20, 20, 36, 36); a pixel of the input is 1.5 of the photo, whose border is 24.
    np.testing.assert_allclose(found["detection_boxes"][0, 0], [6, 30, 30, 54], atol=1e-4)
    of_file = wrapped.detect_files(tf.constant([encode(images[0])]))
    np.testing.assert_array_equal(of_file["detection_boxes"], found["detection_boxes"])
    boxes, _ = wrapped.decode_pixels(images)
    np.testing.assert_allclose(boxes[0, 27], [6, 30, 30, 54], atol=1e-4)


def test_sizes_of_objects_are_measured_on_the_canvas():
    photos = [((48, 96), np.array([[10.0, 10, 20, 20]]))]
    shown = [
        shown_sizes.measure(photos, configs.Augment(preset="none"), (64, 64), keep_aspect=keep)
        for keep in (True, False)
    ]
    # A pixel of the photo is 2/3 of one of the input on the canvas, else 4/3 down and 2/3 across.
    assert [one.before for one in shown] == [6.7, 9.4]
    assert [one.after for one in shown] == [6.7, 9.4]
    assert [one.shrunk for one in shown] == [1.0, 0.0]
