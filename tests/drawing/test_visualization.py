import numpy as np
import pytest
from PIL import ImageDraw

from official_yolact.drawing import sheets
from official_yolact_runtime import drawing


def photo(height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def instances(count, height=120, width=160):
    rng = np.random.default_rng(count)
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4) * [
        height,
        width,
        height,
        width,
    ]
    masks = np.zeros((count, height, width), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, corners.astype(int), strict=True):
        mask[y1 : y2 + 1, x1 : x2 + 1] = True
    return corners, masks


def test_no_instances_give_the_photo_back():
    image = photo()
    drawn = drawing.draw_instances(image, np.zeros((0, 4)), [], [], [], np.zeros((0, 120, 160), bool))
    np.testing.assert_array_equal(drawn, image)
    assert drawn is not image


def test_the_photo_itself_is_not_changed():
    image = photo()
    before = image.copy()
    boxes, masks = instances(3)
    drawing.draw_instances(image, boxes, [1, 2, 1], ["a", "b", "a"], [0.9, 0.8, 0.7], masks)
    np.testing.assert_array_equal(image, before)


def test_pixels_in_a_mask_take_its_colour_and_pixels_far_from_it_stay():
    image = np.full((200, 300, 3), 100, np.uint8)
    mask = np.zeros((1, 200, 300), bool)
    mask[0, 100:160, 50:120] = True
    drawn = drawing.draw_instances(image, [[100, 50, 160, 120]], [1], ["fig"], None, mask)
    color = np.array(drawing.choose_colors([1])[0])
    np.testing.assert_allclose(drawn[130, 80], 100 * 0.58 + color * 0.42, atol=1)
    np.testing.assert_array_equal(drawn[:, 200:], image[:, 200:])
    np.testing.assert_array_equal(drawn[175:], image[175:])


def test_boxes_and_names_alone_are_enough():
    drawn = drawing.draw_instances(photo(), [[10, 10, 100, 100]], [3], ["fig"])
    assert (drawn != photo()).any()


@pytest.mark.parametrize("count", [1, 8, 100])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (120, 160)])
def test_any_number_on_any_size_keeps_the_size(count, size):
    boxes, masks = instances(count, *size)
    names = ["a long name of a thing"] * count
    drawn = drawing.draw_instances(photo(*size), boxes, [1] * count, names, np.ones(count), masks)
    assert drawn.shape == (*size, 3)
    assert drawn.dtype == np.uint8


def test_boxes_past_the_border_and_empty_masks_are_drawn_without_complaint():
    boxes = [[-50, -50, 500, 500], [5, 5, 5, 5], [110, 150, 120, 160]]
    drawn = drawing.draw_instances(
        photo(), boxes, [1, 2, 3], ["a", "b", "c"], [1, 0.5, 0], np.zeros((3, 120, 160), bool)
    )
    assert drawn.shape == (120, 160, 3)


def test_zoom_enlarges_the_picture():
    boxes, masks = instances(2)
    assert drawing.draw_instances(photo(), boxes, [1, 2], ["a", "b"], None, masks, zoom=3).shape == (
        360,
        480,
        3,
    )


def test_labels_lie_inside_the_picture_and_clear_of_one_another():
    boxes = np.array(
        [[0, 0, 40, 60], [0, 100, 40, 160], [80, 0, 120, 60], [80, 100, 120, 160], [2, 2, 42, 62]]
    )
    taken = []
    for box in boxes:
        left, top = drawing._place_label(box, 50, 14, 160, 120, taken)
        assert 0 <= left <= 110
        assert 0 <= top <= 106
        assert not any(
            left < x1 and x0 < left + 50 and top < y1 and y0 < top + 14 for x0, y0, x1, y1 in taken
        )
        taken.append((left, top, left + 50, top + 14))


def labels_of(monkeypatch, boxes, names, size=(240, 320)):
    """The rectangles of the labels that are drawn, in their order."""
    drawn = []
    rectangle = ImageDraw.ImageDraw.rounded_rectangle

    def note(self, corners, *args, **kwargs):
        drawn.append(corners)
        rectangle(self, corners, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "rounded_rectangle", note)
    drawing.draw_instances(photo(*size), boxes, [1] * len(boxes), names)
    return drawn


@pytest.mark.parametrize("seed", range(3))
def test_of_many_labels_those_that_fit_are_drawn_and_none_covers_another(monkeypatch, seed):
    boxes, _ = instances(120 + seed, 240, 320)
    drawn = labels_of(monkeypatch, boxes, ["window"] * len(boxes))
    assert 10 < len(drawn) < 120
    for index, (left, top, right, bottom) in enumerate(drawn):
        assert 0 <= left <= right < 320
        assert 0 <= top <= bottom < 240
        assert not any(
            left <= x1 and x0 <= right and top <= y1 and y0 <= bottom for x0, y0, x1, y1 in drawn[:index]
        )


def test_the_largest_instance_has_its_label_whatever_else_is_there(monkeypatch):
    small = [[100, 100, 104, 104]] * 60
    drawn = labels_of(monkeypatch, [*small, [90, 90, 200, 250]], ["window"] * 60 + ["door"])
    alone = labels_of(monkeypatch, [[90, 90, 200, 250]], ["door"])
    assert len(drawn) < 30
    assert drawn[0][0] == alone[0][0]


def test_classes_differ_in_hue_and_instances_of_one_class_in_shade():
    colors = drawing.choose_colors([1, 2, 3, 4, 1, 1])
    distances = [
        np.abs(np.subtract(colors[a], colors[b], dtype=int)).max() for a in range(6) for b in range(a)
    ]
    assert min(distances) >= 12
    assert len(set(colors)) == 6


def test_a_colour_depends_on_the_class_not_on_its_neighbours():
    assert drawing.choose_colors([5, 2])[1] == drawing.choose_colors([2])[0]


@pytest.mark.parametrize(
    ("lightness", "chroma", "expected"),
    [(0.0, 0.0, (0, 0, 0)), (1.0, 0.0, (255, 255, 255)), (0.627955, 0.257683, (255, 0, 0))],
)
def test_colours_of_oklch_known_by_their_definition(lightness, chroma, expected):
    assert drawing._oklch_to_rgb(lightness, chroma, 29.2339) == pytest.approx(expected, abs=1)


def test_a_sheet_holds_every_picture_unchanged():
    pictures = [photo(10, 20), photo(30, 8), photo(12, 12)]
    sheet = sheets.tile(pictures, columns=2, gap=4)
    assert sheet.shape == (4 + 2 * (30 + 4), 4 + 2 * (20 + 4), 3)
    np.testing.assert_array_equal(sheet[14:24, 4:24], pictures[0])
    np.testing.assert_array_equal(sheet[4:34, 34:42], pictures[1])


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a sheet needs pictures"):
        sheets.tile([], 3)
