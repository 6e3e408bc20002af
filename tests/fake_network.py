"""A network that finds what it is told to, and the section of a configuration that fits it."""

import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.ops import anchors

SIZE = 64


def tiny_config():
    return configs.YolactModel(
        num_classes=3,
        input_size=[SIZE, SIZE],
        max_level=4,
        anchor=configs.Anchor(scales=[16.0, 32.0], aspect_ratios=[1.0], square=False),
        protonet=configs.Protonet(num_prototypes=4),
    )


def tiny_anchors():
    return anchors.build_anchors(
        (SIZE, SIZE), 3, 4, scales=[16.0, 32.0], scales_per_octave=1, aspect_ratios=[1.0], square=False
    )


class FakeNetwork:
    """Sees class `1 + (mean > 0)` at anchor 27 with score 0.98, and class 1 at anchor 0 weakly (0.2)."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, training=None):
        assert training is False
        batch, count = tf.shape(images)[0], len(tiny_anchors())
        self.calls.append(images.shape)
        bright = tf.reduce_mean(images, [1, 2, 3]) > 0
        strong = tf.where(bright[:, tf.newaxis], [[0.0, -9.0, 4.0]], [[0.0, 4.0, -9.0]])
        weak = tf.tile([[0.0, -1.386294, -20.0]], [batch, 1])
        background = tf.tile([[[9.0, -9.0, -9.0]]], [batch, count, 1])
        logits = tf.concat(
            [weak[:, tf.newaxis], background[:, 1:27], strong[:, tf.newaxis], background[:, 28:]], 1
        )
        return {
            "box_outputs": tf.zeros([batch, count, 4]),
            "cls_outputs": logits,
            "mask_coefficients": tf.ones([batch, count, 4]),
            "prototypes": tf.ones([batch, 16, 16, 4]),
            "semantic_outputs": tf.zeros([batch, 8, 8, 2]),
        }
