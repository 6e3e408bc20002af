"""A model directory of the smallest size, and a folder of photos with annotations."""

import json

import numpy as np
import pytest
import tiny_model
from PIL import Image


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A directory as training leaves it, with initial weights and the classes fig and date."""
    return tiny_model.write(tmp_path_factory.mktemp("model"))


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
