from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from official_yolact.cli import main
from official_yolact.configs import yolact as configs
from official_yolact.drawing import examples


def test_shapes_then_convert_then_show_gives_pictures(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, records, pictures = (str(tmp_path / name) for name in ("data", "records", "pictures"))
    assert main.main(["data", "shapes", "--output", data, "--train", "12", "--val", "2", "--seed", "1"]) == 0
    assert capsys.readouterr().out == ""
    convert = ["data", "convert", f"{data}/instances_train.json", "--images", f"{data}/train"]
    assert main.main([*convert, "--output", records, "--split", "train", "--shards", "2", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["num_records"] == 12
    assert len(manifest["shards"]) == 2
    show = ["data", "show", "yolact_tiny_shapes", f"task.train_data.input_path={records}/train-*.tfrecord"]
    show.append("task.train_data.parser.augment.copy_paste=0.5,task.train_data.parser.augment.mosaic=0.5")
    assert main.main([*show, "--output", pictures, "--count", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [cv2.imread(path).shape[2] for path in [*printed["pictures"], printed["sheet"]]] == [3] * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shapes", "--output", "x", "--train", "0"], "train is 0"),
        (["convert", "none.json", "--images", ".", "--output", "x", "--split", "a"], "none.json: no such"),
        (["sbd", "none", "--split", "train", "--output", "x.json"], "none/inst: no such folder"),
        (["show", "yolact_tiny_shapes", "--output", "x", "--count", "0"], "count is 0"),
        (["show", "yolact_tiny_shape", "--output", "x"], "did you mean 'yolact_tiny_shapes'"),
        (
            ["show", "yolact_tiny_shapes", "task.train_data.input_path=", "--output", "x"],
            "task.train_data.input_path: None is NoneType",
        ),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [[], ["shapes"], ["sbd"], ["convert"], ["show"]])
def test_help_and_the_modules_behind_shapes_load_no_tensorflow(command: list[str]) -> None:
    program = (
        "import sys; from official_yolact.cli import main; from official_yolact.data.conversion import convert;"
        " from official_yolact.data.sets import sbd, shapes;"
        f" code = main.main({['data', *command, '--help']}); assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "usage" in done.stdout


def test_an_example_is_drawn_in_its_own_colours_and_padding_rows_are_not() -> None:
    normalization = configs.Normalization()
    pixels = np.full((64, 96, 3), (200.0, 100.0, 50.0))
    image = (pixels - normalization.mean) / normalization.std
    masks = np.zeros((3, 16, 24), np.bool_)
    masks[0, 4:12, 6:12] = True
    masks[2] = True
    labels = {
        "num_instances": np.int32(1),
        "classes": np.array([2, 0, 0]),
        "is_crowd": np.zeros(3, np.bool_),
        "boxes": np.array([[0.25, 0.25, 0.75, 0.5], [0, 0, 0, 0], [0, 0, 1, 1]], np.float32),
        "masks": masks,
    }
    picture = examples.draw_example(image, labels, normalization, ["cat", "dog"])
    zoom = examples.MIN_SIDE // 64
    assert picture.shape == (64 * zoom, 96 * zoom, 3)
    assert tuple(picture[60 * zoom, 90 * zoom]) == (200, 100, 50)
    assert tuple(picture[30 * zoom, 36 * zoom]) != (200, 100, 50)
    labels["num_instances"] = np.int32(0)
    bare = examples.draw_example(image, labels, normalization, ["cat", "dog"])
    assert (bare == (200, 100, 50)).all()
