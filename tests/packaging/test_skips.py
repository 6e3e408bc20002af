"""A test that skips is red, unless its marker names what this machine lacks."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]

SILENT = "import pytest\ndef test_a(): pytest.skip('not today')\n"
SILENT_MODULE = "import pytest\npytest.importorskip('no_such_module')\n"
MARKED = "import pytest\n@pytest.mark.shared\ndef test_a(shared): assert shared.is_dir()\n"
MARKED_SKIPS = "import pytest\n@pytest.mark.shared\ndef test_a(shared): pytest.skip('not today')\n"
UNMARKED = "def test_a(shared): pass\n"
TPU = "import pytest\n@pytest.mark.tpu\ndef test_a(): assert False\n"
PASSES = "def test_b(): pass\n"


def _run(folder: pathlib.Path, source: str, shared: pathlib.Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(TESTS / "conftest.py", folder / "conftest.py")
    shutil.copy(TESTS.parent / "pyproject.toml", folder / "pyproject.toml")
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    (folder / "test_other.py").write_text(PASSES, encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))
    }
    environment["OFFICIAL_YOLACT_SHARED"] = str(shared)
    environment.pop("OFFICIAL_YOLACT_TPU", None)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def present(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "shared" / "data").mkdir(parents=True)
    return tmp_path / "shared"


@pytest.mark.parametrize("source", [SILENT, SILENT_MODULE])
def test_a_skip_without_marker_fails_the_run(tmp_path: pathlib.Path, source: str) -> None:
    ran = _run(tmp_path, source, tmp_path / "absent")
    assert ran.returncode == 1, ran.stdout
    assert "skips that hide a test" in ran.stdout


def test_a_shared_test_skips_only_where_the_folder_is_absent(
    tmp_path: pathlib.Path, present: pathlib.Path
) -> None:
    absent = _run(tmp_path, MARKED, tmp_path / "absent")
    assert (absent.returncode, "1 passed, 1 skipped" in absent.stdout) == (0, True), absent.stdout
    there = _run(tmp_path, MARKED, present)
    assert (there.returncode, "2 passed" in there.stdout) == (0, True), there.stdout
    assert _run(tmp_path, MARKED_SKIPS, present).returncode == 1


def test_a_test_that_reads_the_shared_folder_must_carry_the_marker(
    tmp_path: pathlib.Path, present: pathlib.Path
) -> None:
    assert _run(tmp_path, UNMARKED, present).returncode == 1


def test_a_tpu_test_may_skip_without_a_tpu(tmp_path: pathlib.Path) -> None:
    assert _run(tmp_path, TPU, tmp_path / "absent").returncode == 0
