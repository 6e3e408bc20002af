"""Every published configuration imports: its keys, parameters and anchors are the original's."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import official_yolact
from official_yolact import registry_imports  # noqa: F401  fills the registries
from official_yolact.importing import torch_import
from official_yolact.modeling import factory
from official_yolact_runtime import categories

pytestmark = pytest.mark.slow

# original's name: what makes the keys, number of keys, parameters, anchors, input size
PUBLISHED = {
    "yolact_base": (("resnet101", 3, 81, False), 660, 50_157_071, 19_248, 550),
    "yolact_im700": (("resnet101", 3, 81, False), 660, 50_157_071, 30_963, 700),
    "yolact_im400": (("resnet101", 3, 81, False), 660, 50_157_071, 10_077, 400),
    "yolact_resnet50": (("resnet50", 3, 81, False), 354, 31_164_943, 19_248, 550),
    "yolact_darknet53": (("darknet53", 3, 81, False), 348, 47_783_087, 19_248, 550),
    "yolact_resnet50_pascal": (("resnet50", 3, 21, False), 354, 30_734_623, 19_248, 550),
    "yolact_plus_base": (("resnet101", 9, 81, True), 705, 52_571_142, 57_744, 550),
    "yolact_plus_resnet50": (("resnet50", 9, 81, True), 405, 33_766_460, 57_744, 550),
}
# The others are imported whole in test_recorded_outputs.
IMPORTED = ["yolact_base", "yolact_resnet50_pascal", "yolact_plus_base"]
RESIZED = [pytest.param(name, marks=pytest.mark.rare) for name in ("yolact_im700", "yolact_im400")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_restated_keys_are_as_many_as_the_original_s(name: str, original_keys: Any) -> None:
    parts, num_keys, num_parameters, _, _ = PUBLISHED[name]
    shapes = dict(original_keys.detector(*parts))
    assert len(shapes) == num_keys
    assert original_keys.count_parameters(shapes.items()) == num_parameters


@pytest.fixture(scope="module")
def files(original_keys: Any, torch_writer: Any, tmp_path_factory: Any) -> Any:
    """Writes a file for a model, with the junk that published ones hold; one for each set of keys."""
    folder = tmp_path_factory.mktemp("published")
    written: dict[Any, tuple[pathlib.Path, dict[str, np.ndarray]]] = {}

    def write(name: str) -> tuple[str, dict[str, np.ndarray]]:
        parts = PUBLISHED[name][0]
        if parts not in written:
            tensors = original_keys.draw(original_keys.detector(*parts))
            for kind, shape in (("weight", (256, 256, 3, 3)), ("bias", (256,))):
                tensors[f"fpn.downsample_layers.2.{kind}"] = np.zeros(shape, np.float32)
            path = folder / f"{len(written)}.pth"
            torch_writer.write_legacy(path, tensors)
            written[parts] = path, tensors
        path, tensors = written[parts]
        named = folder / f"{name}_54_800000.pth"
        if not named.exists():
            named.hardlink_to(path)
        return str(named), tensors

    return write


@pytest.mark.parametrize("name", [*IMPORTED, *RESIZED])
def test_generated_weights_import_by_the_published_file_name(
    name: str, files: Any, tmp_path: pathlib.Path
) -> None:
    _, num_keys, num_parameters, num_anchors, side = PUBLISHED[name]
    path, tensors = files(name)
    done = torch_import.import_torch(path, str(tmp_path / "model"), factory.build_model)
    assert done.num_read == num_keys + 2
    reasons = dict.fromkeys(reason for _, reason in done.skipped)
    assert list(reasons) == ["a counter that nothing reads", "a layer that old files hold and no model uses"]
    predictor = official_yolact.load(str(tmp_path / "model"))
    model, config = predictor.runtime.detector.model, predictor.runtime.detector.config
    assert sum(int(np.prod(one.shape)) for one in model.trainable_variables) == num_parameters
    assert len(factory.build_anchors(config)) == num_anchors
    assert list(config.input_size) == [side, side]
    known = categories.PASCAL if name.endswith("pascal") else categories.COCO
    assert predictor.categories == known
    kernel = tensors["backbone.layers.2.5.conv3.weight"]
    np.testing.assert_array_equal(model.backbone.stages[2][5].conv3.kernel, kernel.transpose(2, 3, 1, 0))
    boxes = tensors["prediction_layers.0.bbox_layer.bias"].reshape(-1, 4)[:, [1, 0, 3, 2]]
    np.testing.assert_array_equal(model.head.box_conv.bias, boxes.ravel())
