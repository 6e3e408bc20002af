"""What the augmentation does to the sizes of objects is said in numbers."""

import json

import numpy as np
import pytest

from official_yolact.cli import main
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import shown_sizes

PHOTOS = [((400, 800), np.array([[100.0, 200.0, 140.0, 280.0], [10.0, 10.0, 50.0, 90.0]]))] * 3


def measure(**augment):
    return shown_sizes.measure(PHOTOS, configs.Augment(**augment), [200, 200])


def test_without_augmentation_objects_keep_their_size():
    shown = measure(preset="none")
    # 40 x 80 pixels of 400 x 800 are 20 x 20 of 200 x 200.
    assert (shown.before, shown.after, shown.dropped, shown.shrunk) == (20.0, 20.0, 0.0, 0.0)


@pytest.mark.parametrize("transpose", [0.0, 1.0])
def test_a_scale_is_what_objects_are_multiplied_by(transpose):
    shown = measure(min_scale=0.5, max_scale=0.5, transpose=transpose)
    # Transposed photos are shown in a window of the input's proportions, so the area stays.
    assert shown.after == pytest.approx(10.0, abs=0.2)
    assert (shown.dropped, shown.shrunk) == (0.0, 1.0)


def test_objects_that_become_too_small_are_counted():
    shown = measure(min_scale=0.5, max_scale=0.5, min_box_side=12.0)
    assert (shown.dropped, shown.too_small) == (1.0, 1.0)
    assert shown.after == 0.0


def test_windows_that_show_less_than_the_photo_drop_objects_outside():
    shown = measure(min_scale=2.0, max_scale=2.0)
    assert shown.after > 25
    assert 0.2 < shown.dropped < 0.8
    assert (shown.too_small, shown.shrunk) == (0.0, 0.0)


def test_a_set_without_objects_has_no_sizes():
    empty = [((4, 4), np.zeros((0, 4)))]
    assert shown_sizes.measure(empty, configs.Augment(), [200, 200]) is None


def test_stats_judges_a_configuration_by_its_augmentation(tmp_path, capsys):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 400, "width": 800}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "bbox": [200, 100, 80, 40], "iscrowd": number}
            for number in (0, 1)
        ],
        "categories": [{"id": 1, "name": "window"}],
    }
    path, config = tmp_path / "a.json", tmp_path / "a.yaml"
    path.write_text(json.dumps(content))
    config.write_text(
        "experiment: yolact_tiny_shapes\ntask: {train_data: {parser: {augment: {min_scale: 0.5, max_scale: 0.5}}}}\n"
    )
    assert main.main(["data", "stats", str(path), "--config", str(config)]) == 0
    assert (
        "objects: median 13 px in the input; after augmentation 6 px, 0% dropped" in capsys.readouterr().out
    )
    assert main.main(["data", "stats", str(path), "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["augmented"]["shrunk"] == 1.0
    assert main.main(["data", "stats", str(path), "--json"]) == 0
    assert "augmented" not in json.loads(capsys.readouterr().out)
