import logging
import os
import subprocess
import sys
import time
import types

import pytest

import official_yolact
from official_yolact.cli import main
from official_yolact.training import errors

ALONE = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture
def run_as(monkeypatch):
    """Make `yolact config check x` run a function."""

    def put(run):
        from official_yolact.cli import config

        monkeypatch.setattr(config, "run", run)
        return main.main(["config", "check", "x"])

    return put


@pytest.mark.parametrize("command", [[], *([name.replace("_", "-")] for name in main.COMMANDS)])
def test_help_is_quick_and_loads_no_tensorflow(command):
    program = (
        "import sys\nfrom official_yolact.cli import main\n"
        f"code = main.main({[*command, '--help']!r})\n"
        "print(code, sorted({'tensorflow', 'tf_keras', 'official', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ALONE
        )
        seconds.append(time.perf_counter() - start)
        if seconds[-1] < 0.3:
            break
    assert done.stdout.splitlines()[-1] == "0 []"
    # The machine may be busy with other things: the best of three counts.
    assert min(seconds) < 0.3 or os.getloadavg()[0] > os.cpu_count()


def test_the_module_and_the_function_are_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "official_yolact", "--version"], capture_output=True, text=True, env=ALONE
    )
    assert (done.returncode, done.stdout) == (0, f"yolact {official_yolact.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: COMMAND"),
        (["preddict"], "unknown 'preddict': did you mean 'predict'?"),
        (["xyzzy"], "unknown 'xyzzy'; known are demo, data"),
        (["data", "conv"], "unknown 'conv': did you mean 'convert'?"),
        (["predict", "m", "s", "--output", "o", "--score-treshold=1"], "did you mean '--score-threshold'?"),
        (["predict", "m", "s"], "required: --output"),
        (["predict", "m", "s", "--output", "o", "--score-threshold", "2"], "2 is not a number from 0 to 1"),
        (["predict", "m", "s", "--output", "o", "--score-threshold", "x"], "x is not a number from 0 to 1"),
        (
            ["predict", "m", "s", "--output", "o", "--max-detections", "0"],
            "0 is not a whole number that is 1 or more",
        ),
    ],
)
def test_bad_usage_is_told_in_words_with_exit_code_2(capsys, arguments, says):
    assert main.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a.json: wrong"), "yolact: error: a.json: wrong\n"),
        (KeyError("key 'x' is unknown"), "yolact: error: key 'x' is unknown\n"),
        (FileNotFoundError("m: no such model"), "yolact: error: m: no such model\n"),
        (errors.TrainingError("m: lower it"), "yolact: error: m: lower it\n"),
        (PermissionError(13, "Permission denied", "out.jpg"), "yolact: error: out.jpg: Permission denied\n"),
    ],
)
def test_faults_of_input_are_one_line_and_exit_code_2(run_as, capsys, monkeypatch, error, line):
    def run(args):
        raise error

    monkeypatch.delenv("YOLACT_DEBUG", raising=False)
    assert run_as(run) == 2
    assert capsys.readouterr() == ("", line)


def test_errors_of_tensorflow_are_one_line_too(run_as, capsys, monkeypatch):
    class OpError(Exception):
        pass

    fake = types.SimpleNamespace(errors=types.SimpleNamespace(OpError=OpError))
    monkeypatch.setitem(sys.modules, "tensorflow", fake)

    def run(args):
        raise OpError("shard is damaged")

    assert run_as(run) == 2
    assert capsys.readouterr().err == "yolact: error: shard is damaged\n"


def test_faults_of_the_program_are_said_to_be_such_and_where(run_as, capsys, monkeypatch):
    monkeypatch.delenv("YOLACT_DEBUG", raising=False)

    def run(args):
        raise ZeroDivisionError("division by zero")

    assert run_as(run) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "in `yolact config check x`: a fault of this program" in err
    assert "ZeroDivisionError: division by zero (official_yolact/cli/main.py:" in err
    assert "YOLACT_DEBUG=1" in err


def test_a_variable_shows_every_traceback(run_as, monkeypatch):
    def run(args):
        raise ValueError("x")

    monkeypatch.setenv("YOLACT_DEBUG", "1")
    with pytest.raises(ValueError, match="x"):
        run_as(run)


def test_an_interrupted_command_ends_with_130(run_as, capsys):
    def run(args):
        raise KeyboardInterrupt

    assert run_as(run) == 130
    assert capsys.readouterr().err == "yolact: interrupted\n"


def test_the_code_of_a_command_is_passed_on(run_as):
    assert run_as(lambda args: 1) == 1


def test_warnings_of_the_package_are_lines_of_the_program(run_as, capsys):
    def run(args):
        logging.getLogger("official_yolact.some.module").warning("3 images are missing")
        return 0

    before = logging.getLogger("official_yolact").handlers[:]
    assert run_as(run) == 0
    assert capsys.readouterr().err == "yolact: 3 images are missing\n"
    assert logging.getLogger("official_yolact").handlers == before
    assert logging.getLogger("official_yolact").propagate


def test_the_program_imports_no_keras_3_unless_it_was_asked_for():
    statements = (
        "import sys\nfrom official_yolact.cli import main\nsys.argv[1:] = ['--version']\nmain.main()\n"
        "import tensorflow\nprint(*[name for name in ('keras', 'sklearn', 'tf_keras') if name in sys.modules])"
    )
    environment = {name: value for name, value in ALONE.items() if name != "TF_USE_LEGACY_KERAS"}
    ran = subprocess.run(
        [sys.executable, "-c", statements], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1].split() == ["tf_keras"]


def test_the_environment_of_another_program_stays(run_as, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    run_as(lambda args: 0)
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    monkeypatch.setattr(sys, "argv", ["yolact", "--version"])
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    assert main.main() == 0
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"
    monkeypatch.delenv("TF_USE_LEGACY_KERAS")
    assert main.main() == 0
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


def test_tensorflow_is_quiet_unless_told_otherwise(run_as, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    run_as(lambda args: 0)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("2", "3")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    run_as(lambda args: 0)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
