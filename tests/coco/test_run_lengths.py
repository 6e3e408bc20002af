"""Compressed run lengths against pycocotools' encoder and a count of the pixels."""

import mask_runs
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from official_yolact_runtime import run_lengths


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_runs_are_those_of_the_mask(seed, as_bytes):
    rng = np.random.default_rng(seed)
    mask = np.asfortranarray(rng.random((17, 23)) < rng.random(), np.uint8)
    counts = coco_mask.encode(mask)["counts"]
    assert run_lengths.decompress(counts if as_bytes else counts.decode()).tolist() == mask_runs.runs_of(mask)


def test_long_runs_of_a_large_mask_are_read():
    mask = np.zeros((3000, 4000), np.uint8, order="F")
    mask[10:2990, 20:3900] = 1
    mask[1500, 2000] = 0
    changes = np.flatnonzero(np.diff(mask.ravel(order="F"))) + 1
    expected = np.diff([0, *changes, mask.size])
    assert run_lengths.decompress(coco_mask.encode(mask)["counts"]).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are empty"),
        ("zzzz", "does not occur"),
        ("\x00", "does not occur"),
        ("é", "does not occur"),
        ("Po", "end within a number"),
        ("ooooooo0", "larger than any image"),
    ],
)
def test_text_that_is_no_code_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        run_lengths.decompress(text)
