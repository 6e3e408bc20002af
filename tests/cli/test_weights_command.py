"""Weights by name as a user asks for them: list, get, config check, import-weights and the start of a training."""

import json
import re

import file_server
import numpy as np
import pytest
from importing import keras_models

from official_yolact.cli import main
from official_yolact.weights import cache
from official_yolact.weights import named_weights

NAME = "imagenet/mobilenetv2-0.5"
FILE = named_weights.find(NAME).file_name
CONFIG = """experiment: yolact_mobilenetv2_coco
task:
  init_checkpoint: {checkpoint}
  model:
    num_classes: 3
    input_size: [64, 64]
    backbone: {{mobilenet: {{filter_size_scale: {width}}}}}
"""


@pytest.fixture(scope="module")
def keras_model():
    return keras_models.build(0.5)


@pytest.fixture(scope="module")
def content(keras_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "weights.h5"
    keras_model.save_weights(str(path))
    return path.read_bytes()


@pytest.fixture
def server(content, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    with file_server.serve({f"/{FILE}": content}) as running:
        monkeypatch.setenv(cache.MIRROR_VARIABLE, running.url)
        yield running


def run(capsys, *words):
    code = main.main([str(word) for word in words])
    return code, *capsys.readouterr()


def write_config(tmp_path, checkpoint=NAME, width=0.5, more=""):
    path = tmp_path / "mine.yaml"
    path.write_text(CONFIG.format(checkpoint=checkpoint, width=width) + more)
    return path


def test_the_list_has_source_size_sum_licence_and_what_each_fits(server, capsys):
    code, out, _ = run(capsys, "weights", "list", "--json")
    listed = json.loads(out)
    assert (code, [one["name"] for one in listed["weights"]]) == (0, list(named_weights.ENTRIES))
    assert all(one["licence"] and one["url"] and one["size"] and one["fits"] for one in listed["weights"])
    code, out, _ = run(capsys, "weights", "list")
    assert code == 0
    assert "imagenet/resnet50 " in out
    assert "102.5 MB" in out
    assert "sha256 0676ba61" in out
    assert "no published sum is known" in out
    assert "BSD-3-Clause" in out


def test_weights_are_got_once_and_config_check_says_where_they_are(server, tmp_path, capsys, keras_model):
    config = write_config(tmp_path)
    code, out, _ = run(capsys, "config", "check", config)
    assert code == 0
    assert f"weights: {NAME}: is downloaded when the training begins, about 3.2 MB from {server.url}" in out
    output = tmp_path / "one"
    code, out, err = run(capsys, "weights", "get", NAME, "--output", output, "--json")
    assert code == 0, err
    assert f"use it: task.init_checkpoint={output}" in err
    assert json.loads(out)["directory"] == str(output)
    assert (output / "ckpt-0.index").is_file()
    assert server.requests == [("GET", None)]
    del server.files[f"/{FILE}"]
    code, out, _ = run(capsys, "weights", "get", NAME, "--json")
    assert (code, json.loads(out)["cached"]) == (0, True)
    code, out, _ = run(capsys, "config", "check", config, "--json")
    assert (code, "in the cache" in json.loads(out)["weights"]) == (0, True)
    code, _, err = run(capsys, "import-weights", NAME, "--output", tmp_path / "two")
    assert (code, "260 tensors read, 260 mapped" in err) == (0, True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("checkpoint", "width", "more", "message"),
    [
        pytest.param("imagenet/mobilnetv2", 1.0, "", "is no file or folder, and no name of weights; .* did you mean imagenet/mobilenetv2", id="no name"),
        pytest.param("imagenet/resnet50", 1.0, "", r"fits the backbone yolact_resnet \(depth 50\), and here is mobilenet, .*; write imagenet/mobilenetv2$", id="backbone"),
        pytest.param("imagenet/mobilenetv2", 0.75, "", "filter_size_scale 0.75; write imagenet/mobilenetv2-0.75", id="width"),
        pytest.param("imagenet/mobilenetv2", 0.6, "", "filter_size_scale 0.6; take an experiment with backbone mobilenet", id="no such width"),
        pytest.param(
            "imagenet/mobilenetv2",
            1.0,
            "    normalization: {mean: [0.0, 0.0, 0.0], std: [255.0, 255.0, 255.0]}\n",
            r"was trained with pixels of mean \[127.5, 127.5, 127.5\]",
            id="pixels",
        ),
        pytest.param("imagenet/mobilenetv2", 1.0, "    norm_activation: {norm_epsilon: 0.1}\n", "write task.model.norm_activation.norm_epsilon: 0.001", id="epsilon"),
    ],
)  # fmt: skip
def test_config_check_refuses_weights_that_do_not_fit(tmp_path, capsys, checkpoint, width, more, message):
    code, out, _ = run(capsys, "config", "check", write_config(tmp_path, checkpoint, width, more))
    assert code == 2
    found = [line for line in out.splitlines() if line.startswith("error: ")]
    assert len(found) == 1
    assert re.search(rf"mine.yaml:\d+: task.init_checkpoint: '{checkpoint}' .*{message}", found[0]), found


def test_a_training_downloads_the_weights_before_anything_is_written_and_loads_them(
    server, tmp_path, keras_model
):
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.tasks import yolact
    from official_yolact.training import run as training

    params = loading.load_config(str(write_config(tmp_path)))
    launch = training.Launch(params, "train", str(tmp_path / "run"))
    training._provide_weights(launch)
    del server.files[f"/{FILE}"]
    training._provide_weights(launch)
    assert not (tmp_path / "run").exists()
    task = yolact.YolactTask(params.task, logging_dir=str(tmp_path / "run"))
    model = task.build_model()
    task.initialize(model)
    image = np.random.default_rng(1).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    ours = model.backbone(image, training=False)
    for level, expected in zip(keras_models.LEVELS, keras_models.run(keras_model, image), strict=True):
        np.testing.assert_array_equal(ours[level], expected)


def test_a_training_without_a_network_ends_before_anything_is_written(server, tmp_path, capsys):
    server.files.clear()
    shapes, records = tmp_path / "shapes", tmp_path / "records"
    assert run(capsys, "data", "shapes", "--output", shapes, "--train", 2, "--val", 1)[0] == 0
    convert = ("data", "convert", shapes / "instances_train.json", "--images", shapes / "train")
    assert run(capsys, *convert, "--output", records, "--split", "train")[0] == 0
    data = f"task.train_data.input_path={records}/train-*.tfrecord"
    words = (write_config(tmp_path), data, "--model_dir", tmp_path / "run", "--mode", "train")
    code, _, err = run(capsys, "train", *words)
    assert code == 2
    assert f"and put {FILE} into {tmp_path}/cache/weights" in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_such_network_is_refused_by_name(server, tmp_path, capsys):
    server.files[f"/{FILE}"] = b"<html>not found</html>"
    code, _, err = run(capsys, "weights", "get", NAME)
    assert code == 2
    assert f"{FILE}: is no .npz archive: File is not a zip file: remove the file, and get {NAME} anew" in err
    assert not list((tmp_path / "cache").glob("**/ckpt-0*"))


def test_an_import_that_was_killed_is_done_anew(server, tmp_path, capsys):
    folder = tmp_path / "cache/weights/imported-1" / NAME
    folder.mkdir(parents=True)
    (folder / "import.json").write_text("{")
    (folder / "ckpt-0.index").write_bytes(b"half")
    code, _, err = run(capsys, "weights", "get", NAME)
    assert code == 0, err
    assert (folder / "named-weights.json").is_file()
