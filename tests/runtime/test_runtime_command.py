"""`yolact-runtime predict`: pictures of an export without TensorFlow, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny_exports
from PIL import Image

from official_yolact_runtime import cli


@pytest.fixture
def model(tmp_path):
    return tiny_exports.write_onnx(tmp_path / "model.onnx", tiny_exports.INFO.as_dict())


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, level in (("a.jpg", 40), ("b.png", 90)):
        Image.fromarray(np.full((80, 120, 3), level, np.uint8)).save(folder / name)
    return folder


def test_a_folder_of_pictures_becomes_pictures_and_results(model, photos, tmp_path, capsys):
    (photos / "c.jpg").write_bytes(b"no picture")
    output = tmp_path / "out"
    assert cli.main(["predict", str(model), str(photos), "--output", str(output), "--json"]) == 0
    said = capsys.readouterr()
    account = json.loads(said.out)
    assert (account["pictures"], account["detections"]) == (2, 3)
    assert "yolact-runtime: skipped: " in said.err
    assert "c.jpg: not a picture that can be read" in said.err
    entries = json.loads((output / "predictions.json").read_text())
    assert [(one["image_id"], one["category_name"]) for one in entries] == [
        (1, "date"),
        (2, "date"),
        (2, "fig"),
    ]
    np.testing.assert_allclose(entries[0]["bbox"], [15, 10, 40, 35], rtol=1e-6)
    assert Image.open(output / "b.jpg").size == (120, 80)
    # What the command wrote is its own, and may be written again.
    assert cli.main(["predict", str(model), str(photos / "b.png"), "--output", str(output)]) == 0


def test_what_cannot_be_used_is_one_message_and_nothing_is_written(model, photos, tmp_path, capsys):
    foreign = tiny_exports.write_onnx(tmp_path / "foreign.onnx", None)
    newer = tiny_exports.write_onnx(
        tmp_path / "newer.onnx", {**tiny_exports.INFO.as_dict(), "format_version": 99}
    )
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "a.jpg").write_text("of another program")
    (tmp_path / "text.jpg").write_text("no picture")
    for words, message in (
        ([foreign, photos], "foreign.onnx: is not what `yolact export` writes"),
        ([newer, photos], "newer.onnx: was written by a newer version of this program"),
        ([tmp_path / "none.onnx", photos], "none.onnx: no such export"),
        ([model, tmp_path / "none"], "none: no such picture or folder"),
        ([model, tmp_path / "text.jpg"], "no picture could be read"),
        ([model, photos, "--score-threshold", "2"], "score_threshold is 2.0: expected a number from 0 to 1"),
        ([model, photos, "--threads", "0"], "threads is 0: expected at least 1"),
        ([model, photos, "--runtime", "litert"], "is not read by litert"),
    ):
        assert cli.main(["predict", *map(str, words), "--output", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("yolact-runtime: ")
        assert message in error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert cli.main(["predict", str(model), str(photos), "--output", str(tmp_path / "taken")]) == 2
    assert "a.jpg exists, and is not as this program wrote it" in capsys.readouterr().err


def test_bad_usage_and_help_have_their_exit_codes(capsys):
    assert cli.main(["predict"]) == 2
    assert cli.main(["predict", "--help"]) == 0
    assert "--runtime" in capsys.readouterr().out


def test_the_command_imports_no_tensorflow_opencv_or_pycocotools(model, photos, helper_environment, tmp_path):
    statements = (
        "import sys; from official_yolact_runtime import cli; code = cli.main(sys.argv[1:]);"
        " assert not {'tensorflow', 'cv2', 'pycocotools', 'official_yolact'} & set(sys.modules);"
        " raise SystemExit(code)"
    )
    command = [sys.executable, "-c", statements, "predict", str(model), str(photos)]
    subprocess.run([*command, "--output", str(tmp_path / "o")], check=True, env=helper_environment)
