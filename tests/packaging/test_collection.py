"""The ids of all tests: words, and the same whenever and wherever they are collected."""

import os
import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
SHIFTED_CLOCK = """
import time

_now = time.time
time.time = lambda: _now() + 12_345_678.9
time.time_ns = lambda: int(time.time() * 1e9)
"""
HERE = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
ELSEWHERE = {
    "PYTHONHASHSEED": "2",
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


def start_collection(config, folder, variables, plugins=()):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    paths = [str(folder), environment.get("PYTHONPATH", "")]
    environment |= variables | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--disable-warnings"]
    if config.inipath:
        options += ["-c", str(config.inipath), "--rootdir", str(config.rootpath)]
    options += [option for plugin in plugins for option in ("-p", plugin)]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(TESTS)],
        env=environment,
        cwd=config.rootpath,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def read_ids(process):
    try:
        text, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, text[-3000:]
    return [line for line in text.splitlines() if "::" in line]


def test_every_clock_hash_seed_time_zone_and_locale_collects_the_same_tests_named_in_words(
    pytestconfig, tmp_path
):
    (tmp_path / "shifted_clock.py").write_text(SHIFTED_CLOCK)
    first = start_collection(pytestconfig, tmp_path, HERE)
    second = start_collection(pytestconfig, tmp_path, ELSEWHERE, ["shifted_clock"])
    ids, others = read_ids(first), read_ids(second)
    assert len(ids) > 1000
    assert ids == others
    # No bytes or escapes, no addresses of objects, nothing that a terminal cannot show.
    unreadable = re.compile(r"[^ -~]|\\|<lambda>| at 0x|0x[0-9a-f]{8}")
    assert [name for name in ids if unreadable.search(name)] == []
