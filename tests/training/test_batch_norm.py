"""Whether batch norms are frozen: the rule, what it says, and that a run keeps to it."""

import logging

import pytest
import tensorflow as tf
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import batch_norm


def decide(batch, replicas, tmp_path, *overrides, init=True):
    terms = [f"task.train_data.global_batch_size={batch}", *overrides]
    terms += ["task.init_checkpoint=imagenet/resnet50"] if init else []
    params = loading.load_experiment("yolact_resnet50_coco", [], terms)
    batch_norm.decide_freeze(params, replicas, str(tmp_path))
    return params.task.model.freeze_bn


@pytest.mark.parametrize(
    ("batch", "replicas", "frozen"),
    [
        (8, 1, False),
        (6, 1, False),
        (5, 1, True),
        (1, 1, True),
        (64, 8, False),
        (47, 8, True),
        (48, 8, False),
        (8, 2, True),
    ],
)
def test_fewer_than_six_images_a_replica_freeze_imported_statistics(batch, replicas, frozen, tmp_path):
    assert decide(batch, replicas, tmp_path) is frozen


def test_random_weights_are_never_frozen_and_both_cases_are_said_with_their_cure(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert decide(4, 1, tmp_path, init=False) is False
        assert "trained although 4 images a replica" in caplog.text
        caplog.clear()
        assert decide(4, 1, tmp_path) is True
        assert "frozen: 4 images a replica" in caplog.text
        assert "task.model.freeze_bn=false trains them" in caplog.text
        caplog.clear()
        assert decide(8, 1, tmp_path) is False
        assert not caplog.text


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("batch", [2, 8])
def test_a_stated_value_stands(stated, batch, tmp_path):
    assert decide(batch, 1, tmp_path, f"task.model.freeze_bn={stated}".lower()) is stated


def leave_run(folder, frozen, with_checkpoint=True):
    text = yaml.safe_dump({"task": {"model": {"freeze_bn": frozen}}})
    (folder / "params.yaml").write_text(text)
    if with_checkpoint:
        checkpoint = tf.train.Checkpoint(step=tf.Variable(3))
        tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1).save(3)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_run_that_goes_on_keeps_what_it_was_started_with(recorded, tmp_path):
    leave_run(tmp_path, recorded)
    assert decide(8, 1, tmp_path) is recorded
    assert decide(8, 4, tmp_path) is recorded


def test_a_directory_without_checkpoint_or_without_record_decides_anew(tmp_path):
    leave_run(tmp_path, True, with_checkpoint=False)
    assert decide(8, 1, tmp_path) is False
    leave_run(tmp_path, None)
    assert decide(4, 1, tmp_path) is True
