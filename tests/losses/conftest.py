"""Batches of labels and raw outputs: the recorded ones, and small random ones."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact.ops import anchors as anchors_lib

YXYX = [1, 0, 3, 2]


def _recorded_labels(recorded, rows):
    grid, low_grid = recorded["pred_proto"].shape[1], recorded["pred_segm"].shape[2]
    labels = empty_labels(3, rows, grid, low_grid, 81)
    for i in range(3):
        truth, crowds = recorded[f"gt{i}_boxes_label"], int(recorded["num_crowds"][i])
        count, width = len(truth), int(recorded[f"gt{i}_mask_w"])
        masks = np.unpackbits(recorded[f"gt{i}_masks_packed"], axis=-1)[..., :width]
        labels["boxes"][i, :count] = truth[:, YXYX]
        labels["classes"][i, :count] = np.maximum(truth[:, 4] + 1, 1)
        labels["num_instances"][i] = count
        labels["is_crowd"][i, count - crowds : count] = True
        labels["masks"][i, :count] = _downsample(masks, grid)
        low = _downsample(masks, low_grid)
        for k in range(count - crowds):
            labels["semantic_masks"][i, ..., int(truth[k, 4])] |= low[k]
    return labels


def _downsample(masks, side):
    return tf.image.resize(masks[..., np.newaxis].astype(np.float32), [side, side])[..., 0].numpy() > 0.5


def empty_labels(batch, rows, grid, low_grid, num_classes):
    return {
        "boxes": np.zeros((batch, rows, 4), np.float32),
        "classes": np.zeros((batch, rows), np.int32),
        "num_instances": np.zeros(batch, np.int32),
        "is_crowd": np.zeros((batch, rows), bool),
        "masks": np.zeros((batch, rows, grid, grid), bool),
        "semantic_masks": np.zeros((batch, low_grid, low_grid, num_classes - 1), bool),
        "weight": np.ones(batch, np.float32),
        "seed": np.stack([np.full(batch, 7), np.arange(batch)], axis=1).astype(np.int32),
    }


def _load_record(path):
    recorded = np.load(path)
    raw = {
        "box_outputs": recorded["pred_loc"][..., YXYX],
        "cls_outputs": recorded["pred_conf"],
        "mask_coefficients": recorded["pred_mask"],
        "prototypes": recorded["pred_proto"],
        "semantic_outputs": recorded["pred_segm"].transpose(0, 2, 3, 1),
    }
    raw = {name: tf.constant(value.astype(np.float32)) for name, value in raw.items()}
    return recorded, _recorded_labels(recorded, 22), raw, recorded["priors"][:, YXYX]


@pytest.fixture
def load_case(shared):
    """Load (npz, labels, raw outputs, anchors) of a recording of the original by its name."""
    return lambda name: _load_record(shared / "fixtures" / f"{name}.npz")


@pytest.fixture(params=["losses_small", "losses"])
def recorded_case(request, load_case):
    """The same of every recording of YOLACT."""
    return load_case(request.param)


@pytest.fixture(params=["losses_small", "losses", "losses_plus"])
def every_recorded_case(request, load_case):
    """The same of every recording, YOLACT++ among them."""
    return load_case(request.param)


@pytest.fixture
def recorded_plus(load_case):
    """The same of YOLACT++, with the weights of the mask-IoU branch among the arrays."""
    return load_case("losses_plus")


@pytest.fixture(scope="session")
def small_anchors():
    """cyxhw_norm [252, 4] of a 64-pixel input."""
    return anchors_lib.build_anchors((64, 64), 3, 5, [12, 24, 48], 1, [1, 0.5, 2], True)


@pytest.fixture
def make_case(small_anchors):
    """Make (labels, raw outputs) of random images with so many instances each; 5 classes, 64 pixels."""

    def make(counts, rows=6, seed=0):
        rng = np.random.default_rng(seed)
        batch = len(counts)
        labels = empty_labels(batch, rows, 16, 8, 5)
        labels["num_instances"][:] = counts
        for i, count in enumerate(counts):
            centre, size = rng.random((count, 2)), rng.uniform(0.15, 0.5, (count, 2))
            corners = np.concatenate([centre - size / 2, centre + size / 2], -1)
            labels["boxes"][i, :count] = np.clip(corners, 0, 1)
            labels["classes"][i, :count] = rng.integers(1, 5, count)
            labels["masks"][i, :count] = rng.random((count, 16, 16)) > 0.5
            labels["semantic_masks"][i] = rng.random((8, 8, 4)) > 0.5
        num_anchors = len(small_anchors)
        raw = {
            "box_outputs": rng.normal(size=(batch, num_anchors, 4)),
            "cls_outputs": rng.normal(size=(batch, num_anchors, 5)) * 3,
            "mask_coefficients": np.tanh(rng.normal(size=(batch, num_anchors, 8))),
            "prototypes": np.maximum(rng.normal(size=(batch, 16, 16, 8)), 0),
            "semantic_outputs": rng.normal(size=(batch, 8, 8, 4)),
        }
        return labels, {name: value.astype(np.float32) for name, value in raw.items()}

    return make
