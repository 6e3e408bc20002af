"""The wheel holds the package, the recipes and the licence, and nothing else."""

from __future__ import annotations

import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest

import official_yolact

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WHEEL_VARIABLE = "OFFICIAL_YOLACT_WHEEL"
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"


def _build_wheel(folder: pathlib.Path) -> pathlib.Path:
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder / name)
    for name in ("official_yolact", "tests"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that `make test` has installed, or one that is built now."""
    named = os.environ.get(WHEEL_VARIABLE)
    path = pathlib.Path(named) if named else _build_wheel(tmp_path_factory.mktemp("build"))
    with zipfile.ZipFile(path) as archive:
        yield archive


def _of_checkout(pattern: str) -> set[str]:
    files = (CHECKOUT / "official_yolact").rglob(pattern)
    return {file.relative_to(CHECKOUT).as_posix() for file in files}


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = [entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


@pytest.mark.parametrize("pattern", ["*.py", "*.yaml", "py.typed"])
def test_the_wheel_holds_the_files_of_the_checkout(wheel: zipfile.ZipFile, pattern: str) -> None:
    suffix = pattern.lstrip("*")
    packed = {name for name in wheel.namelist() if name.endswith(suffix) and ".dist-info/" not in name}
    assert packed == _of_checkout(pattern)
    assert packed


def test_the_wheel_holds_nothing_beside_the_package(wheel: zipfile.ZipFile) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"official_yolact"}


def test_the_wheel_names_version_licence_and_python(wheel: zipfile.ZipFile) -> None:
    metadata = _metadata(wheel, "METADATA")
    assert f"Version: {official_yolact.__version__}\n" in metadata
    assert "Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string(_metadata(wheel, "entry_points.txt"))
    assert dict(entry_points["console_scripts"]) == {"yolact": "official_yolact.cli.main:main"}
