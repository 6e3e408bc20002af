"""Which messages of a run people see, and that its file has all, whatever ends the process."""

import os
import pathlib
import pty
import re
import subprocess
import sys

import pytest

HEAD = """
import logging, os, sys, warnings
from absl import logging as absl
from official_yolact.training import run_log
absl.set_verbosity(absl.INFO)

def as_own(level, message, **extra):
    place = run_log.__file__
    record = logging.LogRecord("absl", level, place, 7, message, (), None)
    record.__dict__.update(extra)
    logging.getLogger().handle(record)

def native(text):
    os.write(2, text.encode() + b"\\n")
"""

SPEAK = """
absl.info("round_filter input=32")
absl.warning("of another package")
absl.error("an error of another package")
warnings.warn("a warning of Python")
as_own(logging.INFO, "saved ckpt-8")
as_own(logging.WARNING, "masks do not learn")
as_own(logging.INFO, "Sharding", **run_log.DETAIL)
as_own(logging.INFO, "a long line of step 8", **run_log.progress("step 8"))
native("E0000 failed call to cuInit")
print("what Orbit prints")
print("for people", file=sys.stderr)
"""

ALL = (
    "round_filter input=32",
    "of another package",
    "an error of another package",
    "a warning of Python",
    "saved ckpt-8",
    "masks do not learn",
    "Sharding",
    "a long line of step 8",
    "E0000 failed call to cuInit",
    "what Orbit prints",
)


def run(tmp_path, code, stderr=subprocess.PIPE, **environment):
    program = HEAD + f"folder = {str(tmp_path / 'run')!r}\n" + code
    return subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), **environment},
    )


@pytest.fixture(autouse=True)
def folders(tmp_path):
    for name in ("run", "tmp"):
        (tmp_path / name).mkdir()


def read(tmp_path):
    return (tmp_path / "run" / "log.txt").read_text()


WHOLE = (
    "with run_log.RunLog():\n    native('before the folder is known')\n    run_log.attach(folder)\n"
    + "".join(f"    {line}\n" for line in SPEAK.splitlines())
    + "print('result')\nnative('after')\n"
)


def test_people_see_what_helps_them_and_the_file_has_all(tmp_path):
    done = run(tmp_path, WHOLE)
    assert (done.returncode, done.stdout) == (0, "result\n")
    assert done.stderr.splitlines() == [
        "error: an error of another package",
        "saved ckpt-8",
        "warning: masks do not learn",
        "a long line of step 8",
        "for people",
        "after",
    ]
    log = read(tmp_path)
    assert all(text in log for text in ALL)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO run_log\.py:7 saved ckpt-8$", log, re.M)
    assert log.startswith("===== ")
    assert log.splitlines()[1] == "before the folder is known"
    assert os.listdir(tmp_path / "tmp") == []


def test_on_a_terminal_progress_stays_in_one_line(tmp_path):
    master, slave = pty.openpty()
    run(tmp_path, WHOLE, stderr=slave)
    os.close(slave)
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert "warning: masks do not learn\r\n\rstep 8\x1b[K\r\x1b[Kfor people\r\n" in shown
    assert "a long line of step 8" not in shown
    assert all(text in read(tmp_path) for text in ALL)


def test_a_run_that_goes_on_appends_and_a_large_file_is_put_aside(tmp_path):
    for number in range(3):
        run(tmp_path, f"with run_log.RunLog():\n    run_log.attach(folder)\n    native('run {number}')\n")
    assert re.findall(r"run \d", read(tmp_path)) == ["run 0", "run 1", "run 2"]
    flood = (
        "run_log.MAX_BYTES = 20_000\nwith run_log.RunLog():\n    run_log.attach(folder)\n"
        "    for number in range(2000):\n        as_own(logging.INFO, f'line {number}', **run_log.DETAIL)\n"
    )
    run(tmp_path, flood)
    assert sorted(os.listdir(tmp_path / "run")) == ["log.1.txt", "log.txt"]
    sizes = [os.path.getsize(path) for path in (tmp_path / "run").iterdir()]
    assert max(sizes) < 21_000
    assert "line 1999" in read(tmp_path)
    (tmp_path / "run" / "log.1.txt").write_text("a person's own")
    run(tmp_path, flood)
    assert (tmp_path / "run" / "log.1.txt").read_text() == "a person's own"


@pytest.mark.parametrize("name", ["log.txt", "other.txt"])
def test_what_a_shell_writes_into_the_folder_is_not_mixed_with_it(tmp_path, name):
    path = tmp_path / "run" / name
    with open(path, "w") as file:
        run(tmp_path, WHOLE, stderr=file)
    assert "for people\n" in path.read_text()
    assert "round_filter" not in path.read_text()
    full = path.with_name("log-2.txt" if name == "log.txt" else "log.txt")
    assert all(text in full.read_text() for text in ALL)


def test_an_error_ends_in_the_file_with_its_traceback_and_nothing_is_left(tmp_path):
    done = run(tmp_path, "with run_log.RunLog():\n    run_log.attach(folder)\n    raise SystemExit(3)\n")
    assert (done.returncode, done.stderr) == (3, "")
    code = "try:\n    with run_log.RunLog():\n        run_log.attach(folder)\n        int('x')\nexcept ValueError:\n    print('caught')\n"
    done = run(tmp_path, code)
    assert (done.stdout, done.stderr) == ("caught\n", "")
    assert "Traceback" in read(tmp_path)
    assert "invalid literal" in read(tmp_path)
    done = run(tmp_path, "run_log.RunLog().start()\nrun_log.attach(folder)\nint('x')\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("invalid literal for int() with base 10: 'x'\n")
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("is_attached", [True, False], ids=["in a run", "before it"])
def test_a_fatal_error_of_native_code_is_seen(tmp_path, is_attached):
    attach = "run_log.attach(folder)" if is_attached else ""
    done = run(
        tmp_path,
        f"run_log.RunLog().start()\n{attach}\nnative('long ago')\nas_own(logging.INFO, 'step 8')\n"
        "native('F0000 Check failed: a == b')\nos.abort()\n",
    )
    assert done.returncode == -6
    assert done.stderr.startswith("step 8\nFatal Python error: Aborted")
    assert done.stderr.endswith("F0000 Check failed: a == b\n")
    assert "ended from outside or by a fatal error" in done.stderr
    assert "long ago" not in done.stderr


def test_of_a_killed_process_the_file_has_all(tmp_path):
    done = run(
        tmp_path, f"run_log.RunLog().start()\nrun_log.attach(folder)\n{SPEAK}\nos.kill(os.getpid(), 9)\n"
    )
    assert done.returncode == -9
    assert all(text in read(tmp_path) for text in ALL if text != "what Orbit prints")
    assert f"Its messages are in {tmp_path}/run/log.txt" in done.stderr


def test_a_process_that_ends_at_once_on_purpose_says_no_more(tmp_path):
    done = run(tmp_path, "run_log.RunLog().start()\nrun_log.expect_end()\nos._exit(2)\n")
    assert (done.returncode, done.stderr) == (2, "")


def test_a_file_that_cannot_be_written_is_named_and_the_run_goes_on(tmp_path):
    (tmp_path / "run" / "log.txt").mkdir()
    done = run(tmp_path, WHOLE)
    assert done.returncode == 0
    assert f"{tmp_path}/run/log.txt: Is a directory: the messages are not kept" in done.stderr
    assert "for people" in done.stderr
    os.rmdir(tmp_path / "run" / "log.txt")
    os.mkfifo(tmp_path / "run" / "log.txt")
    assert "log.txt: No such device or address: the messages are not kept" in run(tmp_path, WHOLE).stderr


def test_workers_have_files_of_their_own(tmp_path):
    run(tmp_path, "with run_log.RunLog():\n    run_log.attach(folder, 3)\n    native('third')\n")
    assert "third" in (tmp_path / "run" / "log-worker-3.txt").read_text()
    assert [path.name for path in pathlib.Path(tmp_path / "run").iterdir()] == ["log-worker-3.txt"]


def test_a_developer_has_all_on_standard_error(tmp_path):
    done = run(tmp_path, WHOLE, YOLACT_DEBUG="1")
    assert (done.returncode, done.stdout) == (0, "what Orbit prints\nresult\n")
    assert all(
        text in done.stderr for text in ALL if text not in ("what Orbit prints", "a warning of Python")
    )
    assert os.listdir(tmp_path / "run") == []


@pytest.mark.parametrize(
    "end",
    ["2>&-", ">&- 2>&-", "2>/dev/full", "2>&1 | true"],
    ids=["closed", "both closed", "full", "left by its reader"],
)
def test_streams_that_are_closed_or_full_end_no_run(tmp_path, end):
    program = HEAD + f"folder = {str(tmp_path / 'run')!r}\n" + WHOLE.split("print('result')")[0]
    (tmp_path / "program.py").write_text(program)
    command = f"set -o pipefail; {sys.executable} {tmp_path}/program.py {end}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert all(text in read(tmp_path) for text in ALL)
