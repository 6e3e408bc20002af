"""Names of published weights."""

import re

import pytest

from official_yolact.configs import experiments
from official_yolact.weights import named_weights


@pytest.mark.parametrize("name", named_weights.ENTRIES)
def test_each_name_fits_the_backbone_and_the_pixels_of_its_experiments(name):
    entry = named_weights.find(name)
    for experiment in entry.experiments:
        model = experiments.EXPERIMENTS[experiment]().task.model
        section = model.backbone.get()
        settings = {key: value for key, value in entry.settings.items() if key != "filter_size_scale"}
        assert model.backbone.type == entry.backbone
        assert {key: getattr(section, key) for key in settings} == settings
        assert model.normalization.mean == pytest.approx(entry.mean, abs=1)
        assert model.normalization.std == pytest.approx(entry.std, abs=1)
        assert model.norm_activation.norm_epsilon == entry.epsilon


def test_files_differ_and_sums_are_hexadecimal():
    entries = named_weights.ENTRIES.values()
    assert len({entry.file_name for entry in entries}) == len(entries)
    assert all(re.fullmatch(r"([0-9a-f]{64})?", entry.sha256) for entry in entries)
    for entry in entries:
        # torchvision writes the first digits of the sum into the name.
        stated = re.search(r"resnet\d+-([0-9a-f]{8})\.pth", entry.file_name)
        assert stated is None or entry.sha256.startswith(stated[1])


@pytest.mark.parametrize(
    ("experiment", "width", "name"),
    [
        ("yolact_mobilenetv2_coco", 1.0, "imagenet/mobilenetv2"),
        ("yolact_mobilenetv2_coco", 0.5, "imagenet/mobilenetv2-0.5"),
        ("yolact_mobilenetv2_coco", 0.4, None),
        ("yolact_resnet50_coco", 1.0, "imagenet/resnet50"),
        ("yolact_im700_coco", 1.0, "imagenet/resnet101"),
        ("yolact_darknet53_coco", 1.0, "imagenet/darknet53"),
        ("yolact_next_resnet50_coco", 1.0, "imagenet/resnet50"),
        ("yolact_next_mobilenetv2_coco", 0.5, "imagenet/mobilenetv2-0.5"),
        ("yolact_tiny_shapes", 1.0, None),
    ],
)
def test_an_experiment_has_the_weights_of_its_backbone(experiment, width, name):
    assert named_weights.for_experiment(experiment, width) == name


def test_a_folder_of_that_path_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_weights.is_name("imagenet/resnet50")
    assert named_weights.is_name("imagenet/resnet5")
    assert not named_weights.is_name("runs/imagenet")
    assert not named_weights.is_name("imagenet")
    (tmp_path / "imagenet/resnet50").mkdir(parents=True)
    assert not named_weights.is_name("imagenet/resnet50")


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(
        ValueError, match=r"no weights are called 'imagenet/mobilnetv2': did you mean imagenet/mobilenetv2"
    ):
        named_weights.find("imagenet/mobilnetv2")
    assert named_weights.find("yolact/base").name == "yolact/resnet101"
