"""The imported backbone against Keras' own MobileNetV2 with the same arrays."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.importing import mobilenet_v2
from official_yolact.modeling import factory

LEVELS = {"3": "block_5_add", "4": "block_12_add", "5": "block_16_project_BN"}


@pytest.fixture(scope="module")
def keras_model():
    return tf_keras.applications.MobileNetV2(input_shape=(96, 96, 3), include_top=False, weights=None)


def random_archive(keras_model, seed=0):
    """Arrays under the archive's keys, and set in the Keras model."""
    rng = np.random.default_rng(seed)
    arrays, number, conv = {}, -1, None
    for layer in keras_model.layers:
        if isinstance(layer, tf_keras.layers.Conv2D | tf_keras.layers.DepthwiseConv2D):
            number, conv = number + 1, layer
            value = rng.normal(0, 0.2, layer.get_weights()[0].shape).astype(np.float32)
            layer.set_weights([value])
            arrays[f"{number:02d}/{layer.name}/kernel"] = value
        elif isinstance(layer, tf_keras.layers.BatchNormalization):
            values = [rng.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in layer.get_weights()]
            layer.set_weights(values)
            for kind, value in zip(("gamma", "beta", "moving_mean", "moving_variance"), values, strict=True):
                arrays[f"{number:02d}/{layer.name}/{kind}"] = value
    assert conv is not None
    return arrays


def model_config():
    config = loading.load_experiment("yolact_mobilenetv2_coco").task.model
    config.input_size = [96, 96]
    return config


def write(tmp_path, arrays):
    path = str(tmp_path / "weights.npz")
    np.savez(path, **arrays)
    return path


def test_features_equal_those_of_keras_bit_for_bit(tmp_path, keras_model):
    path = write(tmp_path, random_archive(keras_model))
    done = mobilenet_v2.import_mobilenet_v2(path, model_config(), str(tmp_path / "out"))
    assert (done.num_read, len(done.mapped), done.skipped) == (260, 260, ())
    backbone = mobilenet_v2._build_backbone(model_config())
    holder = tf.train.Checkpoint(model=tf.train.Checkpoint(backbone=backbone))
    holder.read(done.checkpoint).assert_existing_objects_matched()
    image = np.random.default_rng(1).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    ours = backbone(image, training=False)
    wanted = tf_keras.Model(keras_model.input, [keras_model.get_layer(n).output for n in LEVELS.values()])(
        image
    )
    for level, expected in zip(LEVELS, wanted, strict=True):
        np.testing.assert_array_equal(ours[level], expected)


def test_the_import_starts_a_whole_model_of_another_size(tmp_path, keras_model):
    from official_yolact.checkpoints import restore

    path = write(tmp_path, random_archive(keras_model))
    mobilenet_v2.import_mobilenet_v2(path, model_config(), str(tmp_path / "out"))
    config = model_config()
    config.input_size = [64, 96]
    model = factory.build_model(config)
    heads = [v.numpy() for v in model.variables if not v.name.startswith("mobilenet")][:1]
    done = restore.restore_model(model, str(tmp_path / "out"), "backbone")
    assert done.num_tensors == len(model.backbone.variables)
    assert done.num_untouched == len(model.variables) - done.num_tensors
    stem = model.backbone.layers[1]._conv0.kernel
    np.testing.assert_array_equal(stem, np.load(path)["00/Conv1/kernel"])
    assert heads is not None


def _drop(arrays, key):
    return {name: value for name, value in arrays.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: _drop(a, "00/Conv1/kernel"), r"convolution 00 lacks \['kernel'\]"),
        (lambda a: {**a, "junk": np.zeros(3)}, "key 'junk'"),
        (
            lambda a: {**a, "00/Conv1/kernel": np.zeros((3, 3, 3, 8), np.float32)},
            r"00/Conv1/kernel is float32 \(3, 3, 3, 8\)",
        ),
        (lambda a: {**a, "00/Conv1/kernel": np.full((3, 3, 3, 32), np.nan, np.float32)}, "not finite"),
        (lambda a: {k: v for k, v in a.items() if k < "40"}, "has 40 convolutions, MobileNetV2 here has 52"),
    ],
    ids=["missing", "foreign", "shape", "nan", "short"],
)
def test_an_archive_that_is_not_mobilenet_is_refused_by_name(tmp_path, keras_model, change, message):
    path = write(tmp_path, change(random_archive(keras_model)))
    with pytest.raises(ValueError, match=message):
        mobilenet_v2.import_mobilenet_v2(path, model_config(), str(tmp_path / "out"))


@pytest.mark.parametrize("held", ["ckpt-100.index", "checkpoint", "params.yaml"])
def test_a_directory_that_training_wrote_is_left_alone(tmp_path, held):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / held).write_text("of a run")
    with pytest.raises(
        ValueError, match="run: holds a model that no import wrote .*: choose another --output"
    ):
        mobilenet_v2.import_mobilenet_v2("weights.npz", model_config(), str(tmp_path / "run"), force=True)
    assert (tmp_path / "run" / held).read_text() == "of a run"


def test_an_import_keeps_the_file_of_another_and_runs_again_over_its_own(tmp_path, keras_model):
    path, output = write(tmp_path, random_archive(keras_model)), tmp_path / "out"
    for _ in range(2):
        mobilenet_v2.import_mobilenet_v2(path, model_config(), str(output))
    assert json.loads((output / "import.json").read_text())["modules"] == "backbone"
    (output / "import.json").write_text("mine")
    with pytest.raises(ValueError, match="import.json exists, and is not as this program wrote it"):
        mobilenet_v2.import_mobilenet_v2(path, model_config(), str(output))
    assert (output / "import.json").read_text() == "mine"


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"weights.npz: is no .npz archive"):
        mobilenet_v2.import_mobilenet_v2(str(path), model_config(), str(tmp_path / "out"))


@pytest.mark.shared
def test_the_imagenet_weights_import_whole(shared, tmp_path):
    path = str(shared / "data/weights/mobilenet_v2_imagenet.npz")
    done = mobilenet_v2.import_mobilenet_v2(path, model_config(), str(tmp_path / "out"))
    assert (done.num_read, len(done.mapped)) == (260, 260)
