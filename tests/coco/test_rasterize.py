from __future__ import annotations

import mask_runs
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from official_yolact.coco import segmentations


def random_mask(seed: int, height: int = 23, width: int = 31) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.random((height // 4 + 1, width // 4 + 1)) > 0.5
    return np.asfortranarray(blocks.repeat(4, 0).repeat(4, 1)[:height, :width].astype(np.uint8))


@pytest.mark.parametrize("seed", range(8))
def test_both_forms_of_run_lengths_draw_the_mask_that_pycocotools_encoded(seed: int) -> None:
    mask = random_mask(seed)
    text = coco_mask.encode(mask)["counts"].decode()
    for counts in (text, mask_runs.runs_of(mask)):
        code, dropped = segmentations.clean_segmentation({"size": [23, 31], "counts": counts}, 23, 31, "x")
        assert dropped == 0
        np.testing.assert_array_equal(segmentations.rasterize(code, 23, 31), mask)


@pytest.mark.parametrize("value", [0, 1])
def test_run_lengths_of_an_even_mask_are_understood(value: int) -> None:
    mask = np.full((600, 500), value, np.uint8, order="F")
    text = coco_mask.encode(mask)["counts"].decode()
    np.testing.assert_array_equal(
        segmentations.rasterize({"size": [600, 500], "counts": text}, 600, 500), mask
    )


@pytest.mark.parametrize("seed", range(8))
def test_polygons_draw_as_pycocotools_draws_them_also_beyond_the_border(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygons = [list(rng.uniform(-20, 60, 2 * count)) for count in rng.integers(3, 9, 3)]
    clean, _ = segmentations.clean_segmentation(polygons, 40, 30, "x")
    oracle = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 40, 30)))
    np.testing.assert_array_equal(segmentations.rasterize(clean, 40, 30), oracle)


def test_a_hand_drawn_square_covers_its_pixels() -> None:
    mask = segmentations.rasterize([[1, 2, 4, 2, 4, 5, 1, 5]], 6, 7)
    assert mask.sum() == 9
    assert mask[2:5, 1:4].all()
    assert segmentations.tight_box(mask) == (1, 2, 3, 3)


def test_parts_of_fewer_than_three_points_are_dropped_and_a_flat_list_is_one_part() -> None:
    square = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0]
    assert segmentations.clean_segmentation([[1, 2, 3, 4], square, []], 9, 9, "x") == ([square], 2)
    assert segmentations.clean_segmentation(square, 9, 9, "x") == ([square], 0)
    assert not segmentations.rasterize([], 9, 9).any()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "segmentation is None.*draw the mask"),
        ([], "segmentation is"),
        ("text", "segmentation is"),
        ([[1, 2, 3, 4, 5]], "give x1, y1"),
        ([[1, 2, 3, float("nan"), 5, 6]], "number 3 is nan"),
        ([[1, 2, 3, float("inf"), 5, 6]], "number 3 is inf"),
        ([[1, 2, 3, 5e7, 5, 6]], "far outside"),
        ([[1, 2, 3, "four", 5, 6]], "finite numbers"),
        ([[1, 1, 9, 9, 1, 9] * 1000], "longer than the image has room"),
        ({"size": [9, 9], "counts": [10, 20]}, "sum to 30, but the image has 9x9 = 81"),
        ({"size": [9, 9], "counts": [90, -9]}, "sum to 81"),
        ({"size": [9, 9], "counts": ""}, "sum to 0|are empty"),
        ({"size": [9, 9], "counts": "zzzz"}, "does not occur"),
        ({"size": [9, 9], "counts": "Po"}, "end within a number"),
        ({"size": [9, 9], "counts": None}, "give a list or a string"),
        ({"size": [9, 10], "counts": [90]}, "size is .*9, 10"),
        ({"size": [100000, 100000], "counts": [10**10]}, "size is"),
        ({}, "size is None"),
    ],
)
def test_what_pycocotools_must_not_see_is_refused_by_name(segmentation: object, message: str) -> None:
    with pytest.raises(
        ValueError, match=f"^a.json: annotation 7: {message}|^a.json: annotation 7.*{message}"
    ):
        segmentations.clean_segmentation(segmentation, 9, 9, "a.json: annotation 7")
