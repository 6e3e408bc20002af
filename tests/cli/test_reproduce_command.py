"""`yolact reproduce` from nothing: weights and images from a server of this machine, AP beside the published one."""

import io
import json
import zipfile

import file_server
import numpy as np
import pytest
from PIL import Image

from official_yolact.cli import main
from official_yolact.weights import cache
from official_yolact.weights import imported
from official_yolact.weights import named_weights
from official_yolact.weights import published

NAME = "yolact/resnet101"


def make_zip(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def draw_photo():
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A COCO of two photos, of which each has one dog and one has no picture."""
    names = [f"{number:012d}.jpg" for number in (1, 2)]
    images = [{"id": i, "file_name": name, "height": 48, "width": 64} for i, name in enumerate(names, 1)]
    shape = {"bbox": [2, 3, 30, 20], "area": 600, "segmentation": [[2, 3, 32, 3, 32, 23, 2, 23]]}
    annotations = [{"id": i, "image_id": i, "category_id": 18, "iscrowd": 0, **shape} for i in (1, 2)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 18, "name": "dog"}]}
    photos = {f"val2017/{names[0]}": draw_photo(), f"val2017/{names[1]}": b"broken"}
    files = {
        "/zips/val2017.zip": make_zip(photos),
        "/annotations/annotations_trainval2017.zip": make_zip(
            {"annotations/instances_val2017.json": json.dumps(content)}
        ),
    }
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    with file_server.serve(files) as running:
        monkeypatch.setenv(cache.MIRROR_VARIABLE, running.url)
        yield running


def run(capsys, *words):
    code = main.main(["reproduce", *map(str, words)])
    return code, *capsys.readouterr()


@pytest.mark.slow
def test_a_published_model_is_measured_from_nothing_with_the_names_alone(
    server, torch_writer, original_keys, tmp_path, capsys
):
    path = tmp_path / "weights.pth"
    torch_writer.write_zip(path, original_keys.draw(original_keys.detector("resnet101")))
    server.files[f"/{named_weights.find(NAME).file_name}"] = path.read_bytes()
    code, out, err = run(capsys, NAME, "--base-url", server.url, "--json")
    assert code == 0, err
    *table, line = out.splitlines()
    found = json.loads(line)
    assert (found["name"], found["experiment"], found["images"]) == (NAME, "yolact_resnet101_coco", 2)
    assert found["weights"]["checkpoint"].startswith(imported.find_directory(named_weights.find(NAME)))
    assert len(found["skipped"]) == 1
    assert found["annotations"].startswith(str(tmp_path / "cache"))
    assert {"box_AP", "mask_AP50"} <= found["exact_boxes"].keys() & found["integer_boxes"].keys()
    assert min(found["seconds"].values()) > 0
    assert found["machine"]
    assert [row["mask_ap"] for row in found["published"]] == [29.8, 29.83]
    assert table[1].startswith("measured here ")
    assert table[2].startswith("measured here, integer boxes ")
    assert "32.54    29.83  COCO val2017" in "\n".join(table)
    assert "lists 2 images, not the 5,000 of val2017" in table[-1]


def test_the_published_figures_are_percentages_with_their_source():
    for figures in published.FIGURES.values():
        for figure in figures:
            assert figure.images in (published.TEST_DEV, published.VAL)
            assert 20 < figure.mask_ap < 40
            assert figure.source


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "imagenet/resnet50",
            "is a backbone, of which no AP on COCO was published: name one of yolact/resnet50",
        ),
        ("runs/mine", "no weights are called 'runs/mine'"),
    ],
)
def test_what_has_no_published_figure_is_refused_before_anything_is_downloaded(server, capsys, name, message):
    code, _, err = run(capsys, name, "--base-url", server.url)
    assert (code, message in err) == (2, True)
    assert server.requests == []
