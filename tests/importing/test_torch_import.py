"""Importing of PyTorch files: what is refused, what is skipped, and what a backbone alone becomes."""

import json
import os
import pathlib

import numpy as np
import pytest

from official_yolact import registry_imports  # noqa: F401  fills the registries
from official_yolact.checkpoints import restore
from official_yolact.checkpoints import scan
from official_yolact.checkpoints import sidecar
from official_yolact.checkpoints import verify
from official_yolact.cli import main
from official_yolact.configs import architecture
from official_yolact.configs import loading
from official_yolact.importing import torch_import
from official_yolact.modeling import factory
from official_yolact.serving import loading as serving_loading
from official_yolact_runtime import categories as categories_lib


@pytest.fixture(scope="module")
def tensors(original_keys):
    """A ResNet-50 YOLACT with three classes of its own."""
    return original_keys.draw(original_keys.detector("resnet50", num_classes=4))


@pytest.fixture
def write(tensors, torch_writer, tmp_path):
    def write_file(changes=None, name="mine.pth", drop=()):
        path = tmp_path / name
        kept = {key: value for key, value in tensors.items() if not key.startswith(tuple(drop) or "\0")}
        torch_writer.write_zip(path, {**kept, **(changes or {})})
        return str(path)

    return write_file


def refuse_to_build(config):
    raise AssertionError("the file must be refused before a network is built")


def build_small(config):
    """The network at a size at which it is built quickly; weights do not depend on it."""
    config.input_size = [64, 64]
    return factory.build_model(config)


NAMES = categories_lib.Categories((1, 2, 3), ("date", "fig", "hazelnut"))


def test_a_model_with_classes_of_its_own_imports_with_their_names(write, tensors, tmp_path):
    output = str(tmp_path / "model")
    done = torch_import.import_torch(write(), output, build_small, "yolact_resnet50", NAMES)
    assert (done.num_classes, done.modules, done.form) == (4, "all", "zip")
    assert categories_lib.Categories.load(f"{output}/categories.json") == NAMES
    params = loading.load_config(f"{output}/params.yaml")
    assert (params.experiment, params.task.model.num_classes) == ("yolact_resnet50_coco", 4)
    model = build_small(params.task.model)
    restore.restore_model(model, output)
    np.testing.assert_array_equal(model.head.class_conv.bias, tensors["prediction_layers.0.conf_layer.bias"])
    account = json.loads(pathlib.Path(output, "import.json").read_text())
    assert account["read"] == len(tensors) == account["mapped"] + len(account["skipped"])
    record = sidecar.read(f"{output}/ckpt-0")
    assert set(record.files) == {"ckpt-0.index", "ckpt-0.data-00000-of-00001"}
    assert record.identity["task.model.anchor.square"] is True
    assert not architecture.find_changes(record.identity, params.as_dict())
    (found,) = scan.find_checkpoints(output)
    assert verify.find_damage(found) == ""
    text = pathlib.Path(output, "params.yaml").read_text()
    assert "      square: true" in text
    pathlib.Path(output, "params.yaml").write_text(text.replace("      square: true", "      square: false"))
    with pytest.raises(ValueError, match="was edited.*anchor.square is False, but was True"):
        serving_loading.load(output)


def test_names_must_be_given_and_be_as_many(write, tmp_path):
    output = str(tmp_path / "model")
    with pytest.raises(ValueError, match="3 classes of its own: name them with --classes FILE"):
        torch_import.import_torch(write(), output, refuse_to_build, "yolact_resnet50")
    two = categories_lib.Categories((1, 2), ("a", "b"))
    with pytest.raises(ValueError, match="has 3 classes without background, but 2 are named"):
        torch_import.import_torch(write(), output, refuse_to_build, "yolact_resnet50", two)
    assert not os.path.exists(output)


@pytest.mark.parametrize(
    ("changes", "drop", "message"),
    [
        (
            {"head.extra.weight": np.zeros(3, np.float32)},
            (),
            "1 tensors do not fit: head.extra.weight: no place",
        ),
        ({}, ("fpn.pred_layers.1.",), "2 tensors do not fit: fpn.pred_layers.1.weight: missing"),
        (
            {"fpn.lat_layers.0.bias": np.zeros(255, np.float32)},
            (),
            r"fpn.lat_layers.0.bias: \[255\], expected \[256\]",
        ),
        ({"fpn.lat_layers.0.bias": np.zeros(256, np.int64)}, (), "fpn.lat_layers.0.bias is int64"),
        ({"fpn.lat_layers.0.bias": np.full(256, np.nan, np.float32)}, (), "values that are not finite"),
        ({"backbone.bn1.running_var": np.full(64, -1, np.float32)}, (), "holds a negative variance"),
    ],
)
def test_what_is_not_explained_is_an_error_and_nothing_is_written(write, tmp_path, changes, drop, message):
    output = str(tmp_path / "model")
    with pytest.raises(ValueError, match=message):
        torch_import.import_torch(write(changes, drop=drop), output, build_small, "yolact_resnet50", NAMES)
    assert not os.path.exists(output)


def test_old_copies_and_keys_that_a_person_names_are_skipped_with_the_reason(write, tmp_path):
    changes = {
        "backbone.layer1.0.conv1.weight": np.zeros((64, 64, 1, 1), np.float32),
        "my_branch.weight": np.zeros(3, np.float32),
    }
    done = torch_import.import_torch(
        write(changes), str(tmp_path / "model"), build_small, "yolact_resnet50", NAMES, ["my_branch."]
    )
    reasons = dict(done.skipped)
    assert reasons["backbone.layer1.0.conv1.weight"] == "an old second copy of the backbone"
    assert reasons["my_branch.weight"] == "left out as asked"
    assert any("left out as asked: my_branch.weight" in line for line in done.lines())


def test_a_directory_that_training_wrote_is_left_alone(write, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "params.yaml").write_text("experiment: x")
    with pytest.raises(ValueError, match="holds a model that no import wrote"):
        torch_import.import_torch(write(), str(tmp_path / "run"), refuse_to_build, "yolact_resnet50", NAMES)


@pytest.fixture(scope="module")
def imagenet(original_keys, torch_writer, tmp_path_factory):
    """A torchvision ResNet-50, and the directory of its import."""
    folder = tmp_path_factory.mktemp("imagenet")
    drawn = original_keys.draw(original_keys.torchvision_resnet(50))
    torch_writer.write_legacy(folder / "resnet50-19c8e357.pth", drawn)
    output = str(folder / "resnet50")
    done = torch_import.import_torch(str(folder / "resnet50-19c8e357.pth"), output, build_small)
    return drawn, output, done


def test_torchvision_s_resnet_becomes_a_backbone_to_start_from(imagenet):
    drawn, output, done = imagenet
    assert (done.modules, done.experiment) == ("backbone", "yolact_resnet50_coco")
    assert {"backbone.fc.weight", "backbone.fc.bias"} <= {key for key, _ in done.skipped}
    assert len(done.mapped) == 53 + 4 * 53
    model = build_small(loading.load_experiment("yolact_resnet50_coco").task.model)
    restored = restore.restore_model(model, output, "backbone")
    assert restored.num_tensors == len(model.backbone.variables)
    kernel = drawn["layer3.4.conv2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.backbone.stages[2][4].conv2.kernel, kernel)
    np.testing.assert_array_equal(model.backbone.bn1.moving_variance, drawn["bn1.running_var"])


def test_the_same_backbone_starts_the_deformable_one(imagenet):
    drawn, output, _ = imagenet
    model = build_small(loading.load_experiment("yolact_plus_resnet50_coco").task.model)
    restored = restore.restore_model(model, output, "backbone")
    deformable = model.backbone.stages[1][0].conv2
    np.testing.assert_array_equal(deformable.kernel, drawn["layer2.0.conv2.weight"].transpose(2, 3, 1, 0))
    assert not np.any(deformable.offset_conv.kernel)
    assert not np.any(deformable.bias)
    # 13 deformable convolutions have a bias and an offset convolution that ImageNet does not.
    assert restored.num_tensors == len(model.backbone.variables) - 3 * 13


def test_the_original_s_darknet_backbone_imports(original_keys, torch_writer, tmp_path):
    drawn = original_keys.draw(original_keys.darknet())
    torch_writer.write_legacy(tmp_path / "darknet53.pth", drawn)
    done = torch_import.import_torch(str(tmp_path / "darknet53.pth"), str(tmp_path / "out"), build_small)
    assert (done.experiment, done.modules, len(done.mapped)) == ("yolact_darknet53_coco", "backbone", 52 * 5)


def test_the_command_prints_the_account(write, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("date\nfig\nhazelnut\n")
    arguments = ["import-weights", write(), "--output", str(tmp_path / "model"), "--model", "yolact_resnet50"]
    assert main.main([*arguments, "--classes", str(tmp_path / "names.txt"), "--json"]) == 0
    printed = capsys.readouterr()
    account = json.loads(printed.out)
    assert (account["num_classes"], account["modules"], account["missing"]) == (4, "all", 0)
    assert "tensors read" in printed.err
    assert "0 missing" in printed.err
    assert "recognised by --model yolact_resnet50: resnet50, 3 anchors a cell, 4 classes" in printed.err
    assert main.main(arguments) == 2
    assert "name them with --classes FILE" in capsys.readouterr().err
