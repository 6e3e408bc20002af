import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import official_yolact
import official_yolact_runtime
from official.core import train_utils
from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.checkpoints import sidecar
from official_yolact.configs import architecture
from official_yolact.configs import loading as config_loading
from official_yolact.importing import model_folder
from official_yolact.modeling import factory
from official_yolact.serving import loading
from official_yolact_runtime import categories

OVERRIDES = {
    "task": {
        "model": {
            "num_classes": 3,
            "class_prior": 0.0,
            "input_size": [64, 64],
            "backbone": {"resnet": {"model_id": 18, "depth_multiplier": 0.25}},
            "decoder": {"yolact_fpn": {"num_filters": 16}},
            "protonet": {"num_filters": 16, "num_prototypes": 4},
            "head": {"num_filters": 16},
        }
    }
}


def build(seed):
    params = config_loading.load_experiment("yolact_tiny_shapes", overrides=[str(OVERRIDES)])
    return params, factory.build_model(params.task.model, seed)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A model and the directory that a training of it would leave."""
    folder = str(tmp_path_factory.mktemp("model"))
    params, model = build(seed=11)
    train_utils.serialize_config(params, folder)
    categories.Categories((3, 5), ("fig", "date")).save(os.path.join(folder, "categories.json"))
    model_folder.save_model(model, folder)
    return model, folder


@pytest.fixture
def directory(original, tmp_path):
    """A copy to damage."""
    return shutil.copytree(original[1], tmp_path / "model")


def inputs():
    return np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype(np.float32)


def check_same(predictor, model):
    raw = predictor.raw_outputs(inputs())
    expected = model(inputs(), training=False)
    assert set(raw) == {"box_outputs", "cls_outputs", "mask_coefficients", "prototypes", "semantic_outputs"}
    for name, value in raw.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5)


def test_a_model_is_loaded_without_what_only_training_needs(original):
    statements = """
import sys
import official_yolact
official_yolact.load(sys.argv[1])
files = {name: module.__file__ for name, module in sys.modules.items() if name.startswith("official_yolact")}
print("LOADED", *[name for name, file in files.items() if not file.endswith("__init__.py")])
"""
    packages = [
        str(pathlib.Path(one.__file__).parents[1]) for one in (official_yolact, official_yolact_runtime)
    ]
    ran = subprocess.run(
        [sys.executable, "-c", statements, original[1]],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = ran.stdout.splitlines()[-1].split()[1:]
    rooms = {name.split(".")[1] for name in loaded if name.startswith("official_yolact.")}
    assert {"modeling", "serving"} < rooms
    assert not rooms & {
        "tasks", "losses", "dataloaders", "evaluation", "optimizers", "training", "importing", "data", "records",
        "drawing", "coco",
    }  # fmt: skip
    assert len(loaded) <= 60, sorted(loaded)


def test_a_loaded_model_gives_the_outputs_of_the_saved_one(original):
    model, folder = original
    check_same(official_yolact.load(folder), model)


def test_the_best_checkpoint_is_preferred_and_others_can_be_named(original, directory):
    _, best = build(seed=12)
    model_folder.save_model(best, str(directory / "best_ckpt"))
    check_same(loading.load(directory), best)
    check_same(loading.load(directory / "best_ckpt"), best)
    check_same(loading.load(directory / "ckpt-0"), original[0])
    check_same(loading.load(directory / "best_ckpt" / "ckpt-0"), best)


@pytest.mark.parametrize(
    ("average", "name", "says"),
    [
        (True, "best_ckpt/best_ckpt-1050", "step 1,050, averaged weights, the best of the run's evaluations"),
        (False, "best_ckpt/best_ckpt-7", "step 7, weights of that step, the best of the run's evaluations"),
        (True, "ckpt-20", "step 20, weights of that step, not averaged"),
        (False, "ckpt-20", "step 20, weights of that step"),
    ],
)
def test_a_model_says_which_weights_it_has(original, directory, average, name, says):
    params = (directory / "params.yaml").read_text()
    _, trainer = params.split("\ntrainer:")
    assert "ema:\n" in trainer
    if not average:
        start = trainer.index("    ema:\n")
        following = re.search(r"^    \S", trainer[start + 5 :], re.MULTILINE)
        trainer = trainer[:start] + "    ema: null\n" + trainer[start + 5 + following.start() :]
        (directory / "params.yaml").write_text(params.split("\ntrainer:")[0] + "\ntrainer:" + trainer)
    (directory / "best_ckpt").mkdir()
    for file in directory.glob("ckpt-0.[id]*"):
        file.rename(directory / file.name.replace("ckpt-0", name))
    weights = official_yolact.load(directory).weights
    assert str(weights) == f"{directory / name}: {says}"
    assert weights.as_dict()["is_averaged"] == (name.startswith("best") if average else None)


def test_an_import_is_said_to_be_one(original, directory):
    (directory / "import.json").write_text("{}")
    assert str(official_yolact.load(directory).weights) == f"{directory}/ckpt-0: imported weights"


def test_a_photo_of_any_size_passes_through_a_real_network(original):
    predictor = loading.load(original[1], batch_size=2)
    photos = [np.full(shape, 99, np.uint8) for shape in ((30, 50, 3), (200, 64, 3), (1, 1, 3))]
    for photo, found in zip(photos, predictor(photos, score_threshold=0.0), strict=True):
        assert found.masks.shape == (len(found), *photo.shape[:2])
        assert found.draw().shape == photo.shape


def test_a_model_is_loaded_in_float32_after_a_training_in_bfloat16(original):
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        check_same(loading.load(original[1]), original[0])
        assert tf_keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")


def test_weights_that_became_constants_change_no_bit(original):
    photo = np.random.default_rng(0).integers(0, 256, (48, 96, 3), np.uint8)
    runtime = loading.load(original[1], batch_size=2).runtime
    found = runtime.detect([photo, photo[:30]])
    expected = tf.function(runtime.detector.detect)(
        runtime.preprocess([photo, photo[:30]]), tf.constant(runtime.fit([photo, photo[:30]]))
    )
    assert found["num_detections"].tolist() == [100, 100]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_model_computes_in_bfloat16_where_it_is_asked_to(original):
    fast, exact = (loading.load(original[1], precision=name) for name in ("bfloat16", "float32"))
    assert [model.runtime.description for model in (fast, exact)] == [
        "TensorFlow, bfloat16",
        "TensorFlow, float32",
    ]
    outputs, expected = fast.raw_outputs(inputs()), exact.raw_outputs(inputs())
    for name, value in expected.items():
        assert outputs[name].dtype == np.float32
        difference = np.abs(outputs[name] - value).max()
        assert 0 < difference < 0.1 * max(1.0, np.abs(value).max()), name
    assert tf_keras.mixed_precision.global_policy().name == "float32"
    assert len(fast(np.full((48, 96, 3), 99, np.uint8), score_threshold=0.0)) == 100


@pytest.mark.parametrize("name", ["params.yaml", "categories.json"])
def test_a_missing_file_is_named_with_the_cure(directory, name):
    (directory / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: no such file: a model is a directory that yolact train"
    ):
        loading.load(directory)


def test_missing_models_and_checkpoints_are_named(directory, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such model directory or checkpoint"):
        loading.load(tmp_path / "nowhere")
    for path in directory.glob("ckpt-*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        loading.load(directory)


def test_categories_of_another_model_are_refused(directory):
    categories.Categories((3,), ("fig",)).save(str(directory / "categories.json"))
    with pytest.raises(
        ValueError, match=r"has 1 categories, but in params\.yaml task\.model\.num_classes is 3"
    ):
        loading.load(directory)


def test_weights_of_another_model_are_refused(directory):
    text = (directory / "params.yaml").read_text()
    (directory / "params.yaml").write_text(text.replace("num_prototypes: 4", "num_prototypes: 6"))
    with pytest.raises(ValueError, match="does not fit this model"):
        loading.load(directory)


def test_the_section_of_the_network_is_read_alike_whether_it_is_whole_or_not(original, directory):
    def read(folder):
        return loading.load(folder).runtime.detector.config.as_dict()

    expected = config_loading.load_experiment(None, [f"{original[1]}/params.yaml"]).task.model.as_dict()
    assert read(directory) == expected
    path = directory / "params.yaml"
    path.write_text(re.sub(r"(?m)^ +(crop_padding|scales_per_octave): .*\n", "", path.read_text()))
    assert read(directory) == expected
    edit(directory, "num_prototypes: 4", "num_prototypes: 0")
    with pytest.raises(ValueError, match=r"params\.yaml:\d+: task\.model\.protonet\.num_prototypes"):
        loading.load(directory)


def test_params_that_name_python_objects_are_refused(directory):
    (directory / "params.yaml").write_text("task: !!python/name:os.system\n")
    with pytest.raises(ValueError, match=r"params\.yaml"):
        loading.load(directory)


def test_fields_of_the_detection_generator_can_be_changed(original):
    usual = loading.load(original[1]).runtime.detector.config.detection_generator.as_dict()
    changes = {"nms": "traditional", "max_detections": 300, "crop_masks": False, "crop_padding": 1e-05}
    changed = loading.load(original[1], detection_generator=changes)
    assert changed.runtime.detector.config.detection_generator.as_dict() == {**usual, **changes}
    check_same(changed, original[0])
    ((_, _, row),) = changed.detect([(0, np.full((30, 50, 3), 99, np.uint8))])
    assert row["detection_boxes"].shape == (300, 4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"nmss": "fast"},
            "detection_generator.nmss: 'fast' is the value of an unknown key; did you mean 'nms'",
        ),
        ({"nms": "soft"}, "detection_generator.nms: 'soft', expected one of fast, fast_second_threshold"),
        ({"nms_iou_threshold": 1.5}, "detection_generator.nms_iou_threshold: 1.5, expected from 0 to 1"),
        ({"max_detections": 2.5}, "detection_generator.max_detections: 2.5 is float, expected int"),
    ],
)
def test_changes_that_the_configuration_refuses_are_named(original, changes, says):
    with pytest.raises(ValueError, match=says):
        loading.load(original[1], detection_generator=changes)


def record(prefix):
    """Put beside a checkpoint what training would: the architecture that it was written with."""
    params, _ = build(seed=11)
    sidecar.write(str(prefix), sidecar.Sidecar(0, {}, architecture.select(params.as_dict())))


def edit(directory, old, new):
    path = directory / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_params_that_were_edited_since_training_are_refused_with_the_difference(original, directory):
    record(directory / "ckpt-0")
    check_same(loading.load(directory), original[0])
    edit(directory, "      square: false", "      square: true")
    with pytest.raises(
        ValueError,
        match=r"params\.yaml: was edited.*task\.model\.anchor\.square is True, but was False.*ckpt-0\.json.*back",
    ):
        loading.load(directory)
    with pytest.raises(ValueError, match="anchor.square is True, but was False"):
        loading.load(directory / "ckpt-0")


def test_the_best_checkpoint_is_held_to_the_record_of_its_run(directory):
    record(directory / "ckpt-0")
    model_folder.save_model(build(seed=12)[1], str(directory / "best_ckpt"))
    edit(directory, "      square: false", "      square: true")
    with pytest.raises(ValueError, match="anchor.square is True, but was False"):
        loading.load(directory)


def test_what_only_training_asks_for_and_detection_may_differ_from_the_record(original, directory):
    record(directory / "ckpt-0")
    edit(directory, "max_detections: 100", "max_detections: 50")
    edit(directory, "freeze_backbone_level: 0", "freeze_backbone_level: 2")
    check_same(loading.load(directory), original[0])
