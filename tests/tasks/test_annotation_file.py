"""A wrong `task.annotation_file` is found by `config check` and when a run starts, not at its first evaluation."""

import json
import os
import pathlib
import shutil

import pytest

from official_yolact.cli import main


def renumber(content):
    for image in content["images"]:
        image["id"] += 1000
    for annotation in content["annotations"]:
        annotation["image_id"] += 1000


def rename_images(content):
    for image in content["images"]:
        image["file_name"] = f"other_{image['file_name']}"


def rename_classes(content):
    for category in content["categories"]:
        category["name"] = f"other {category['name']}"


def rename_a_class(content):
    content["categories"][0]["name"] = "pear"


def turn(content):
    for image in content["images"]:
        image["height"] += 3
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[1, 1, 9, 1, 9, 9]]


def break_an_outline(content):
    content["annotations"][0]["segmentation"] = [[1, 2, "x"]]


def add_an_image(content):
    content["images"].append({**content["images"][0], "id": 999})


def drop_an_image(content):
    content["annotations"] = [
        a for a in content["annotations"] if a["image_id"] != content["images"][0]["id"]
    ]
    del content["images"][0]


ERRORS = {
    "missing": (None, "No such file"),
    "no JSON": ("{", "not JSON"),
    "no instances": ("[]", "expected a COCO instance annotation file"),
    "ids of other images": (renumber, "lists none of the images of"),
    "names of other images": (rename_images, "it is of other images"),
    "sizes of other images": (turn, "but the picture has 64 and 64"),
    "other classes": (rename_classes, "none in common"),
    "a broken outline": (break_an_outline, "segmentation"),
}
WARNINGS = {
    "an image more": (add_an_image, "lists 1 images that are not in"),
    "an image less": (drop_an_image, "does not list 1 of the images"),
    "a class of another name": (
        rename_a_class,
        "objects of 1 categories that are no classes of the model: 'pear'",
    ),
}


def make(records, folder, change):
    path = folder / "val.json"
    if callable(change):
        content = json.loads(pathlib.Path(records, "instances-val.json").read_text())
        change(content)
        path.write_text(json.dumps(content))
    elif change is not None:
        path.write_text(change)
    return str(path)


def configure(records, folder, path):
    config = folder / "mine.yaml"
    config.write_text(
        "experiment: yolact_tiny_shapes\ntask:\n"
        f"  train_data: {{input_path: {records}/train-*}}\n"
        f"  validation_data: {{input_path: {records}/val-*}}\n"
        f"  annotation_file: '{path}'\n"
    )
    return str(config)


@pytest.mark.parametrize(("change", "says"), ERRORS.values(), ids=ERRORS.keys())
def test_a_file_that_cannot_be_evaluated_against_is_refused_by_both(
    tiny_records, tmp_path, capsys, change, says
):
    folder = tmp_path / ("a name that is not shortened " * 5)
    folder.mkdir()
    path = make(tiny_records, folder, change)
    config = configure(tiny_records, tmp_path, path)
    assert main.main(["config", "check", config]) == 2
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"error: {config}:5: task.annotation_file: {path!r}, but it cannot be")
    assert says in first, first
    assert last.endswith("1 error: it cannot be used")
    assert main.main(["train", config, "--model_dir", str(tmp_path / "run"), "--mode=train_and_eval"]) == 2
    assert first.partition("mine.yaml:5: ")[2] in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("change", "says"), WARNINGS.values(), ids=WARNINGS.keys())
def test_a_file_that_fits_in_part_is_a_warning(tiny_records, tmp_path, capsys, change, says):
    config = configure(tiny_records, tmp_path, make(tiny_records, tmp_path, change))
    assert main.main(["config", "check", config]) == 0
    first, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"warning: {config}:5: task.annotation_file: ")
    assert says in first, first


@pytest.mark.parametrize("named", [True, False], ids=["named", "the converter's"])
def test_the_file_of_the_records_passes_without_a_word(tiny_records, tmp_path, capsys, named):
    config = configure(tiny_records, tmp_path, f"{tiny_records}/instances-val.json" if named else "")
    assert main.main(["config", "check", config]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{config}: it can be used"]


def test_the_converters_file_is_missed_where_records_are(tiny_records, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(tiny_records, records)
    os.remove(records / "instances-val.json")
    assert main.main(["config", "check", configure(records, tmp_path, "")]) == 2
    assert "instances-val.json: no such annotation file" in capsys.readouterr().out


def test_without_a_list_of_images_the_ids_in_the_records_decide(tiny_records, tmp_path, capsys):
    records = tmp_path / "records"
    shutil.copytree(tiny_records, records, ignore=shutil.ignore_patterns("*-val.json"))
    for change, code in ((renumber, 2), (rename_images, 0)):
        path = make(tiny_records, tmp_path, change)
        assert main.main(["config", "check", configure(records, tmp_path, path)]) == code
        assert ("lists none of the images" in capsys.readouterr().out) == (code == 2)


def test_the_annotations_of_records_that_are_not_here_are_not_missed(tmp_path, capsys):
    assert main.main(["config", "check", configure(tmp_path / "gone", tmp_path, "")]) == 2
    assert "task.annotation_file" not in capsys.readouterr().out
    assert main.main(["config", "check", configure(tmp_path / "gone", tmp_path, "/nowhere.json")]) == 2
    assert "'/nowhere.json', but it cannot be evaluated against" in capsys.readouterr().out
