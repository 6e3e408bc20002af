"""Fine-tuning from another model: what fits is loaded, class rows follow names, all is accounted for."""

import numpy as np
import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.checkpoints import transfer
from official_yolact.importing import model_folder
from official_yolact_runtime import categories as categories_lib

SOURCE = categories_lib.Categories((1, 2, 3, 4, 5, 6), ("circle", "hot dog", "tv", "square", "star", "ring"))


def name_classes(*names):
    return categories_lib.Categories(tuple(range(1, len(names) + 1)), names)


@pytest.fixture(scope="module")
def source(build):
    return build(1)


@pytest.fixture(scope="module")
def saved(source, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("source"))
    model_folder.save_model(source, folder)
    SOURCE.save(f"{folder}/{categories_lib.FILE_NAME}")
    return folder


def values(model):
    return [np.array(variable) for variable in model.variables]


def test_the_same_model_with_the_same_classes_is_taken_whole(build, source, saved):
    model = build(2)
    done = transfer.transfer_model(model, saved, SOURCE)
    for new, old in zip(values(model), values(source), strict=True):
        np.testing.assert_array_equal(new, old)
    assert len(done.loaded) == len(model.variables)
    assert (done.copied_rows, done.reinitialized, done.unused) == ((), (), ())
    assert str(done).count("\n") == 0


def test_class_rows_follow_names_into_another_number_of_classes(build, source, saved):
    model, initial = build(2, "task.model.num_classes=5"), build(2, "task.model.num_classes=5")
    done = transfer.transfer_model(model, saved, name_classes("star", "kite", "Hot-Dog", "circle"))
    there = np.array(source.head.class_conv.kernel).reshape(3, 3, 16, 3, 7)
    here = np.array(model.head.class_conv.kernel).reshape(3, 3, 16, 3, 5)
    first = np.array(initial.head.class_conv.kernel).reshape(3, 3, 16, 3, 5)
    for row, found in ((0, 0), (1, 5), (3, 2), (4, 1)):
        np.testing.assert_array_equal(here[..., row], there[..., found])
    np.testing.assert_array_equal(here[..., 2], first[..., 2])
    semantic = np.array(model.semantic_head.conv.kernel)
    np.testing.assert_array_equal(semantic[..., 2], np.array(source.semantic_head.conv.kernel)[..., 1])
    np.testing.assert_array_equal(semantic[..., 1], np.array(initial.semantic_head.conv.kernel)[..., 1])
    np.testing.assert_array_equal(model.head.box_conv.kernel, source.head.box_conv.kernel)
    assert set(done.copied_rows) == {
        f"{layer}/{kind}"
        for layer in ("head/class_conv", "semantic_head/conv")
        for kind in ("kernel", "bias")
    }
    assert "rows of 3 classes" in str(done)
    assert "new classes, rows re-initialised: kite" in str(done)
    assert "that are not here: tv, square, ring" in str(done)


def test_as_many_classes_of_other_names_are_not_mistaken_for_the_same(build, source, saved):
    model, initial = build(2), build(2)
    done = transfer.transfer_model(model, saved, name_classes("ring", "a", "b", "c", "d", "circle"))
    here = np.array(model.head.class_conv.bias).reshape(3, 7)
    there, first = (np.array(one.head.class_conv.bias).reshape(3, 7) for one in (source, initial))
    np.testing.assert_array_equal(here[:, [0, 1, 6]], there[:, [0, 6, 1]])
    np.testing.assert_array_equal(here[:, 2:6], first[:, 2:6])
    assert "head/class_conv/kernel" in done.copied_rows


def test_without_a_common_class_the_class_layers_start_anew(build, saved):
    model, initial = build(2), build(2)
    done = transfer.transfer_model(model, saved, name_classes("a", "b", "c", "d", "e", "f"))
    np.testing.assert_array_equal(model.head.class_conv.kernel, initial.head.class_conv.kernel)
    assert ("head/class_conv/kernel", "no class has the same name") in done.reinitialized


@pytest.mark.parametrize(("classes", "loaded"), [(7, True), (5, False)])
def test_unknown_names_load_classes_only_where_the_number_is_the_same(build, saved, classes, loaded):
    model = build(2, f"task.model.num_classes={classes}")
    done = transfer.transfer_model(model, saved, None)
    assert ("head/class_conv/kernel" in done.loaded) is loaded
    reasons = dict(done.reinitialized)
    assert ("head/class_conv/kernel" in reasons) is not loaded
    if not loaded:
        assert "no class names on one side" in reasons["head/class_conv/kernel"]


def test_other_anchors_start_the_head_s_outputs_anew_and_keep_the_rest(build, source, saved):
    model, initial = (build(2, "task.model.anchor.scales_per_octave=1") for _ in range(2))
    done = transfer.transfer_model(model, saved, SOURCE)
    kept = {path for path, _ in done.reinitialized}
    layers = ("box_conv", "class_conv", "coefficient_conv")
    assert kept == {f"head/{layer}/{kind}" for layer in layers for kind in ("kernel", "bias")}
    np.testing.assert_array_equal(model.head.box_conv.kernel, initial.head.box_conv.kernel)
    np.testing.assert_array_equal(model.head.conv.kernel, source.head.conv.kernel)
    assert "[3, 3, 16, 12] there, [3, 3, 16, 4] here" in str(done)


def test_another_input_size_changes_nothing(build, saved):
    model = build(2, "task.model.input_size=[96,64]")
    assert len(transfer.transfer_model(model, saved, SOURCE).loaded) == len(model.variables)


def test_stored_tensors_without_a_place_here_are_named(build, saved):
    model = build(2, "task.model.max_level=4,task.model.anchor.scales=[16,32]")
    done = transfer.transfer_model(model, saved, SOURCE)
    assert {"decoder/smooth/5/kernel", "decoder/smooth/5/bias"} <= set(done.unused)
    loaded = len(model.variables) - len(done.reinitialized)
    assert f"loaded {loaded}/{len(model.variables)} tensors (0 by rows), {len(done.unused)} skipped" in str(
        done
    )
    assert "not used: " in str(done)
    assert not any(path.startswith(("head/", "protonet/")) for path in done.unused)


def test_another_backbone_is_refused_and_nothing_changes(build, saved):
    model = build(2, "task.model.backbone.resnet.depth_multiplier=0.5")
    before = values(model)
    with pytest.raises(ValueError, match=r"does not fit this backbone in \d+ tensors.*task.model.backbone"):
        transfer.transfer_model(model, saved, SOURCE)
    for new, old in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(new, old)
