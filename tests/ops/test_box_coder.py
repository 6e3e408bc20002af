"""Box codes: laws, extremes, the recorded original."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import box_coder


def some_anchors(count):
    rng = np.random.default_rng(3)
    return np.concatenate([rng.random((count, 2)), rng.uniform(0.05, 1, (count, 2))], 1).astype(np.float32)


@pytest.mark.parametrize("jit", [False, True])
def test_decoding_undoes_encoding(jit):
    anchors = some_anchors(40)
    corners = np.sort(np.random.default_rng(4).random((3, 40, 2, 2)), axis=-2)
    box = corners.reshape(3, 40, 4).astype(np.float32)

    @tf.function(jit_compile=jit)
    def there_and_back(boxes):
        return box_coder.decode(box_coder.encode(boxes, anchors), anchors)

    np.testing.assert_allclose(there_and_back(box), box, atol=2e-6)


def test_the_anchor_itself_has_code_zero_and_a_shift_is_worked_by_hand():
    anchor = np.float32([[0.5, 0.5, 0.2, 0.4]])
    np.testing.assert_allclose(box_coder.encode([[0.4, 0.3, 0.6, 0.7]], anchor), np.zeros((1, 4)), atol=1e-5)
    codes = box_coder.encode([[0.5, 0.3, 0.7, 1.1]], anchor)
    np.testing.assert_allclose(codes, [[5.0, 5.0, 0.0, np.log(2) / 0.2]], atol=1e-5)


def test_boxes_without_area_have_finite_codes_and_wild_codes_finite_boxes():
    anchors = some_anchors(5)
    assert np.isfinite(box_coder.encode(tf.zeros([5, 4]), anchors)).all()
    assert np.isfinite(box_coder.decode(tf.fill([5, 4], 1e4), anchors)).all()


@pytest.mark.shared
def test_codes_equal_the_recorded_ones(shared):
    recorded = np.load(shared / "fixtures" / "boxes.npz")
    order = [1, 0, 3, 2]
    anchors = recorded["dec_priors"][:, order]
    decoded = box_coder.decode(recorded["dec_loc"][:, order], anchors).numpy()
    np.testing.assert_allclose(decoded, recorded["decoded"][:, order], atol=3e-7)
    encoded = box_coder.encode(recorded["decoded"][:, order], anchors).numpy()
    np.testing.assert_allclose(encoded, recorded["encoded_back"][:, order], atol=1e-6)
