"""Tiles of a photo, searched by a detector that finds exactly what a tile shows of each object."""

import dataclasses
import re
import types

import numpy as np
import pytest

from official_yolact_runtime import detections
from official_yolact_runtime import tiling


class PerfectDetector:
    """Finds each object that is painted in a colour of its own; the colour's first value is the class."""

    def __init__(self, input_size=(64, 64)):
        self.runtime = types.SimpleNamespace(input_size=input_size)
        self.tiles = []

    def read(self, source):
        return source

    def stream(self, sources, score_threshold, max_detections):
        for image in sources:
            self.tiles.append(image.shape[:2])
            yield self.find(image)

    def find(self, image):
        colors = [color for color in np.unique(image.reshape(-1, 3), axis=0) if color.any()]
        masks = np.array([(image == color).all(axis=2) for color in colors]).reshape(-1, *image.shape[:2])
        classes = np.array([color[0] for color in colors], np.int32)
        return detections.Detections(
            image=image,
            boxes=np.array([find_box(mask) for mask in masks], np.float32).reshape(-1, 4),
            scores=np.full(len(colors), 0.9, np.float32),
            mask_scores=np.full(len(colors), 0.9, np.float32),
            classes=classes,
            category_ids=classes.astype(np.int64),
            names=[f"class {number}" for number in classes],
            masks=masks,
        )


def find_box(mask):
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def paint(rng, height, width, largest):
    """Paint discs, rectangles and hooks of any size up to a side, each apart from the others."""
    image = np.zeros((height, width, 3), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    for number in range(1, 40):
        sides = rng.integers(3, largest, 2)
        top, left = rng.integers(-sides // 3, [height, width])
        inside = (rows >= top) & (rows < top + sides[0]) & (columns >= left) & (columns < left + sides[1])
        kind = rng.integers(3)
        if kind == 0:
            y, x = (rows - top + 0.5) / sides[0] - 0.5, (columns - left + 0.5) / sides[1] - 0.5
            inside &= y**2 + x**2 <= 0.25
        elif kind == 1:
            inside &= (rows < top + 3) | (columns < left + 3)
        if inside.any() and not image[inside].any():
            image[inside] = rng.integers(1, 4), number, 7
    return image


def list_all(found):
    """List classes, masks and boxes in an order of their own."""
    boxes = found.boxes.tolist()
    return sorted(zip(found.classes.tolist(), boxes, [mask.tobytes() for mask in found.masks], strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_a_perfect_detector_finds_in_tiles_what_it_finds_in_the_photo(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(60, 240, 2)
    image = paint(rng, height, width, int(rng.integers(10, 200)))
    detector = PerfectDetector(tuple(rng.integers(50, 80, 2)))
    tile, overlap = int(rng.integers(32, 110)), float(rng.uniform(0.1, 0.8))
    found = tiling.predict_tiled(detector, image, tile, overlap)
    assert list_all(found) == list_all(detector.find(image))


def test_tiles_are_of_one_size_and_share_at_least_the_overlap():
    boxes = np.array([tile.box for tile in tiling.divide((100, 470), (128, 128), 0.3)])
    assert (boxes[:, :2] >= 0).all()
    assert boxes[:, 2].tolist() == [100] * len(boxes)
    assert boxes[-1, 3] == 470
    assert (boxes[:, 3] - boxes[:, 1] == 128).all()
    assert (boxes[:-1, 3] - boxes[1:, 1] >= 0.3 * 128).all()
    assert [tile.inner.any() for tile in tiling.divide((128, 128), (128, 128), 0.3)] == [False]


def test_tiles_have_the_aspect_of_the_network():
    detector = PerfectDetector((48, 64))
    tiling.predict_tiled(detector, np.zeros((200, 200, 3), np.uint8), 80)
    assert set(detector.tiles) == {(60, 80)}


def test_a_photo_that_fits_into_a_tile_is_searched_as_it_is():
    image, detector = paint(np.random.default_rng(0), 60, 80, 30), PerfectDetector()
    found = tiling.predict_tiled(detector, image, 80)
    assert detector.tiles == [(60, 80)]
    assert list_all(found) == list_all(detector.find(image))


def test_what_one_tile_shows_twice_is_one_object_where_the_masks_agree():
    class Stuttering(PerfectDetector):
        """Finds each object a second time, less surely, as the mask moved down by some rows."""

        def __init__(self, moved):
            super().__init__()
            self.moved = moved

        def find(self, image):
            found = super().find(image)
            masks = (
                np.roll(found.masks, self.moved, axis=1)
                & ~(np.arange(found.masks.shape[1]) < self.moved)[:, None]
            )
            again = dataclasses.replace(
                found, masks=masks, scores=found.scores - 0.2, mask_scores=found.mask_scores - 0.2
            )
            again = again.select(masks.any(axis=(1, 2)))
            again = dataclasses.replace(
                again, boxes=np.array([find_box(mask) for mask in again.masks], np.float32).reshape(-1, 4)
            )
            return detections.Detections.concatenate([found, again])

    image = np.zeros((150, 150, 3), np.uint8)
    image[70:90, 70:84], image[20:32, 100:112] = (1, 1, 1), (2, 2, 2)
    once = list_all(PerfectDetector().find(image))
    # Of 20 and 12 rows, moved by 3: the masks' IoU is 0.74 and 0.6; by 11: 0.29 and 0.04.
    assert list_all(tiling.predict_tiled(Stuttering(3), image, 80)) == once
    assert list_all(tiling.predict_tiled(Stuttering(11), image, 80)) == list_all(Stuttering(11).find(image))


@pytest.mark.parametrize("seed", range(6))
def test_no_object_is_lost_where_boxes_are_not_exact(seed):
    rng = np.random.default_rng(seed)

    class Unsteady(PerfectDetector):
        """Finds boxes whose sides are up to 1.5 pixels off, otherwise in each tile."""

        def find(self, image):
            found = super().find(image)
            moved = found.boxes + rng.uniform(-1.5, 1.5, found.boxes.shape)
            sides = [*image.shape[:2], *image.shape[:2]]
            return dataclasses.replace(found, boxes=np.clip(moved, 0, sides).astype(np.float32))

    for _ in range(6):
        image = np.zeros((160, 160, 3), np.uint8)
        # About as large as the 40 pixels that tiles share: an edge may touch them without cutting them.
        for number, (top, left) in enumerate(((5, 8), (60, 12), (10, 90), (80, 75))):
            first = np.array([top, left]) + rng.integers(0, 20, 2)
            last = first + rng.integers(34, 46, 2)
            image[first[0] : last[0], first[1] : last[1]] = (1 + number % 2, number + 1, 7)
        found = tiling.predict_tiled(Unsteady((80, 80)), image, 80, 0.5)
        for color in np.unique(image.reshape(-1, 3), axis=0)[1:]:
            mask = (image == color).all(axis=2)
            overlaps = [
                (mask & other).sum() / (mask | other).sum()
                for other, number in zip(found.masks, found.classes, strict=True)
                if number == color[0]
            ]
            assert max(overlaps, default=0.0) > 0.9


def test_the_whole_photo_is_searched_for_what_is_larger_than_the_overlap():
    class Farsighted(PerfectDetector):
        """Finds nothing that an edge of its picture cuts."""

        def find(self, image):
            found = super().find(image)
            cut = (found.boxes[:, :2] <= 0).any(1) | (found.boxes[:, 2:] >= image.shape[:2]).any(1)
            return found.select(~cut)

    image = np.zeros((200, 200, 3), np.uint8)
    image[20:180, 20:60], image[100:120, 100:120] = (1, 1, 1), (2, 2, 2)
    assert tiling.predict_tiled(Farsighted(), image, 80).classes.tolist() == [2]
    found = tiling.predict_tiled(Farsighted(), image, 80, whole_photo=True)
    assert list_all(found) == list_all(Farsighted().find(image))


def test_a_cut_piece_of_another_class_is_left_out_where_a_neighbor_shows_it_whole():
    class Shortsighted(PerfectDetector):
        """Takes what is less than 30 pixels wide for another class, and is less sure of what is whole."""

        def find(self, image):
            found = super().find(image)
            narrow = found.boxes[:, 3] - found.boxes[:, 1] < 30
            scores = np.where(narrow, 0.95, 0.6).astype(np.float32)
            classes = np.where(narrow, 3, found.classes).astype(np.int32)
            return dataclasses.replace(found, classes=classes, mask_scores=scores)

    image = np.zeros((60, 200, 3), np.uint8)
    image[10:50, 70:110] = (1, 1, 1)
    found = tiling.predict_tiled(Shortsighted(), image, 100, 0.2)
    assert (found.classes.tolist(), found.boxes.tolist()) == ([1], [[10, 70, 50, 110]])


def test_an_object_has_the_class_of_its_best_piece_and_both_where_one_tile_shows_both():
    class Undecided(PerfectDetector):
        """Takes objects in the left half of its picture for class 3, less surely, and what is red for two classes."""

        def find(self, image):
            found = super().find(image)
            left = found.boxes[:, 3] < image.shape[1] / 2
            scores = np.where(left, 0.5, 0.9).astype(np.float32)
            classes = np.where(left, 3, found.classes).astype(np.int32)
            found = dataclasses.replace(found, classes=classes, mask_scores=scores)
            red = found.select(np.array([image[mask][0, 2] == 255 for mask in found.masks], np.bool_))
            second = dataclasses.replace(red, classes=red.classes + 10, mask_scores=red.mask_scores - 0.1)
            return detections.Detections.concatenate([found, second])

    # Tiles begin at 0, 50 and 100: both objects are in the right half of the first and the left half of the second.
    image = np.zeros((60, 200, 3), np.uint8)
    image[10:20, 70:90], image[40:50, 70:90] = (1, 1, 1), (2, 2, 255)
    found = tiling.predict_tiled(Undecided(), image, 100, 0.5)
    assert sorted(found.classes.tolist()) == [1, 2, 12]


def test_a_cut_piece_is_left_out_where_the_next_tile_shows_nothing_of_its_class():
    class Lefthanded(PerfectDetector):
        """Finds only what the right edge of its picture cuts."""

        def find(self, image):
            found = super().find(image)
            return found.select(found.boxes[:, 3] >= image.shape[1])

    image = np.zeros((60, 160, 3), np.uint8)
    image[10:50, 20:120] = (1, 1, 1)
    assert len(tiling.predict_tiled(Lefthanded(), image, 100, 0.3)) == 0
    assert len(tiling.predict_tiled(PerfectDetector(), image, 100, 0.3)) == 1


def test_two_of_one_class_side_by_side_are_not_joined():
    image = np.zeros((40, 300, 3), np.uint8)
    image[5:20, 10:290], image[20:35, 10:290] = (1, 1, 1), (1, 2, 2)
    detector = PerfectDetector()
    found = tiling.predict_tiled(detector, image, 100)
    assert list_all(found) == list_all(detector.find(image))
    assert len(found) == 2


def test_the_best_are_kept():
    image, detector = paint(np.random.default_rng(1), 200, 200, 30), PerfectDetector()
    assert len(tiling.predict_tiled(detector, image, 60)) > 5
    assert len(tiling.predict_tiled(detector, image, 60, max_detections=5)) == 5


def test_a_photo_without_objects_has_no_detections():
    found = tiling.predict_tiled(PerfectDetector(), np.zeros((100, 150, 3), np.uint8), 60)
    assert (len(found), found.masks.shape, found.boxes.shape) == (0, (0, 100, 150), (0, 4))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"tile": 31}, ValueError, "tile is 31: expected the side of a tile in pixels, 32 or more"),
        ({"tile": 64.0}, TypeError, "tile is 64.0"),
        (
            {"tile": 64, "overlap": 0.9},
            ValueError,
            "overlap is 0.9: expected a part of the tile's side, 0.1 to 0.8",
        ),
        ({"tile": 64, "overlap": float("nan")}, ValueError, "overlap is nan"),
        ({"tile": 64, "overlap": "0.3"}, TypeError, "overlap is '0.3'"),
        ({"tile": 64, "max_detections": 0}, ValueError, "max_detections is 0"),
    ],
)
def test_arguments_are_checked(options, error, says):
    with pytest.raises(error, match=re.escape(says)):
        tiling.predict_tiled(PerfectDetector(), np.zeros((100, 150, 3), np.uint8), **options)
