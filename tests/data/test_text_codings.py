"""Every reader of text takes UTF-8 with a byte order mark, and refuses UTF-16 with the name of the cure."""

import json

import PIL.Image
import pytest

from official_yolact.cli import main

POINTS = [[2, 2], [20, 2], [20, 20]]
FLAT = [number for point in POINTS for number in point]
OBJECT = {"category_id": 1, "bbox": [2, 2, 18, 18], "area": 171, "iscrowd": 0, "segmentation": [FLAT]}
COCO = json.dumps(
    {
        "images": [
            {"id": at, "file_name": f"{name}.png", "height": 40, "width": 40}
            for at, name in ((1, "a"), (2, "b"))
        ],
        "annotations": [{"id": 1, "image_id": 1, **OBJECT}, {"id": 2, "image_id": 2, **OBJECT}],
        "categories": [{"id": 1, "name": "fïg"}],
    },
    ensure_ascii=False,
)
FOUND = json.dumps([{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [2, 2, 18, 18]}])
LABELME = json.dumps(
    {
        "imagePath": "a.png",
        "imageHeight": 40,
        "imageWidth": 40,
        "shapes": [{"label": "fig", "points": POINTS}],
    }
)
SHAPE = {"name": "polygon", "all_points_x": [2, 20, 20], "all_points_y": [2, 2, 20]}
VIA = json.dumps(
    {
        "a": {
            "filename": "a.png",
            "regions": [{"shape_attributes": SHAPE, "region_attributes": {"class": "fig"}}],
        }
    }
)
CSV = 'filename,region_shape_attributes,region_attributes\na.png,"{}","{{""class"": ""fig""}}"\n'.format(
    json.dumps(SHAPE).replace('"', '""')
)
POLYGON = {"points": POINTS, "polygonlabels": ["fig"]}
TASKS = json.dumps([{"data": {"image": "a.png"}, "annotations": [{"result": [{"value": POLYGON}]}]}])
LINE = "0 0.1 0.1 0.5 0.1 0.5 0.5\n"
YOLO = ["data", "yolo", "yolo", "--output", "made.json", "--yes"]
CHECK = ["data", "check", "ann.json", "--images", "."]

# What is read, its text, and the command.
READERS = {
    "check": ("ann.json", COCO, CHECK),
    "check against": ("other.json", COCO, [*CHECK, "--against", "other.json"]),
    "convert": ("ann.json", COCO, ["data", "convert", "ann.json", "--images", ".", "--output", "rec", "--split", "a"]),
    "stats": ("ann.json", COCO, ["data", "stats", "ann.json"]),
    "split": ("ann.json", COCO, ["data", "split", "ann.json", "--output", "parts", "--fractions", "x=0.5,y=0.5"]),
    "init": (
        "ann.json", COCO,
        ["data", "init", "--train", "ann.json", "--val", "ann.json", "--images", ".", "--output", "my.yaml"],
    ),
    "eval, annotations": ("ann.json", COCO, ["eval", "--detections", "found.json", "--annotations", "ann.json"]),
    "eval, detections": ("found.json", FOUND, ["eval", "--detections", "found.json", "--annotations", "ann.json"]),
    "labelme": ("labelme/a.json", LABELME, ["data", "labelme", "labelme", "--output", "made.json"]),
    "via": ("via.json", VIA, ["data", "via", "via.json", "--images", ".", "--output", "made.json", "--yes"]),
    "via, csv": ("via.csv", CSV, ["data", "via", "via.csv", "--images", ".", "--output", "made.json", "--yes"]),
    "label studio": ("ls.json", TASKS, ["data", "labelstudio", "ls.json", "--images", ".", "--output", "made.json", "--yes"]),
    "yolo, labels": ("yolo/labels/a.txt", LINE, YOLO),
    "yolo, data.yaml": ("yolo/data.yaml", "train: train.txt\nnames: [fig]\n", YOLO),
    "yolo, list of images": ("yolo/train.txt", "images/a.png\n", YOLO),
    "class list": ("classes.txt", "fig\n", [*YOLO, "--classes", "classes.txt"]),
    "class list, yaml": ("classes.yaml", "- fig\n", [*YOLO, "--classes", "classes.yaml"]),
}  # fmt: skip


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("labelme", "yolo/images", "yolo/labels"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a.png", "b.png", "labelme/a.png", "yolo/images/a.png"):
        PIL.Image.new("RGB", (40, 40), (len(name), 60, ord(name[0]))).save(name)
    for name, text, _ in READERS.values():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize("reader", READERS)
def test_a_byte_order_mark_changes_nothing_and_utf_16_is_refused(work, capsys, reader):
    name, text, words = READERS[reader]
    code = main.main(list(words))
    plain = capsys.readouterr()
    assert code in (0, 1), plain.err
    (work / name).write_text(text, "utf-8-sig")
    assert main.main([*words, *(["--force"] if "--output" in words else [])]) == code
    assert capsys.readouterr().out == plain.out
    for coding in ("utf-16", "utf-16-le", "utf-16-be"):
        (work / name).write_text(text, coding)
        assert main.main([*words, *(["--force"] if "--output" in words else [])]) == 2
        told = capsys.readouterr().err
        assert name in told
        assert "UTF-8" in told
