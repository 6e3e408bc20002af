import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage

from official_yolact_runtime import polygons


def draw(found, size):
    if not found:
        return np.zeros(size, bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(found, *map(int, size)))).astype(bool)


def test_an_outline_runs_along_the_edges_of_pixels():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    assert polygons.trace(mask) == [[2, 1, 5, 1, 5, 3, 2, 3]]
    assert polygons.trace(mask, top=10, left=20) == [[22, 11, 25, 11, 25, 13, 22, 13]]
    assert polygons.trace(np.zeros((4, 4), bool)) == []
    assert polygons.trace(np.zeros((0, 0), bool)) == []


def test_any_mask_is_drawn_again_as_it_was_but_for_its_holes():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mask = rng.random(rng.integers(1, 24, 2)) < rng.random()
        found = polygons.trace(mask)
        assert len(found) == ndimage.label(mask)[1]
        # A hole that has a way out between two pixels that touch by a corner is none.
        expected = ndimage.binary_fill_holes(mask, np.ones((3, 3)))
        assert (draw(found, mask.shape) == expected).all()


@pytest.mark.parametrize(("radius", "most_points"), [(3, 20), (20, 30), (150, 80)])
def test_a_simplified_outline_has_few_points_and_nearly_the_same_pixels(radius, most_points):
    y, x = np.mgrid[: 2 * radius + 4, : 2 * radius + 4] - radius - 1
    mask = x**2 + y**2 <= radius**2
    (found,) = polygons.trace(mask, tolerance=1.0)
    assert 3 <= len(found) // 2 <= most_points
    drawn = draw([found], mask.shape)
    assert (drawn & mask).sum() / (drawn | mask).sum() > 0.93


def test_a_part_of_one_pixel_keeps_its_area():
    assert polygons.trace(np.ones((1, 1), bool), tolerance=1.0) == [[0, 0, 1, 0, 1, 1, 0, 1]]
