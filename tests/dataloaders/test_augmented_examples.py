"""10,000 whole examples of the paper's preset: what was done is read off the pixels.

The image is a ramp: red counts its columns, green its rows, and blue is full, which the fill colour is
not. From a few output pixels follow the window that is shown and whether it is mirrored, without a look
at the labels; boxes, masks and classes then have to be those of that window.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input
from official_yolact.ops import augment
from official_yolact.ops import windows

COUNT = 10_000
ALPHA = 1e-4
HEIGHT, WIDTH = 60, 80
SIDE, GRID = 64, 16
PLAIN = configs.Normalization(mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])

Builder = Callable[..., bytes]
BOXES = np.array([(0, 30, 60, 50), (6, 8, 30, 36), (20, 40, 50, 76)], np.float64)
CLASSES = [2, 3, 1]
CROWDS = [1, 0, 0]
ORDER = (1, 2, 0)
"""Of the rows in the labels: crowds come last."""


def _ramp() -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([3 * columns, 4 * rows, np.full_like(rows, 255)], axis=-1).astype(np.uint8)


def _examples(
    build: Builder, image: np.ndarray, names: Collection[str], count: int = COUNT, **augment: Any
) -> dict[str, np.ndarray]:
    """Parse one record at many positions: the image, its pixels 0..255, and the named labels."""
    model = configs.YolactModel(num_classes=4, input_size=[SIDE, SIDE], normalization=PLAIN)
    config = configs.Parser(max_num_instances=5, augment=configs.Augment(preset="paper", **augment))
    parser = yolact_input.Parser(config, model, True, seed=23)
    png = tf.io.encode_png(image).numpy()
    boxes = BOXES.astype(int).tolist()
    record = build(1, boxes, CLASSES, CROWDS, (HEIGHT, WIDTH), image__encoded=[png])

    def parse(position: Any) -> dict[str, Any]:
        pixels, labels = parser.parse(tf.constant(record), position)
        return {"image": pixels, **{name: labels[name] for name in names}}

    dataset = tf.data.Dataset.range(count).map(parse, num_parallel_calls=2).batch(1000)
    parts = list(dataset.as_numpy_iterator())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@functools.cache
def _geometry(build: Builder) -> dict[str, np.ndarray]:
    """Examples without change of colour, their windows and whether they are mirrored."""
    names = ("boxes", "classes", "is_crowd", "num_instances", "masks")
    examples = _examples(build, _ramp(), names, photometric=0.0)
    windows, mirrored = zip(*map(_read_window, examples["image"]), strict=True)
    return {**examples, "windows": np.array(windows), "mirrored": np.array(mirrored)}


def _read_window(image: np.ndarray) -> tuple[list[int], bool]:
    """Find (top, left, bottom, right) and the mirroring from the ramp's values and steps."""
    full = image[..., 2] > 254.9
    top, bottom = _read_axis(image[..., 1] / 4, full)
    left, right = _read_axis(np.swapaxes(image[..., 0], 0, 1) / 3, full.T)
    mirrored = left > right
    return [round(top), round(min(left, right)), round(bottom), round(max(left, right))], mirrored


def _read_axis(values: np.ndarray, full: np.ndarray) -> tuple[float, float]:
    """Give the coordinates of the first and the last edge of the output along axis 0."""
    line = int(full.sum(axis=0).argmax())
    places = np.flatnonzero(full[:, line])
    seen = values[places, line].astype(np.float64)
    # At the image's border the ramp is level: the middle of the steps is that of the ramp.
    step = np.median(np.diff(seen))
    steep = np.flatnonzero(np.abs(np.diff(seen) - step) < 0.02 * abs(step))
    at = steep[len(steep) // 2]
    first = seen[at] + 0.5 - (places[at] + 0.5) * step
    return first, first + SIDE * step


def _simulate(rng: np.random.Generator) -> list[int]:
    """Draw a window as the original does: canvas, then crop."""
    height, width, y, x = HEIGHT, WIDTH, 0, 0
    if rng.random() < 0.5:
        ratio = rng.uniform(1, 4)
        x, y = int(rng.uniform(0, WIDTH * ratio - WIDTH)), int(rng.uniform(0, HEIGHT * ratio - HEIGHT))
        height, width = int(HEIGHT * ratio), int(WIDTH * ratio)
    centres = [
        ((box[0] + box[2]) / 2 + y, (box[1] + box[3]) / 2 + x)
        for box, crowd in zip(BOXES, CROWDS, strict=True)
        if not crowd
    ]
    while rng.integers(6):
        for _ in range(50):
            w, h = rng.uniform(0.3 * width, width), rng.uniform(0.3 * height, height)
            if not 0.5 <= h / w <= 2:
                continue
            left, top = 1 + (width - w - 1) * rng.random(), 1 + (height - h - 1) * rng.random()
            edges = [int(top), int(left), int(top + h), int(left + w)]
            if any(edges[0] < cy < edges[2] and edges[1] < cx < edges[3] for cy, cx in centres):
                return [edges[0] - y, edges[1] - x, edges[2] - y, edges[3] - x]
    return [-y, -x, height - y, width - x]


def _expected_boxes(build: Builder) -> tuple[np.ndarray, np.ndarray]:
    """Give what labels have to say: boxes [count, 3, 4] yxyx_norm and which of them are shown."""
    windows, mirrored = _geometry(build)["windows"].astype(np.float64), _geometry(build)["mirrored"]
    centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
    shown = (centres > windows[:, np.newaxis, :2]) & (centres < windows[:, np.newaxis, 2:])
    corner, extent = windows[:, :2], windows[:, 2:] - windows[:, :2]
    boxes = (BOXES - np.tile(corner, 2)[:, np.newaxis]) / np.tile(extent, 2)[:, np.newaxis]
    boxes = boxes.clip(0, 1)
    boxes[mirrored] = np.stack(
        [boxes[mirrored, :, 0], 1 - boxes[mirrored, :, 3], boxes[mirrored, :, 2], 1 - boxes[mirrored, :, 1]],
        axis=-1,
    )
    return boxes, shown.all(axis=-1)


def test_windows_of_whole_examples_are_those_of_the_specification(record: Builder) -> None:
    rng = np.random.default_rng(3)
    simulated = np.array([_simulate(rng) for _ in range(COUNT)])
    windows = _geometry(record)["windows"]
    for edge in range(4):
        assert stats.ks_2samp(windows[:, edge], simulated[:, edge], method="asymp").pvalue > ALPHA
    sides, simulated_sides = (w[:, 2:] - w[:, :2] for w in (windows, simulated))
    for measure in (np.prod, lambda side, axis: side[:, 0] / side[:, 1]):
        ours, theirs = measure(sides, axis=1), measure(simulated_sides, axis=1)
        assert stats.ks_2samp(ours, theirs, method="asymp").pvalue > ALPHA


def test_labels_keep_exactly_the_objects_whose_centre_is_seen(record: Builder) -> None:
    _, shown = _expected_boxes(record)
    examples = _geometry(record)
    np.testing.assert_array_equal(examples["num_instances"], shown.sum(axis=1))
    for row in range(COUNT):
        kept = [index for index in ORDER if shown[row, index]]
        count = len(kept)
        assert examples["classes"][row, :count].tolist() == [CLASSES[index] for index in kept]
        assert examples["is_crowd"][row, :count].tolist() == [bool(CROWDS[index]) for index in kept]
    assert not examples["classes"][np.arange(5) >= examples["num_instances"][:, np.newaxis]].any()
    assert shown[:, 1:].any(axis=1).all()
    assert set(shown.sum(axis=1)) == {1, 2, 3}


def test_boxes_are_those_of_the_window_that_the_pixels_show(record: Builder) -> None:
    boxes, shown = _expected_boxes(record)
    for row in range(COUNT):
        kept = [index for index in ORDER if shown[row, index]]
        np.testing.assert_allclose(
            _geometry(record)["boxes"][row, : len(kept)], boxes[row, kept], atol=1e-5, err_msg=str(row)
        )


def test_masks_fill_their_boxes_within_a_cell(record: Builder) -> None:
    boxes, masks, counts = (_geometry(record)[name] for name in ("boxes", "masks", "num_instances"))
    real = np.arange(5) < counts[:, np.newaxis]
    assert not masks[~real].any()
    rows, columns = masks.any(axis=3), masks.any(axis=2)
    edges = np.stack([f(used) for f in (_first, _last) for used in (rows, columns)], axis=-1)
    seen = real & rows.any(axis=2)
    assert np.abs(edges - boxes * GRID)[seen].max() <= 1.0
    # A mask without a cell belongs to a box that reaches no cell's middle, or only just.
    sides = ((boxes[..., 2:] - boxes[..., :2]) * GRID).min(axis=-1)
    assert sides[real & ~seen].max(initial=0.0) < 1.5
    assert seen.sum() > 0.98 * real.sum()


def _first(used: np.ndarray) -> np.ndarray:
    return np.asarray(used.argmax(axis=-1))


def _last(used: np.ndarray) -> np.ndarray:
    return np.asarray(used.shape[-1] - used[..., ::-1].argmax(axis=-1))


def _seen_grey(examples: dict[str, np.ndarray]) -> np.ndarray:
    """Give the one value that a grey image has everywhere."""
    images = examples["image"].reshape(len(examples["image"]), -1)
    assert np.ptp(images, axis=1).max() < 1e-3
    return np.asarray(images[:, 0])


def test_mirroring_colours_and_windows_are_independent(record: Builder) -> None:
    mirrored, windows = (_geometry(record)[name] for name in ("mirrored", "windows"))
    assert stats.binomtest(int(mirrored.sum()), COUNT, 0.5).pvalue > ALPHA
    count = COUNT // 4
    grey = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    colours = _seen_grey(_examples(record, grey, (), count, expand=0.0, sample_crop=False))
    # A quarter has neither another brightness nor another contrast.
    untouched = np.abs(colours - 120.0) < 1e-3
    assert stats.binomtest(int(untouched.sum()), count, 0.25).pvalue > ALPHA
    sizes = np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    geometry = [sizes, *windows.T]
    for values in (mirrored, colours, *geometry):
        assert stats.spearmanr(values[:-1], values[1:]).pvalue > ALPHA
    for values in geometry:
        assert stats.spearmanr(mirrored, values).pvalue > ALPHA
        assert stats.spearmanr(colours, values[:count]).pvalue > ALPHA
    assert stats.spearmanr(mirrored[:count], colours).pvalue > ALPHA


@pytest.mark.parametrize(
    ("preset", "mean", "std"),
    [
        ("paper", [123.68, 116.78, 103.94], [58.4, 57.12, 57.38]),
        ("paper", [0.0] * 3, [255.0] * 3),
        ("default", [127.5] * 3, [127.5] * 3),
    ],
    ids=["resnet", "darknet", "mobilenet"],
)
def test_the_fill_is_imagenet_s_mean_whatever_the_backbone_subtracts(
    preset: str, mean: list[float], std: list[float], record: Builder
) -> None:
    normalization = configs.Normalization(mean=mean, std=std)
    model = configs.YolactModel(num_classes=4, input_size=[SIDE, SIDE], normalization=normalization)
    config = configs.Parser(augment=configs.Augment(preset=preset, expand=1.0, sample_crop=False))
    parser = yolact_input.Parser(config, model, True, seed=1)
    serialized = record(1, [(10, 10, 50, 60)], size=(HEIGHT, WIDTH))
    parse = tf.function(lambda position: parser.parse(serialized, position)[0], autograph=False)
    filled = 0
    for position in range(20):
        pixels = parse(tf.constant(position, tf.int64)).numpy() * std + mean
        filled += (np.abs(pixels - [123.68, 116.78, 103.94]).max(axis=-1) < 0.01).mean()
    # The image takes 1/r² of its canvas, r uniform between 1 and 4: a quarter on average.
    assert 0.6 < filled / 20 < 0.9


def test_windows_by_scale_take_the_place_of_canvas_and_crop(record: Builder) -> None:
    fields = {"photometric": 0.0, "min_scale": 0.5, "max_scale": 2.0, "expand": 1.0}
    examples = _examples(record, _ramp(), ("boxes", "num_instances"), 500, **fields)
    windows_seen, mirrored = zip(*map(_read_window, examples["image"]), strict=True)
    shown = np.array(windows_seen)
    sides = shown[:, 2:] - shown[:, :2]
    assert (sides >= [HEIGHT // 2, WIDTH // 2]).all()
    assert (sides <= [2 * HEIGHT, 2 * WIDTH]).all()
    np.testing.assert_array_less(np.abs(sides[:, 0] - sides[:, 1] * HEIGHT / WIDTH), 1.0)
    scales = np.log2(WIDTH / sides[:, 1])
    assert 0.4 < (scales < 0).mean() < 0.6
    assert (examples["num_instances"] > 0).all()
    assert 0.4 < np.mean(mirrored) < 0.6


def _fit_axis(original: np.ndarray, recorded: np.ndarray) -> tuple[int, int, bool]:
    """Find the first and the last edge, in whole pixels, of the window that takes edges to edges."""
    seen = (recorded > 1e-6) & (recorded < 1 - 1e-6)
    # Mirrored, the far edge becomes the near one.
    fits = [np.polyfit(edges[seen], recorded[seen], 1, full=True) for edges in (original, original[:, ::-1])]
    mirrored = bool(fits[1][1] < fits[0][1])
    slope, offset = fits[mirrored][0]
    assert (slope < 0) == mirrored
    ends = np.sort([-offset / slope, (1 - offset) / slope])
    np.testing.assert_allclose(ends, ends.round(), atol=0.01)
    return int(ends[0].round()), int(ends[1].round()), mirrored


@pytest.mark.shared
@pytest.mark.parametrize(("draw", "rows"), [(0, [0, 1, 2, 3, 5]), (1, [1, 2, 5]), (2, [0, 2, 4, 6])])
def test_the_original_s_draws_are_windows_in_whole_pixels_that_keep_what_ours_keep(
    shared: pathlib.Path, draw: int, rows: list[int]
) -> None:
    fixture = np.load(shared / "fixtures" / "transforms.npz")
    height, width = fixture["img_bgr"].shape[:2]
    original, recorded = fixture["boxes_label"], fixture[f"s{draw}_boxes"]
    boxes_px = (original[:, [1, 0, 3, 2]] * [height, width, height, width]).astype(np.float32)
    assert original[rows, 4].tolist() == fixture[f"s{draw}_labels"].tolist()
    top, bottom, upside_down = _fit_axis(boxes_px[rows][:, [0, 2]], recorded[:, [1, 3]])
    left, right, mirrored = _fit_axis(boxes_px[rows][:, [1, 3]], recorded[:, [0, 2]])
    assert not upside_down
    window = tf.constant([top, left, bottom, right])
    kept = augment.centers_inside(tf.constant(boxes_px), window).numpy()
    assert np.flatnonzero(kept).tolist() == rows
    ours = windows.transform_boxes(
        tf.constant(boxes_px[rows]), window, tf.constant(mirrored), tf.constant(False)
    )
    np.testing.assert_allclose(ours.numpy()[:, [1, 0, 3, 2]], recorded, atol=1e-5)


@pytest.mark.shared
def test_the_original_fills_with_the_mean_and_does_not_clip_colours(shared: pathlib.Path) -> None:
    fixture = np.load(shared / "fixtures" / "transforms.npz")
    # The first draw is a canvas: its fill is zero after the mean is subtracted.
    filled = (np.abs(fixture["s0_img_rgb_chw_f16"].astype(np.float32)) < 1e-3).all(axis=0)
    assert filled.mean() > 0.7
    std, mean = np.array([58.4, 57.12, 57.38]), np.array(yolact_input.FILL_COLOR)
    for draw in range(4):
        pixels = np.moveaxis(fixture[f"s{draw}_img_rgb_chw_f16"].astype(np.float64), 0, -1) * std + mean
        assert pixels.max() > 265.0 or pixels.min() < -10.0
        labels = fixture[f"s{draw}_labels"]
        crowds = int(fixture[f"s{draw}_num_crowds"])
        assert np.flatnonzero(labels < 0).tolist() == list(range(len(labels) - crowds, len(labels)))
