"""Anchors: counts and values worked by hand, and five recorded configurations."""

import numpy as np
import pytest

from official_yolact.ops import anchors

BASE = [24, 48, 96, 192, 384]
RECORDED = {
    "yolact_resnet50": (550, BASE, 1, True),
    "yolact_im400": (400, [17, 34, 69, 139, 279], 1, True),
    "yolact_im700": (700, [30, 61, 122, 244, 488], 1, True),
    "yolact_plus_resnet50": (550, BASE, 3, False),
    "yolact_resnet50_pascal": (550, [32, 64, 128, 256, 512], 1, False),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", list(RECORDED))
def test_anchors_equal_the_recorded_ones(shared, name):
    size, scales, per_octave, square = RECORDED[name]
    ours = anchors.build_anchors((size, size), 3, 7, scales, per_octave, [1, 0.5, 2], square)
    recorded = np.load(shared / "fixtures" / "boxes.npz")[f"priors_{name}"][:, [1, 0, 3, 2]]
    np.testing.assert_array_equal(ours, recorded)


def test_550_pixels_have_19248_anchors():
    ours = anchors.build_anchors((550, 550), 3, 7, BASE, 1, [1, 0.5, 2], True)
    assert ours.shape == (19248, 4)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours[:3, 2] * 550, [24, 24 / 2**0.5, 24 * 2**0.5], rtol=1e-6)
    np.testing.assert_array_equal(ours[:, 2], ours[:, 3])


def test_order_is_level_row_column_scale_ratio():
    ours = anchors.build_anchors((32, 64), 3, 4, [8, 16], 2, [1.0, 4.0], False)
    assert len(ours) == (4 * 8 + 2 * 4) * 4
    np.testing.assert_allclose(ours[0], [0.5 / 4, 0.5 / 8, 8 / 32, 8 / 64])
    np.testing.assert_allclose(ours[1, 2:], [4 / 32, 16 / 64])
    np.testing.assert_allclose(ours[2, 2:], [8 * 2**0.5 / 32, 8 * 2**0.5 / 64], rtol=1e-6)
    np.testing.assert_allclose(ours[4, :2], [0.5 / 4, 1.5 / 8])
    np.testing.assert_allclose(ours[4 * 8, :2], [1.5 / 4, 0.5 / 8])
    np.testing.assert_allclose(ours[4 * 8 * 4], [0.25, 0.125, 16 / 32, 16 / 64])


def test_scales_must_be_as_many_as_levels():
    with pytest.raises(ValueError, match=r"anchor.scales has 2 values.*need 5"):
        anchors.build_anchors((64, 64), 3, 7, [1, 2], 1, [1], True)
