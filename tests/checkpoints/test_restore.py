"""All of a checkpoint or one error: what restoring does with fitting and unfitting files."""

import numpy as np
import pytest
import tensorflow as tf

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.checkpoints import model_dir
from official_yolact.checkpoints import restore
from official_yolact.importing import model_folder


def equal(one, other):
    return [np.array_equal(a, b) for a, b in zip(one.variables, other.variables, strict=True)]


@pytest.fixture(scope="module")
def source(build):
    return build(1)


def test_a_whole_model_comes_back_variable_by_variable(build, source, tmp_path):
    model_folder.save_model(source, str(tmp_path))
    target = build(2)
    assert not all(equal(source, target))
    done = restore.restore_model(target, str(tmp_path))
    assert all(equal(source, target))
    assert (done.num_tensors, done.num_untouched) == (len(target.variables), 0)
    total = len(target.variables)
    assert f"loaded {total}/{total} tensors, 0 skipped" in str(done)


def test_a_training_checkpoint_with_its_optimizer_restores_too(build, source, tmp_path):
    checkpoint = tf.train.Checkpoint(model=source, step=tf.Variable(3), **source.checkpoint_items)
    checkpoint.write(str(tmp_path / "ckpt-3"))
    target = build(2)
    restore.restore_model(target, str(tmp_path / "ckpt-3"))
    assert all(equal(source, target))


@pytest.mark.parametrize("modules", ["all", "backbone"])
def test_the_backbone_alone_leaves_the_rest_as_it_was(build, source, tmp_path, modules):
    model_folder.save_model(source, str(tmp_path), modules)
    target, untouched = build(2, "task.model.num_classes=11"), build(2, "task.model.num_classes=11")
    done = restore.restore_model(target, str(tmp_path), "backbone")
    count = len(target.backbone.variables)
    assert (done.num_tensors, done.num_untouched) == (count, len(target.variables) - count)
    skipped = len(source.variables) - count if modules == "all" else 0
    assert f"loaded {count}/{len(target.variables)} tensors, {skipped} skipped, " in str(done)
    for new, old in zip(target.backbone.variables, source.backbone.variables, strict=True):
        np.testing.assert_array_equal(new, old)
    np.testing.assert_array_equal(target.head.class_conv.kernel, untouched.head.class_conv.kernel)


@pytest.mark.parametrize(
    "override",
    [
        "task.model.num_classes=11",
        "task.model.protonet.num_prototypes=5",
        "task.model.max_level=6,task.model.anchor.scales=[16,32,64,128]",
    ],
)
def test_another_head_is_one_error_that_names_what_differs(build, source, tmp_path, override):
    model_folder.save_model(source, str(tmp_path))
    with pytest.raises(ValueError, match=r"does not fit this model in \d+ tensors\. Use the same task.model"):
        restore.restore_model(build(2, override), str(tmp_path))


def test_a_backbone_is_no_whole_model(build, source, tmp_path):
    model_folder.save_model(source, str(tmp_path), "backbone")
    with pytest.raises(ValueError, match="does not fit this model"):
        restore.restore_model(build(2), str(tmp_path))


def test_a_checkpoint_of_something_else_is_refused(build, tmp_path):
    tf.train.Checkpoint(thing=tf.Variable([1.0])).write(str(tmp_path / "ckpt-1"))
    with pytest.raises(ValueError, match="does not fit this model"):
        restore.restore_model(build(2), str(tmp_path / "ckpt-1"))


def test_the_best_checkpoint_goes_before_the_last(source, tmp_path):
    model_folder.save_model(source, str(tmp_path))
    model_folder.save_model(source, str(tmp_path / model_dir.BEST_SUBDIR))
    assert model_dir.find_checkpoint(str(tmp_path)).startswith(str(tmp_path / model_dir.BEST_SUBDIR))
    assert model_dir.find_checkpoint(str(tmp_path), prefer_best=False) == str(tmp_path / "ckpt-0")


def test_missing_checkpoints_are_named_with_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such checkpoint"):
        model_dir.find_checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"holds no checkpoint \(ckpt-\*.index\)"):
        model_dir.find_checkpoint(str(tmp_path))
