import numpy as np
import pytest
from pycocotools import mask as coco_mask

from official_yolact.evaluation import segmentation

WHERE = "results.json: [3]"


def random_masks(seed, count, height, width):
    rng = np.random.default_rng(seed)
    return rng.random((count, height, width)) < rng.random((count, 1, 1))


def uncompressed(mask):
    """Run lengths down the columns, by a loop."""
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if pixel == value:
            runs[-1] += 1
        else:
            runs.append(1)
            value = pixel
    return runs


def test_masks_survive_encoding_and_checking():
    masks = random_masks(0, 20, 37, 53)
    masks[0], masks[1] = False, True
    for mask, rle in zip(masks, segmentation.encode_masks(masks), strict=True):
        checked = segmentation.to_rle(rle, 37, 53, WHERE)
        assert checked == rle
        np.testing.assert_array_equal(segmentation.decode_mask(checked), mask)


def test_no_masks_give_no_encodings():
    assert segmentation.encode_masks(np.zeros((0, 4, 5), bool)) == []


@pytest.mark.parametrize("as_bytes", [False, True])
def test_uncompressed_and_compressed_forms_agree(as_bytes):
    for mask in random_masks(1, 10, 11, 7):
        compressed = segmentation.encode_masks(mask[np.newaxis])[0]
        given = {**compressed, "counts": compressed["counts"].encode()} if as_bytes else compressed
        plain = {"size": [11, 7], "counts": uncompressed(mask)}
        assert segmentation.to_rle(plain, 11, 7, WHERE) == compressed
        assert segmentation.to_rle(given, 11, 7, WHERE) == compressed


def test_runs_of_length_zero_are_joined():
    # 4 off, 0 on, 3 off, 5 on, 0 off, 2 on, 0 off, 0 on, 6 off: pycocotools stops at two zeros.
    rle = segmentation.to_rle({"size": [4, 5], "counts": [4, 0, 3, 5, 0, 2, 0, 0, 6]}, 4, 5, WHERE)
    expected = np.zeros(20, bool)
    expected[7:14] = True
    np.testing.assert_array_equal(segmentation.decode_mask(rle).T.ravel(), expected)
    assert coco_mask.area(rle) == 7
    assert coco_mask.iou([rle], [rle], [0])[0, 0] == 1.0


def test_polygons_are_drawn_as_pycocotools_draws_them():
    polygons = [[1.5, 1.5, 8.0, 2.0, 6.0, 9.0], [10, 10, 14, 10, 14, 14, 10, 14]]
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 20, 30)))
    np.testing.assert_array_equal(
        segmentation.decode_mask(segmentation.to_rle(polygons, 20, 30, WHERE)), expected
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "segmentation is None"),
        ([], "segmentation is"),
        ([[]], r"segmentation\[0\]"),
        ([[1, 2, 3, 4]], "at least 3 points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "at least 3 points"),
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3, float("nan"), 5, 6]], r"segmentation\[1\] has the coordinate nan"),
        ([[1, 2, 3, 4, 5, 5e7]], "coordinate 50000000.0"),
        ([[1, 2, 3, 4, 5, "6"]], "coordinate '6'"),
        ({"counts": [35]}, r"size is None"),
        ({"size": [7, 5], "counts": [35]}, r"size is \[7, 5\]: the image is \[5, 7\]"),
        ({"size": [100000, 100000], "counts": "0"}, "size"),
        ({"size": [5, 7]}, "counts is None"),
        ({"size": [5, 7], "counts": []}, r"counts is \[\]"),
        ({"size": [5, 7], "counts": [10, 20]}, r"add up to 30: expected 5 \* 7 = 35"),
        ({"size": [5, 7], "counts": [40]}, "counts is"),
        ({"size": [5, 7], "counts": [-1, 36]}, "counts is"),
        ({"size": [5, 7], "counts": [35.0]}, "counts is"),
        ({"size": [5, 7], "counts": ""}, "not a compressed"),
        ({"size": [5, 7], "counts": b"0"}, "add up to 0"),
        ({"size": [5, 7], "counts": "zzzz"}, "not a compressed"),
        ({"size": [5, 7], "counts": "P"}, "not a compressed"),
        ({"size": [5, 7], "counts": "ooooooo0"}, "not a compressed"),
        ({"size": [5, 7], "counts": "\x00"}, "not a compressed"),
        ({"size": [5, 7], "counts": "é"}, "not a compressed"),
        ({"size": [5, 7], "counts": "O"}, "none negative"),
    ],
)
def test_what_would_harm_pycocotools_is_refused(given, says):
    with pytest.raises(ValueError, match=says) as caught:
        segmentation.to_rle(given, 5, 7, WHERE)
    assert str(caught.value).startswith(WHERE)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-5, -5), (2**20, 2**20)])
def test_images_without_a_possible_size_are_refused(height, width):
    with pytest.raises(ValueError, match="image of height"):
        segmentation.to_rle([[0, 0, 1, 0, 1, 1]], height, width, WHERE)


@pytest.mark.parametrize(
    "box", [None, [], [1, 2, 3], [1, 2, 3, "4"], [1, 2, float("inf"), 4], [1, 2, -3, 4], "abcd"]
)
def test_boxes_that_are_none_are_refused(box):
    with pytest.raises(ValueError, match=r"results.json: \[3\]: bbox is"):
        segmentation.check_box(box, WHERE)
