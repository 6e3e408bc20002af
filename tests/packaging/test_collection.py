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
ELSEWHERE = {
    "PYTHONHASHSEED": "2",
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


def collect_elsewhere(config, folder):
    """List the ids of all tests as another clock, hash seed, time zone and locale collect them."""
    (folder / "shifted_clock.py").write_text(SHIFTED_CLOCK)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    paths = [str(folder), environment.get("PYTHONPATH", "")]
    environment |= ELSEWHERE | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--disable-warnings"]
    if config.inipath:
        options += ["-c", str(config.inipath), "--rootdir", str(config.rootpath)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "shifted_clock", str(TESTS)],
        env=environment,
        cwd=config.rootpath,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_clock_hash_seed_time_zone_and_locale_collects_the_same_tests_named_in_words(request, tmp_path):
    """All that this run has collected here, in a process with another hash seed than its own."""
    here = [item.nodeid for item in request.session.items]
    ids = collect_elsewhere(request.config, tmp_path)
    assert len(ids) > 1000
    assert set(here) <= set(ids)
    # No bytes or escapes, no addresses of objects, nothing that a terminal cannot show.
    unreadable = re.compile(r"[^ -~]|\\|<lambda>| at 0x|0x[0-9a-f]{8}")
    assert [name for name in ids if unreadable.search(name)] == []
