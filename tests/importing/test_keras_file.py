"""Keras' weights files: features equal to Keras' own, and files that are damaged or refer elsewhere."""

import pathlib
import random
import subprocess

import fuzzing
import h5py
import numpy as np
import pytest
import tensorflow as tf
from importing import keras_models

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.importing import keras_file
from official_yolact.importing import mobilenet_v2

LIMIT = 2**26


def config(side=64):
    model = loading.load_experiment("yolact_mobilenetv2_coco").task.model
    model.input_size = [side, side]
    return model


@pytest.mark.parametrize(("width", "top"), [(0.35, False), (1.4, True)])
def test_features_equal_those_of_keras_bit_for_bit(tmp_path, width, top):
    model = keras_models.build(width, side=75, top=top)
    path = str(tmp_path / "weights.h5")
    model.save_weights(path)
    done = mobilenet_v2.import_mobilenet_v2(path, config(75), str(tmp_path / "out"))
    assert (done.form, len(done.mapped), len(done.skipped)) == ("h5", 260, 2 * top)
    assert done.notes == (f"width {width:g}: fits task.model.backbone.mobilenet.filter_size_scale={width:g}",)
    backbone = mobilenet_v2._build_backbone(config(75), width)
    holder = tf.train.Checkpoint(model=tf.train.Checkpoint(backbone=backbone))
    holder.read(done.checkpoint).assert_existing_objects_matched()
    image = np.random.default_rng(1).uniform(-1, 1, (1, 75, 75, 3)).astype(np.float32)
    ours = backbone(image, training=False)
    for level, expected in zip(keras_models.LEVELS, keras_models.run(model, image), strict=True):
        np.testing.assert_array_equal(ours[level], expected)


def write(path, layers, edit=None):
    """Write layers as Keras does: name, then arrays by the name of the weight."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name, _ in layers]
        for name, arrays in layers:
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{kind}:0".encode() for kind in arrays]
            for kind, array in arrays.items():
                group.create_dataset(f"{name}/{kind}:0", data=array)
        if edit:
            edit(file)
    return str(path)


def small(tmp_path, edit=None):
    layers = [("conv", {"kernel": np.ones((1, 1, 2, 2), np.float32)}), ("relu", {})]
    return write(tmp_path / "weights.h5", layers, edit)


def test_layers_keep_their_order_and_names_mean_nothing(tmp_path):
    arrays = {"depthwise_kernel": np.ones((3, 3, 1, 1), np.float32)}
    path = write(tmp_path / "weights.h5", [("zebra", arrays), ("relu", {}), ("ape", {"gamma": np.ones(2)})])
    found = keras_file.read_layers(path, LIMIT)
    assert [(name, list(kinds)) for name, kinds in found] == [("zebra", ["kernel"]), ("ape", ["gamma"])]


def test_a_whole_model_has_its_weights_in_a_group(tmp_path):
    path = small(tmp_path)
    with h5py.File(tmp_path / "model.h5", "w") as file, h5py.File(path) as inner:
        inner.copy(inner["/"], file, "model_weights")
    assert [name for name, _ in keras_file.read_layers(str(tmp_path / "model.h5"), LIMIT)] == ["conv"]


def _relink(kind):
    def edit(file):
        del file["conv/conv/kernel:0"]
        file["conv/conv/kernel:0"] = kind

    return edit


def _replace(**options):
    def edit(file):
        del file["conv/conv/kernel:0"]
        file.create_dataset("conv/conv/kernel:0", **options)

    return edit


def _virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(4,))
    del file["conv/conv/kernel:0"]
    file.create_virtual_dataset("conv/conv/kernel:0", layout)


def _name(value, attribute="weight_names"):
    def edit(file):
        (file["conv"] if attribute == "weight_names" else file).attrs[attribute] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(_relink(h5py.SoftLink("/conv")), "is a link", id="soft link"),
        pytest.param(_relink(h5py.ExternalLink("other.h5", "/conv")), "is a link", id="external link"),
        pytest.param(_virtual, "refers to another file", id="virtual dataset"),
        pytest.param(
            _replace(shape=(4,), dtype="f4", external=[("/etc/hostname", 0, 16)]),
            "refers to another file",
            id="external storage",
        ),
        pytest.param(_replace(shape=(10**9,), dtype="f4", chunks=True), "more than", id="bomb"),
        pytest.param(_replace(shape=(4,), dtype="i4"), "expected floating point", id="whole numbers"),
        pytest.param(_replace(shape=(4,), dtype=h5py.string_dtype()), "expected floating", id="texts"),
        pytest.param(_name([b"conv/none:0"]), "no such dataset", id="missing"),
        pytest.param(_name([b"conv"]), "is no dataset", id="group"),
        pytest.param(_name([b"../conv"]), "no such dataset", id="above"),
        pytest.param(_name([b"x"] * 3000, "layer_names"), "lists more than 2000", id="many"),
        pytest.param(_name([b"\xff\xfe"], "layer_names"), "has the name", id="no text"),
        pytest.param(_name(3, "layer_names"), "iter", id="number"),
    ],
)
def test_what_refers_elsewhere_or_lies_is_refused(tmp_path, edit, message):
    path = small(tmp_path, edit)
    with pytest.raises(ValueError, match=message):
        keras_file.read_here(path, LIMIT)


def test_a_file_that_is_cut_off_or_too_large_is_refused(tmp_path):
    path = small(tmp_path)
    with pytest.raises(ValueError, match="more than such a model can need"):
        keras_file.read_layers(path, 100)
    whole = (tmp_path / "weights.h5").read_bytes()
    for length in range(8, len(whole), 97):
        (tmp_path / "weights.h5").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="."):
            keras_file.read_here(path, LIMIT)


def test_files_that_were_changed_are_read_or_refused_by_name(tmp_path):
    whole = pathlib.Path(small(tmp_path)).read_bytes()
    draw = random.Random(7)
    path = tmp_path / "changed.h5"

    def call(data):
        path.write_bytes(data)
        return fuzzing.try_door(lambda: keras_file.read_layers(str(path), LIMIT), str(path))

    count = max(8, fuzzing.COUNT // 25)
    fuzzing.hold(
        "Keras .h5", (fuzzing.mutate_bytes(draw, whole, len(whole)) for _ in range(count)), call, 70.0
    )


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (subprocess.TimeoutExpired("reader", 60), "the HDF5 library does not come to an end"),
        (subprocess.CompletedProcess("reader", -11, "", ""), r"the HDF5 library crashes \(code -11\)"),
        (subprocess.CompletedProcess("reader", 3, "", "is a link\n"), "is a link$"),
    ],
    ids=["hangs", "crashes", "refuses"],
)
def test_a_file_on_which_the_library_hangs_or_crashes_is_refused(tmp_path, monkeypatch, ends, says):
    def run(*words, **options):
        if isinstance(ends, Exception):
            raise ends
        return ends

    monkeypatch.setattr(keras_file.children, "run_module", run)
    with pytest.raises(ValueError, match=rf"weights.h5: is no weights file of Keras, or damaged: {says}"):
        keras_file.read_layers(small(tmp_path), LIMIT)


def test_another_network_is_refused_by_its_layers(tmp_path):
    path = small(tmp_path)
    with pytest.raises(ValueError, match="no batch norm follows the convolution conv"):
        mobilenet_v2.import_mobilenet_v2(path, config(), str(tmp_path / "out"))
    path = write(tmp_path / "other.h5", [("lstm", {"recurrent_kernel": np.ones(3, np.float32)})])
    with pytest.raises(ValueError, match="layer lstm has .*: MobileNetV2 has no such layer there"):
        mobilenet_v2.import_mobilenet_v2(path, config(), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
