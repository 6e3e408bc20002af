"""Picture files of a kind that is not read are counted and named by every command that looks through a folder."""

import json

import PIL.Image
import pytest

from official_yolact.cli import main
from official_yolact.images import image_folders
from official_yolact.serving import sources

POINTS = [[2, 2], [20, 2], [20, 20]]
SHAPE = {"name": "polygon", "all_points_x": [2, 20, 20], "all_points_y": [2, 2, 20]}
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
SAID = "photos: 3 files of a kind that is not read (1 .avif, 2 .heic): convert them to JPEG or PNG"

COMMANDS = {
    "convert": "data convert ann.json --images photos --output rec --split a",
    "labelme": "data labelme labelme --images photos --output made.json",
    "via": "data via via.json --images photos --output made.json",
    "labelstudio": "data labelstudio ls.json --images photos --output made.json",
    "masks": "data masks photos masks --output made.json",
    "yolo": "data yolo photos --classes classes.txt --output made.json",
}


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("photos/below", "labelme", "masks"):
        (tmp_path / folder).mkdir(parents=True)
    PIL.Image.new("RGB", (40, 40), (90, 80, 70)).save("photos/a.png")
    for name in ("b.HEIC", "below/c.heic", "d.avif", ".hidden.heic", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(HEIC)
    write = {
        "ann.json": {
            "images": [{"id": 1, "file_name": "a.png", "height": 40, "width": 40}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 18, 18], "segmentation": [[2, 2, 20, 2, 20, 20]]}
            ],
            "categories": [{"id": 1, "name": "fig"}],
        },
        "labelme/a.json": {"imagePath": "a.png", "shapes": [{"label": "fig", "points": POINTS}]},
        "via.json": {"a": {"filename": "a.png", "regions": [{"shape_attributes": SHAPE, "region_attributes": {"c": "fig"}}]}},
        "ls.json": [{"data": {"image": "a.png"}, "annotations": [{"result": [{"value": {"points": POINTS, "polygonlabels": ["fig"]}}]}]}],
    }  # fmt: skip
    for name, content in write.items():
        (tmp_path / name).write_text(json.dumps(content))
    PIL.Image.new("L", (40, 40), 1).save("masks/a.png")
    (tmp_path / "classes.txt").write_text("fig\n")
    (tmp_path / "photos" / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_them(work, capsys, command):
    assert main.main(COMMANDS[command].split()) == 0
    assert SAID in capsys.readouterr().err


def test_the_check_has_a_code_for_them(work, capsys):
    main.main(["data", "check", "ann.json", "--images", "photos"])
    told = capsys.readouterr().out
    assert "D56  info           3  picture files of a kind that is not read" in told
    assert "1 .avif, 2 .heic" in told


def test_prediction_names_those_of_its_folder_alone(work):
    said = "photos: 2 files of a kind that is not read (1 .avif, 1 .heic): convert them to JPEG or PNG"
    assert sources.describe_unread(["photos", "photos/a.png"]) == [said]
    with pytest.raises(ValueError, match=r"below: 1 file of a kind that is not read \(.heic\)"):
        sources.find_pictures(["photos/below"])


@pytest.mark.parametrize(
    "words",
    [["masks", "photos", "masks"], ["yolo", "photos", "--classes", "classes.txt"]],
    ids=["masks", "yolo"],
)
def test_a_folder_without_a_picture_that_is_read_says_so(work, capsys, words):
    (work / "photos" / "a.png").unlink()
    assert main.main(["data", *words, "--output", "made.json"]) == 2
    assert SAID.removeprefix("photos: ") in capsys.readouterr().err


def test_a_heic_that_is_listed_is_named_by_its_format(work, capsys):
    content = json.loads((work / "ann.json").read_text())
    content["images"][0]["file_name"] = "b.HEIC"
    (work / "ann.json").write_text(json.dumps(content))
    assert main.main(COMMANDS["convert"].split()) == 2
    assert "HEIC or AVIF, which are not read: save it as JPEG or PNG" in capsys.readouterr().err


def test_a_file_that_is_listed_and_read_is_not_counted(tmp_path):
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "a.jp2")
    assert image_folders.count_unread(str(tmp_path)) == {".jp2": 1}
    assert image_folders.count_unread(str(tmp_path), named={"a.jp2"}) == {}
