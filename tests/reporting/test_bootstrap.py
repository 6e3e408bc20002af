import numpy as np
import pytest

from official_yolact.reporting import ap_table
from official_yolact.reporting import bootstrap

THRESHOLDS = np.linspace(0.5, 0.95, 10)


def draw_set(generator, images, classes):
    """Draw objects that are found well or badly, images that are easy or hard, and false detections."""
    number = generator.integers(0, 6, images)
    image = np.repeat(np.arange(images), number)
    group = generator.integers(0, classes, len(image))
    hard = generator.normal(0, 0.5, images)
    quality = generator.normal(0.8, 1, len(image)) - hard[image]
    found = generator.random(len(image)) < 1 / (1 + np.exp(-quality - 1))
    overlap = 0.58 + 0.4 / (1 + np.exp(-quality - generator.normal(0, 0.5, len(image))))
    score = 1 / (1 + np.exp(-quality - generator.normal(0, 1, len(image))))
    false = np.repeat(np.arange(images), generator.poisson(2 * np.exp(hard)))
    hits = overlap[found] >= THRESHOLDS[:, np.newaxis]
    hits = np.concatenate([hits, np.zeros((10, len(false)), bool)], axis=1)
    return ap_table.Found(
        np.concatenate([group[found], generator.integers(0, classes, len(false))]),
        np.concatenate([image[found], false]),
        np.concatenate([score[found], 1 / (1 + np.exp(-generator.normal(-1, 1.2, len(false))))]),
        hits,
        np.ones_like(hits),
        group,
        image,
    )


def measure(found, weights, classes):
    return float(np.nanmean(ap_table.ApTable(found, classes).measure(weights)[0]))


@pytest.mark.parametrize(("images", "classes"), [(20, 2), (60, 5)])
def test_intervals_cover_the_truth_in_90_to_99_of_100_sets(images, classes):
    large = draw_set(np.random.default_rng(1), 20_000, classes)
    truth = measure(large, np.ones(20_000, int), classes)
    covered = 0
    for seed in range(100):
        found = draw_set(np.random.default_rng(100 + seed), images, classes)
        table = ap_table.ApTable(found, classes)
        resampled = [np.nanmean(table.measure(weights)[0]) for weights in bootstrap.draw(images, 150)]
        value = float(np.nanmean(table.measure(np.ones(images, int))[0]))
        interval = bootstrap.find_interval(value, np.array(resampled), images)
        covered += interval["low"] <= truth <= interval["high"]
    assert 90 <= covered <= 99


def test_an_image_that_is_drawn_twice_counts_as_two_images():
    found = draw_set(np.random.default_rng(3), 12, 3)
    weights = np.random.default_rng(4).integers(0, 3, 12)
    copies = [(image, copy) for image in range(12) for copy in range(weights[image])]
    columns = [[] for _ in range(7)]
    for index, (image, _) in enumerate(copies):
        at, objects = found.images == image, found.object_images == image
        rows = (found.groups[at], np.full(at.sum(), index), found.scores[at], found.hits[:, at].T)
        rows += (found.counts[:, at].T, found.object_groups[objects], np.full(objects.sum(), index))
        for column, values in zip(columns, rows, strict=True):
            column.append(values)
    whole = [np.concatenate(column) for column in columns]
    copied = ap_table.Found(*whole[:3], whole[3].T, whole[4].T, *whole[5:])
    ones = np.ones(len(copies), int)
    for ours, theirs in zip(
        ap_table.ApTable(found, 3).measure(weights), ap_table.ApTable(copied, 3).measure(ones), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(
    ("value", "resampled", "images", "expected"),
    [
        pytest.param(None, [0.5], 10, (None, None), id="nothing to measure"),
        pytest.param(0.5, [0.5, 0.5, 0.5], 10, (0.5, 0.5), id="always the same"),
        pytest.param(0.5, [0.5, 0.5], 1, (None, None), id="one image"),
        pytest.param(1.0, [1.0, np.nan, 0.2], 10, (0.0, 1.0), id="within its bounds"),
    ],
)
def test_an_interval_holds_its_number_and_stays_in_its_bounds(value, resampled, images, expected):
    interval = bootstrap.find_interval(value, np.array(resampled), images)
    low, high = interval["low"], interval["high"]
    assert (low, high) == expected or (expected == (0.0, 1.0) and 0 <= low <= value <= high <= 1)
