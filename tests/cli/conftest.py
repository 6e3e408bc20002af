"""A model directory of the smallest size, and a folder of photos with annotations."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from official_yolact_runtime import categories

_MODEL = {
    "num_classes": 3,
    "class_prior": 0.0,
    "input_size": [64, 64],
    "backbone": {"resnet": {"model_id": 18, "depth_multiplier": 0.25}},
    "decoder": {"yolact_fpn": {"num_filters": 16}},
    "protonet": {"num_filters": 16, "num_prototypes": 4},
    "head": {"num_filters": 16},
}


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A directory as training leaves it, with initial weights and the classes fig and date."""
    from official.core import train_utils
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.importing import model_folder
    from official_yolact.modeling import factory

    folder = str(tmp_path_factory.mktemp("model"))
    params = loading.load_experiment("yolact_tiny_shapes", overrides=[str({"task": {"model": _MODEL}})])
    train_utils.serialize_config(params, folder)
    categories.Categories((3, 5), ("fig", "date")).save(os.path.join(folder, categories.FILE_NAME))
    model_folder.save_model(factory.build_model(params.task.model, seed=3), folder)
    return folder


@pytest.fixture
def photos(tmp_path):
    """Folder with 7.jpg, 8.jpg and 9.jpg, each of its own size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("7", (48, 64)), ("8", (90, 50)), ("9", (64, 64))):
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{name}.jpg")
    return folder


@pytest.fixture
def annotations(tmp_path):
    """COCO annotations of the photos: one fig, one date, and a photo without objects."""

    def box(left, top, side):
        return {
            "bbox": [left, top, side, side],
            "area": side * side,
            "iscrowd": 0,
            "segmentation": [[left, top, left + side, top, left + side, top + side, left, top + side]],
        }

    sizes = {7: (48, 64), 8: (90, 50), 9: (64, 64)}
    content = {
        "images": [
            {"id": str(i), "file_name": f"{i}.jpg", "height": h, "width": w} for i, (h, w) in sizes.items()
        ],
        "categories": [{"id": 3, "name": "fig"}, {"id": 5, "name": "date"}],
        "annotations": [
            {"id": 0, "image_id": 7, "category_id": 3, **box(5, 5, 20)},
            {"id": 1, "image_id": 8, "category_id": 5, **box(10, 30, 25)},
        ],
    }
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    return path
