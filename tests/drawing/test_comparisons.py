import numpy as np

from official_yolact.drawing import comparisons
from official_yolact.drawing import sheets
from official_yolact_runtime import drawing

GRAY = np.full((32, 64, 3), 128, np.uint8)


def instances(count, scores=None):
    masks = np.zeros((count, 8, 8), np.float32)
    masks[:, :4, :4] = 0.9
    boxes = np.tile([0.0, 0.0, 0.5, 0.5], (count, 1))
    return comparisons.Instances(boxes, np.ones(count, int), masks, scores)


def test_a_panel_holds_a_title_and_the_image_in_the_wanted_size():
    panel = comparisons.draw_panel(GRAY, (100, 150), instances(0), ["fig"], "nothing")
    assert panel.shape == (124, 150, 3)
    assert (panel[24:] == 128).all()
    assert (panel[:24] < 100).any()


def test_boxes_and_masks_follow_the_size_of_the_panel_whatever_their_own():
    panel = comparisons.draw_panel(GRAY, (200, 400), instances(1, np.array([0.5])), ["fig"], "one")[24:]
    color = np.array(drawing.choose_colors([1])[0])
    np.testing.assert_allclose(panel[60, 120], 128 * 0.58 + color * 0.42, atol=1)
    assert (panel[110:] == 128).all()
    assert (panel[:, 210:] == 128).all()


def test_panels_stand_side_by_side_unchanged():
    left, right = np.zeros((10, 20, 3), np.uint8), np.full((10, 30, 3), 9, np.uint8)
    joined = comparisons.join([left, right])
    assert joined.shape == (10, 58, 3)
    np.testing.assert_array_equal(joined[:, :20], left)
    np.testing.assert_array_equal(joined[:, 28:], right)
    assert (joined[:, 20:28] == 255).all()


def test_shrinking_keeps_proportions_and_small_pictures():
    assert sheets.shrink(np.zeros((100, 400, 3), np.uint8), 200).shape == (50, 200, 3)
    assert sheets.shrink(np.zeros((1, 4000, 3), np.uint8), 200).shape == (1, 200, 3)
    assert sheets.shrink(GRAY, 64) is GRAY
