"""`--workers` means the same to every command: one bound, one message, before anything is read or written."""

import json

import pytest
from PIL import Image

from official_yolact.cli import main
from official_yolact.data import worker_count


@pytest.fixture
def commands(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30), (9, 80, 120)).save(tmp_path / "photos" / "a.png")
    ring = [[2, 2, 20, 2, 20, 20, 2, 20]]
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": ring, "bbox": [2, 2, 18, 18]}
    image = {"id": 1, "file_name": "a.png", "height": 30, "width": 40}
    content = {"images": [image], "annotations": [entry], "categories": [{"id": 1, "name": "fig"}]}
    path, photos = str(tmp_path / "ann.json"), str(tmp_path / "photos")
    (tmp_path / "ann.json").write_text(json.dumps(content))
    out = ["--output", str(tmp_path / "out")]
    return {
        "convert": ["convert", path, "--images", photos, *out, "--split", "t"],
        "check": ["check", path, "--images", photos],
        "check without images": ["check", path, "--no-images"],
        "shapes": ["shapes", *out, "--train", "1", "--val", "1"],
        "coco2017": ["coco2017", *out, "--base-url", "http://127.0.0.1:1"],
    }


@pytest.mark.parametrize("number", ["0", "-2", "257", "1000000000"])
def test_a_number_of_workers_out_of_bounds_is_refused_alike(number, commands, tmp_path, capsys):
    for name, words in commands.items():
        assert main.main(["data", *words, "--workers", number]) == 2, name
        assert f"workers is {number}: give 1 to {worker_count.MOST}" in capsys.readouterr().err, name
        assert not (tmp_path / "out").exists(), name


@pytest.mark.parametrize("text", ["two", "1.5", "", "9" * 5000], ids=["word", "fraction", "empty", "digits"])
def test_what_is_no_number_is_refused_alike(text, commands, capsys):
    for name, words in commands.items():
        assert main.main(["data", *words, "--workers", text]) == 2, name
        assert "argument --workers: invalid int value" in capsys.readouterr().err, name


def test_one_worker_does(commands, capsys):
    for name in ("convert", "check", "shapes"):
        assert main.main(["data", *commands[name], "--workers", "1"]) != 2, capsys.readouterr().err
