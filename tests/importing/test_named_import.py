"""Files of named weights: each must hold what its name says."""

import pytest

from official_yolact import registry_imports  # noqa: F401  fills the registries
from official_yolact.checkpoints import restore
from official_yolact.importing import named_import
from official_yolact.modeling import factory
from official_yolact.weights import named_weights


@pytest.fixture
def small(monkeypatch):
    """Networks are built at a size at which that is quick; weights do not depend on it."""
    build = factory.build_model

    def build_small(config):
        config.input_size = [64, 64]
        return build(config)

    monkeypatch.setattr(factory, "build_model", build_small)


def test_a_backbone_of_torchvision_is_the_backbone_of_its_experiments(
    small, original_keys, torch_writer, tmp_path
):
    torch_writer.write_zip(tmp_path / "w.pth", original_keys.draw(original_keys.torchvision_resnet(50)))
    entry, output = named_weights.find("imagenet/resnet50"), str(tmp_path / "out")
    done = named_import.import_file(entry, str(tmp_path / "w.pth"), output)
    assert (done.modules, done.experiment) == ("backbone", "yolact_resnet50_coco")
    from official_yolact.configs import loading

    model = factory.build_model(loading.load_experiment("yolact_plus_resnet50_coco").task.model)
    # Those of a plain ResNet start a deformable one.
    assert restore.restore_model(model, output, "backbone").num_tensors == len(done.mapped)


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("imagenet/resnet101", "backbone", "is a resnet50 backbone, but yolact_resnet101_coco is built on resnet101"),
        ("yolact/resnet50", "backbone", "holds a backbone alone, expected is a whole model"),
        ("imagenet/resnet50", "detector", "holds a whole model, expected is a backbone alone"),
        ("yolact/im700", "detector", "says yolact_im700_coco, but the tensors are of resnet50"),
    ],
)  # fmt: skip
def test_a_file_of_other_weights_is_refused_before_anything_is_written(
    original_keys, torch_writer, tmp_path, name, shapes, message
):
    made = (
        original_keys.detector("resnet50") if shapes == "detector" else original_keys.torchvision_resnet(50)
    )
    torch_writer.write_zip(tmp_path / "w.pth", original_keys.zeros(made))
    with pytest.raises(ValueError, match=rf"w.pth: .*{message}"):
        named_import.import_file(named_weights.find(name), str(tmp_path / "w.pth"), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
