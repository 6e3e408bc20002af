"""A file of another format is named by its content, with what helps, by every command for COCO files."""

import json
import pathlib

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.coco import other_formats

REGION = {
    "shape_attributes": {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]},
    "region_attributes": {"class": "nut"},
}
VIA = {"a.png1234": {"filename": "a.png", "size": 1234, "regions": [REGION], "file_attributes": {}}}
BRUSH = {"format": "rle", "rle": [0, 0, 1], "brushlabels": ["nut"]}
TASK = {
    "id": 1,
    "annotations": [{"id": 2, "result": [{"type": "brushlabels", "value": BRUSH}]}],
    "data": {"image": "/a.png"},
}
MIN = {
    "image": "/data/upload/1/ab12-a.png",
    "id": 1,
    "label": [{"points": [[1, 1], [9, 1], [9, 9]], "polygonlabels": ["nut"]}],
}
IMAGE = {"id": 1, "file_name": "a.png", "height": 12, "width": 12}
CODE = {"size": [12, 12], "counts": [0, 9, 135]}
CATEGORIES = [{"id": 1, "name": "nut"}]
PERSON = {
    "id": 1,
    "image_id": 1,
    "category_id": 1,
    "bbox": [1, 1, 5, 5],
    "keypoints": [2, 2, 1],
    "num_keypoints": 1,
}


def _coco(*annotations, **fields):
    return {
        "info": {},
        "images": [IMAGE],
        "annotations": list(annotations),
        "categories": CATEGORIES,
        **fields,
    }


# The content, and what the message says of it.
CASES = {
    "via export": (VIA, "(VIA): yolact data via reads it"),
    "via project": ({"_via_settings": {"ui": {}}, "_via_img_metadata": VIA}, "(VIA): yolact data via"),
    "via of version 1": (
        {"a.png1": {"fileref": "", "filename": "a.png", "regions": {"0": REGION}}},
        "yolact data via",
    ),
    "via csv": (
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes\na",
        "CSV of the VGG",
    ),
    "label studio": ([TASK], "Label Studio: yolact data labelstudio reads it"),
    "label studio, short": ([MIN], "yolact data labelstudio"),
    "label studio, predictions": ([{"data": {"x": "a"}, "predictions": []}], "yolact data labelstudio"),
    "label studio, one task": (TASK, "yolact data labelstudio"),
    "label studio, short and empty": (
        [{"image": "/a.png", "id": 1, "annotator": 1, "annotation_id": 3}],
        "labelstudio",
    ),
    "label studio, completions": (
        [{"data": {"image": "/a.png"}, "completions": [{"result": []}]}],
        "labelstudio",
    ),
    "via 3": (
        {"project": {}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}},
        "VIA 3",
    ),
    "labelme": (
        {"version": "5.0", "shapes": [], "imagePath": "a.png", "imageData": None},
        "yolact data labelme",
    ),
    "panoptic": (
        {**_coco({"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 7, "category_id": 1}]})},
        "panoptic annotations of COCO",
    ),
    "captions": (
        {"images": [IMAGE], "annotations": [{"id": 1, "image_id": 1, "caption": "a"}]},
        "captions of COCO",
    ),
    "captions with categories": (_coco({"id": 1, "image_id": 1, "caption": "a"}), "captions of COCO"),
    "segment anything": (
        {
            "image": {"image_id": 1, "file_name": "a.jpg"},
            "annotations": [{"segmentation": CODE, "predicted_iou": 0.9}],
        },
        "masks of Segment Anything",
    ),
    "segment anything, a list": (
        [{"segmentation": CODE, "stability_score": 0.9}],
        "masks of Segment Anything",
    ),
    "supervisely": (
        {"description": "", "size": {"height": 9, "width": 9}, "objects": []},
        "a file of Supervisely",
    ),
    "cityscapes": ({"imgHeight": 9, "imgWidth": 9, "objects": []}, "polygons of Cityscapes"),
    "geojson": ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
    "createml": ([{"image": "a.png", "annotations": [{"label": "a", "coordinates": {"x": 1}}]}], "CreateML"),
    "results": (
        [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5}],
        "detections (COCO results)",
    ),
    "annotations alone": ([{"id": 1, "image_id": 1, "category_id": 1}], "annotations of a COCO file alone"),
    "cvat": ("<?xml version='1.0'?>\n<annotations>\n<version>1.1</version>", "XML of CVAT"),
    "voc": ("<annotation>\n<folder>a</folder><filename>a.png</filename>", "XML of Pascal VOC"),
    "yolo labels": ("0 0.1 0.1 0.2 0.2 0.3 0.1\n1 0.1 0.1 0.2 0.2", "labels of YOLO"),
    "yolo yaml": ("train: ../train/images\nval: ../valid/images\nnc: 1\nnames: [a]", "data.yaml of YOLO"),
    "zip": (b"PK\x03\x04\x14\0", "a ZIP archive: unpack it"),
    "picture": (b"\x89PNG\r\n\x1a\n", "a picture"),
}
COMMANDS = {
    "check": "data check {} --no-images",
    "convert": "data convert {} --images . --output rec --split train",
    "stats": "data stats {}",
    "split": "data split {} --output parts",
    "init": "data init --train {0} --val {0} --output out.yaml --images .",
    "show": "data show {} --images . --output shown",
    "eval": "eval --detections found.json --annotations {}",
}


def _write(path: pathlib.Path, content) -> str:
    data = (
        content
        if isinstance(content, bytes)
        else content
        if isinstance(content, str)
        else json.dumps(content)
    )
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


@pytest.mark.parametrize("name", CASES)
def test_the_format_and_what_helps_are_named(tmp_path, name):
    content, words = CASES[name]
    # The file's name says nothing, and a byte order mark nothing either.
    path = _write(tmp_path / "export", content)
    assert words in other_formats.recognise(path)
    if not isinstance(content, bytes):
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        assert words in other_formats.recognise(_write(tmp_path / "export", text.encode("utf-8-sig")))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["via export", "label studio", "panoptic", "results", "cvat", "yolo labels"])
def test_every_command_names_the_format(tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (12, 12)).save("a.png")
    content, words = CASES[name]
    path = _write(tmp_path / "export.json", content)
    _write(tmp_path / "found.json", [])
    assert main.main(COMMANDS[command].format(path).split()) == 2
    told = capsys.readouterr().err
    assert "export.json: no COCO instances file, but" in told
    assert words in told


def test_only_the_start_of_a_large_file_is_read(tmp_path):
    start = json.dumps([TASK])[:-1]
    path = _write(tmp_path / "export", start + ", " + '{"data": 1}, ' * 200_000)
    assert "labelstudio" in other_formats.recognise(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        [1],
        {"a": 1},
        {"images": 3},
        _coco(),
        "",
        "word",
        "[" * 100_000,
        '{"a":' * 5000,
        "{]}",
        b"\xff\xfe",
        b"\0",
        "<svg></svg>",
    ],
    ids=[
        "object",
        "list",
        "number",
        "other key",
        "no list",
        "nothing in it",
        "empty",
        "word",
        "deep",
        "deep keys",
        "unpaired",
        "mark alone",
        "nul",
        "other xml",
    ],
)
def test_what_is_no_known_format_is_not_named(tmp_path, content):
    assert other_formats.recognise(_write(tmp_path / "file", content)) == ""


def test_keypoints_without_masks_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (12, 12)).save("a.png")
    path = _write(tmp_path / "person.json", _coco(PERSON))
    assert main.main(["data", "convert", path, "--images", ".", "--output", "rec", "--split", "train"]) == 2
    assert "keypoints of COCO without a mask" in capsys.readouterr().err
    assert main.main(["data", "check", path, "--images", "."]) == 1
    assert "keypoints" in capsys.readouterr().out
    for words in (
        ["stats", path],
        ["init", "--train", path, "--val", path, "--images", ".", "--output", "my.yaml"],
    ):
        assert main.main(["data", *words]) == 0
        told = capsys.readouterr().err
        assert "no annotation has a mask, which a training needs: keypoints of COCO without a mask" in told
    boxes = ["--missing-masks=box", "--output", "rec"]
    assert main.main(["data", "convert", path, "--images", ".", "--split", "train", *boxes]) == 0


def test_a_folder_is_named_by_what_is_in_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, file, content, words in (
        ("yolo", "data.yaml", "names: [a]", "a folder of YOLO: yolact data yolo reads it"),
        ("labelme", "a.json", CASES["labelme"][0], "a folder whose a.json is a file of labelme"),
        ("voc", "a.xml", CASES["voc"][0], "a folder whose a.xml is XML of Pascal VOC"),
    ):
        (tmp_path / name).mkdir()
        _write(tmp_path / name / file, content)
        assert main.main(["data", "stats", name]) == 2
        assert f"{name}: no COCO instances file, but {words}" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main.main(["data", "stats", "empty"]) == 2
    assert "empty: is a folder, not a file" in capsys.readouterr().err


@pytest.mark.parametrize("reader", ["via", "labelstudio"])
@pytest.mark.parametrize("name", ["coco", "labelme", "supervisely", "via export", "label studio"])
def test_the_readers_of_other_formats_name_the_format_too(tmp_path, monkeypatch, capsys, reader, name):
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (12, 12)).save("a.png")
    content, words = {**CASES, "coco": (_coco(), "a COCO file: yolact data check and convert read it")}[name]
    path = _write(tmp_path / "export.json", content)
    code = main.main(["data", reader, path, "--images", ".", "--output", "made.json"])
    told = capsys.readouterr().err
    if (reader, name) in (("via", "via export"), ("labelstudio", "label studio")):
        assert words not in told
    else:
        assert code == 2
        assert words in told


def test_images_of_lvis_are_found_by_their_address(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "val2017").mkdir()
    PIL.Image.new("RGB", (12, 12)).save("val2017/000000000139.png")
    image = {
        **IMAGE,
        "coco_url": "http://images.cocodataset.org/val2017/000000000139.png",
        "neg_category_ids": [3],
    }
    del image["file_name"]
    lvis = _coco(
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}, images=[image]
    )
    path = _write(tmp_path / "lvis.json", lvis)
    for folder in (".", "val2017"):
        assert main.main(["data", "check", path, "--images", folder, "--json"]) in (0, 1)
        found = json.loads(capsys.readouterr().out)["findings"]
        assert not [one for one in found if one["code"] in ("D40", "D42", "D52")]
        words = ["--images", folder, "--output", f"rec-{folder}", "--split", "train"]
        assert main.main(["data", "convert", path, *words]) == 0
