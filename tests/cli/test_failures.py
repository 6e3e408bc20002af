import errno
import json
import os
import subprocess
import sys

import pytest

from official_yolact import failures
from official_yolact.cli import main

WORDS = ["data", "check", "ann.json"]
NAMED = "in `yolact data check ann.json`: "
ALONE = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def raised(action):
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("action", "says"),
    [
        pytest.param(lambda: os.stat("a\0"), "a name holds the character NUL", id="nul"),
        pytest.param(
            lambda: json.dumps(float("nan"), allow_nan=False), "a number of the result is NaN", id="nan"
        ),
        pytest.param(lambda: b"\xff".decode(), "text in another coding", id="decode"),
        pytest.param(lambda: "é".encode("ascii"), "text in another coding", id="encode"),
        pytest.param(lambda: json.loads("{"), "is no JSON: Expecting", id="json"),
        pytest.param(lambda: int(float("inf")), "a number is too large", id="infinity"),
        pytest.param(lambda: int("x"), "invalid literal for int", id="literal"),
        pytest.param(lambda: {}["maybe"], "cannot be used: 'maybe' (KeyError)", id="key"),
        pytest.param(lambda: os.write(-1, b""), "Bad file descriptor", id="no file name"),
    ],
)
def test_what_python_says_without_a_name_gets_the_command_before_it(action, says):
    assert failures.describe(raised(action), WORDS).startswith(NAMED + says)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), NAMED + "No space left on device"),
        (OSError(errno.ENOSPC, "No space left on device", "o.json"), "o.json: No space left on device"),
        (ValueError("maybe"), NAMED + "cannot be used: 'maybe' (ValueError)"),
        (ValueError(), NAMED + "cannot be used: '' (ValueError)"),
        (RecursionError("maximum recursion depth"), NAMED + "something is nested too deeply"),
        (MemoryError(), NAMED + "the machine's memory does not suffice"),
        (ValueError("a.json: wrong"), "a.json: wrong"),
    ],
    ids=["full disk", "named file", "one word", "nothing", "depth", "memory", "ours"],
)
def test_the_message_names_the_thing(error, says):
    assert failures.describe(error, WORDS) == says


def test_control_characters_do_not_reach_the_terminal():
    text = failures.describe(ValueError("a\x1b[2Jb\rc\n  d\t\u202ee: wrong"), WORDS)
    assert text == "a\\x1b[2Jb\\rc\n  d\t\\u202ee: wrong"


def test_training_by_flags_says_what_the_command_says(monkeypatch, capsys):
    from official_yolact import train

    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train, "parse_flags", fail)
    monkeypatch.setattr(sys, "argv", ["train", "--mode=train"])
    monkeypatch.delenv("YOLACT_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        train.main([])
    assert ended.value.code == 2
    said = "in `python -m official_yolact.train --mode=train`: No space left on device"
    assert capsys.readouterr().err.endswith(f"official_yolact.train: error: {said}\n")


def test_long_command_lines_are_cut():
    text = failures.describe(MemoryError(), ["predict", "x" * 500, *map(str, range(20))])
    assert len(text) < 300
    assert " ...`" in text


def test_a_page_of_graph_text_is_one_line(monkeypatch):
    import types

    class OpError(Exception):
        pass

    fake = types.SimpleNamespace(errors=types.SimpleNamespace(OpError=OpError))
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    page = (
        'Graph execution error:\n\nDetected at node model/conv defined at (most recent call last):\n  File "x.py"\n'
        "\nOOM when allocating tensor with shape[9,9]\n\t [[{{node model/conv}}]]\nHint: more [Op:__inference_9]"
    )
    assert failures.describe(OpError(page), WORDS) == "OOM when allocating tensor with shape[9,9]"


def test_an_argument_with_nul_is_named(capsys):
    assert main.main(["data", "check", "a\0b.json"]) == 2
    assert "argument 'a\\x00b.json': holds the character NUL" in capsys.readouterr().err


@pytest.fixture
def files(tmp_path):
    """An annotation file without faults, one with some, and one that is none, all with a name of their own."""
    image = {"id": 1, "file_name": "ä.jpg", "height": 8, "width": 8}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    box["segmentation"] = [[1, 1, 5, 1, 5, 5, 1, 5]]
    good = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "Äpfel"}]}
    bad = {**good, "annotations": [{**box, "category_id": 7, "image_id": 9}]}
    for name, content in (("good", json.dumps(good)), ("bad", json.dumps(bad)), ("none", "{")):
        (tmp_path / f"ü{name}.json").write_text(content)
    return tmp_path


STREAMS = {
    "usual": "{0} >out 2>err",
    "full output": "{0} >/dev/full 2>err",
    "full error": "{0} >out 2>/dev/full",
    "closed output": "{0} >&- 2>err",
    "closed error": "{0} >out 2>&-",
    "all closed": "{0} <&- >&- 2>&-",
    "ascii": "PYTHONIOENCODING=ascii {0} >out 2>err",
    "C": "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {0} >out 2>err",
    "reader gone": "({0}; echo $? >code) 2>err | true; exit $(cat code)",
}


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("bad", 1), ("none", 2)])
def test_no_standard_stream_changes_a_verdict(files, name, code):
    """Every kind of stream, in one shell that runs them side by side."""
    command = f"{sys.executable} -m official_yolact data check 'ü{name}.json'"
    codes, running = {}, {}
    for index, (kind, form) in enumerate(STREAMS.items()):
        folder = files / str(index)
        folder.mkdir()
        os.symlink(files / f"ü{name}.json", folder / f"ü{name}.json")
        running[kind] = subprocess.Popen(["bash", "-c", form.format(command)], cwd=folder, env=ALONE)
    codes = {kind: process.wait() for kind, process in running.items()}
    assert set(codes.values()) == {codes["usual"]}, codes
    assert codes["usual"] == code
    for index, kind in enumerate(STREAMS):
        err = files / str(index) / "err"
        told = err.read_text(errors="replace") if err.exists() else ""
        assert "Traceback" not in told
        assert "Exception ignored" not in told
        if kind == "full output" and code != 2:
            assert "standard output: No space left on device: not all results were printed" in told


@pytest.mark.parametrize("option", ["--size", "--train", "--val"])
def test_a_data_set_of_shapes_without_end_is_refused(tmp_path, capsys, option):
    assert main.main(["data", "shapes", "--output", str(tmp_path / "o"), option, "1000000000"]) == 2
    assert f"{option[2:]} is 1000000000: at least" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
