import mask_runs
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from official_yolact.coco import segmentations
from official_yolact_runtime import photo_masks
from official_yolact_runtime import run_lengths

WHERE = "results.json: [3]"


def random_masks(seed, count, height, width):
    rng = np.random.default_rng(seed)
    return rng.random((count, height, width)) < rng.random((count, 1, 1))


def test_masks_survive_encoding_and_checking():
    masks = random_masks(0, 20, 37, 53)
    masks[0], masks[1] = False, True
    for mask, rle in zip(masks, run_lengths.encode_masks(masks), strict=True):
        checked = segmentations.to_rle(rle, 37, 53, WHERE)[0]
        assert checked == rle
        np.testing.assert_array_equal(run_lengths.decode_mask(checked), mask)


def test_no_masks_give_no_encodings():
    assert run_lengths.encode_masks(np.zeros((0, 4, 5), bool)) == []


@pytest.mark.parametrize("number", [0, 1, 2, 7])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_any_parts_of_an_image_are_encoded_as_pycocotools_encodes_the_image(monkeypatch, share, number):
    monkeypatch.setattr(run_lengths, "_PIXELS_AT_ONCE", 40)  # some of the masks together, not all
    rng = np.random.default_rng(round(10 * share))
    for _ in range(200):
        height, width = rng.integers(1, 9, 2)
        windows, wholes = [], np.zeros((number, height, width), np.uint8)
        for whole in wholes:
            top, left = rng.integers(0, [height, width])
            part = rng.random((rng.integers(0, height - top + 1), rng.integers(0, width - left + 1))) < share
            whole[top : top + part.shape[0], left : left + part.shape[1]] = part
            windows.append(photo_masks.Window(top, left, part))
        expected = [coco_mask.encode(np.asfortranarray(whole))["counts"].decode() for whole in wholes]
        found = run_lengths.encode_windows(windows, height, width)
        assert found == run_lengths.encode_masks(wholes)
        assert found == [{"size": [height, width], "counts": counts} for counts in expected]


def test_uncompressed_and_compressed_forms_agree():
    for mask in random_masks(1, 10, 11, 7):
        compressed = run_lengths.encode_masks(mask[np.newaxis])[0]
        plain = {"size": [11, 7], "counts": mask_runs.runs_of(mask)}
        assert segmentations.to_rle(plain, 11, 7, WHERE)[0] == compressed
        assert segmentations.to_rle(compressed, 11, 7, WHERE)[0] == compressed


def test_runs_of_length_zero_are_joined():
    # 4 off, 0 on, 3 off, 5 on, 0 off, 2 on, 0 off, 0 on, 6 off: pycocotools stops at two zeros.
    rle = segmentations.to_rle({"size": [4, 5], "counts": [4, 0, 3, 5, 0, 2, 0, 0, 6]}, 4, 5, WHERE)[0]
    expected = np.zeros(20, bool)
    expected[7:14] = True
    np.testing.assert_array_equal(run_lengths.decode_mask(rle).T.ravel(), expected)
    assert coco_mask.area(rle) == 7
    assert coco_mask.iou([rle], [rle], [0])[0, 0] == 1.0


def test_polygons_are_drawn_as_pycocotools_draws_them():
    polygons = [[1.5, 1.5, 8.0, 2.0, 6.0, 9.0], [10, 10, 14, 10, 14, 14, 10, 14]]
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 20, 30)))
    np.testing.assert_array_equal(
        run_lengths.decode_mask(segmentations.to_rle(polygons, 20, 30, WHERE)[0]), expected
    )


def test_parts_of_two_points_are_left_out_and_counted():
    whole = [[1, 1, 4, 1, 4, 4, 1, 4]]
    found = segmentations.to_rle([*whole, [], [1, 2, 3, 4]], 5, 7, WHERE)
    assert found == (segmentations.to_rle(whole, 5, 7, WHERE)[0], 2)
    empty, dropped = segmentations.to_rle([[1, 2, 3, 4]], 5, 7, WHERE)
    assert dropped == 1
    assert not run_lengths.decode_mask(empty).any()


def test_numbers_of_run_lengths_may_be_written_as_floats():
    assert segmentations.to_rle({"size": [5.0, 7], "counts": [10.0, 25]}, 5, 7, WHERE) == (
        segmentations.to_rle({"size": [5, 7], "counts": [10, 25]}, 5, 7, WHERE)
    )


ZIGZAG = [value for at in range(20_000) for value in (-8000 + 18_000 * (at % 2), at % 2000)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param(*case, id=str(at))
        for at, case in enumerate(
            [
                (None, "segmentation is None"),
                ([], "segmentation is"),
                ([[1, 2, 3, 4, 5, 6, 7]], "polygon"),
                ([[1, 2, 3, 4, 5, 6], [1, 2, 3, float("nan"), 5, 6]], "number 3 is nan"),
                ([[1, 2, 3, 4, 5, 5e7]], "number 5 is 50000000.0, far outside"),
                ([[1, 2, 3, 4, 5, "six"]], "number 5 is 'six'"),
                (
                    [[value % 7 * 5 - 10 + at % 2 for at, value in enumerate(ZIGZAG)]],
                    "outline of 20000 points",
                ),
                ({"counts": [34]}, r"size is None"),
                ({"size": [7, 5], "counts": [35]}, r"size is \[7, 5\], but the image has \[5, 7\]"),
                ({"size": [100000, 100000], "counts": "0"}, "size"),
                ({"size": [5, 7]}, "counts is None"),
                ({"size": [5, 7], "counts": []}, r"counts \[\] sum to 0"),
                ({"size": [5, 7], "counts": [10, 20]}, r"sum to 30, but the image has 5x7 = 35 pixels"),
                ({"size": [5, 7], "counts": [40]}, "counts .40. sum to 40"),
                ({"size": [5, 7], "counts": [-1, 36]}, "counts"),
                ({"size": [5, 7], "counts": [35.5]}, "counts is 35.5"),
                ({"size": [5, 7], "counts": ""}, "counts is ''"),
                ({"size": [5, 7], "counts": "zzzz"}, "counts is 'zzzz'"),
                ({"size": [5, 7], "counts": "P"}, "counts is 'P'"),
                ({"size": [5, 7], "counts": "ooooooo0"}, "counts is 'ooooooo0'"),
                ({"size": [5, 7], "counts": "\x00"}, "counts is"),
                ({"size": [5, 7], "counts": "é"}, "counts is"),
                ({"size": [5, 7], "counts": "O"}, "counts 'O' sum to"),
            ]
        )
    ],
)
def test_what_would_harm_pycocotools_is_refused(given, says):
    with pytest.raises(ValueError, match=says) as caught:
        segmentations.to_rle(given, 5, 7, WHERE)
    assert str(caught.value).startswith(WHERE)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-5, -5), (2**20, 2**20)])
def test_images_without_a_possible_size_are_refused(height, width):
    with pytest.raises(ValueError, match="image of height"):
        segmentations.to_rle([[0, 0, 1, 0, 1, 1]], height, width, WHERE)
