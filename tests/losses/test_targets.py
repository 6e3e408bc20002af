"""Targets against the recorded original, and of images that teach nothing."""

import numpy as np
import pytest

from official_yolact.configs import yolact as configs
from official_yolact.losses import targets


@pytest.mark.shared
def test_targets_of_every_anchor_equal_the_recorded_ones(every_recorded_case):
    recorded, labels, _, anchors = every_recorded_case
    built = targets.build_targets(labels, anchors, configs.Losses())
    for i in range(3):
        np.testing.assert_array_equal(built["class_ids"][i], recorded[f"match{i}_conf_t"])
        np.testing.assert_array_equal(built["instance_index"][i], recorded[f"match{i}_gt_idx"])
        codes = built["box_codes"][i].numpy()
        np.testing.assert_allclose(codes, recorded[f"match{i}_loc_t"][:, [1, 0, 3, 2]], atol=2e-6)


def test_every_instance_has_a_positive_anchor_of_its_class(make_case, small_anchors):
    labels, _ = make_case([6, 3])
    built = targets.build_targets(labels, small_anchors, configs.Losses())
    for i, count in enumerate([6, 3]):
        positive = built["class_ids"][i].numpy() > 0
        rows = built["instance_index"][i].numpy()[positive]
        assert set(rows) == set(range(count))
        np.testing.assert_array_equal(built["class_ids"][i].numpy()[positive], labels["classes"][i][rows])


def test_an_image_of_weight_0_has_only_ignored_anchors(make_case, small_anchors):
    labels, _ = make_case([6, 3])
    labels["weight"][0] = 0
    built = targets.build_targets(labels, small_anchors, configs.Losses())
    assert (built["class_ids"][0].numpy() == -1).all()
    assert (built["class_ids"][1].numpy() > 0).any()


def test_an_image_without_instances_has_only_background(make_case, small_anchors):
    labels, _ = make_case([0])
    built = targets.build_targets(labels, small_anchors, configs.Losses())
    assert not built["class_ids"].numpy().any()
    assert np.isfinite(built["box_codes"]).all()
