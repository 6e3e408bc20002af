"""Each wheel holds its package, what is read from it, and the licence, and nothing else."""

from __future__ import annotations

import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import official_yolact

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WHEELS_VARIABLE = "OFFICIAL_YOLACT_WHEELS"
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"


class Distribution(NamedTuple):
    """A distribution of the tree: its package, its folder, its commands."""

    package: str
    folder: str
    commands: dict[str, str]


LIBRARY = Distribution("official_yolact", ".", {"yolact": "official_yolact.cli.main:main"})
RUNTIME = Distribution(
    "official_yolact_runtime", "runtime", {"yolact-runtime": "official_yolact_runtime.cli:main"}
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of the wheels that `make test` has installed, or of some that are built now."""
    if named := os.environ.get(WHEELS_VARIABLE):
        return pathlib.Path(named)
    folder = tmp_path_factory.mktemp("build")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder / name)
    for name in ("official_yolact", "runtime", "tests"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
    for distribution in (LIBRARY, RUNTIME):
        subprocess.run(
            [sys.executable, "-c", BUILD], cwd=folder / distribution.folder, check=True, capture_output=True
        )
    shutil.copytree(folder / "runtime" / "dist", folder / "dist", dirs_exist_ok=True)
    return folder / "dist"


@pytest.fixture(params=[LIBRARY, RUNTIME], ids=["library", "runtime"])
def distribution(request: pytest.FixtureRequest) -> Distribution:
    return request.param


@pytest.fixture
def wheel(wheels: pathlib.Path, distribution: Distribution) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(next(wheels.glob(f"{distribution.package}-*.whl"))) as archive:
        yield archive


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return "".join(
        wheel.read(entry).decode() for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}")
    )


@pytest.mark.parametrize("pattern", ["*.py", "*.yaml", "*.html", "*.css", "*.js", "py.typed"])
def test_a_wheel_holds_the_files_of_the_checkout(
    wheel: zipfile.ZipFile, distribution: Distribution, pattern: str
) -> None:
    suffix = pattern.lstrip("*")
    packed = {name for name in wheel.namelist() if name.endswith(suffix) and ".dist-info/" not in name}
    root = CHECKOUT / distribution.folder
    files = (root / distribution.package).rglob(pattern)
    assert packed == {file.relative_to(root).as_posix() for file in files}
    assert packed or (distribution is RUNTIME and pattern not in ("*.py", "py.typed"))


def test_a_wheel_holds_nothing_beside_its_package(wheel: zipfile.ZipFile, distribution: Distribution) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {distribution.package}


def test_a_wheel_names_the_version_of_both_licence_and_python(wheel: zipfile.ZipFile) -> None:
    metadata = _metadata(wheel, "METADATA")
    assert f"Version: {official_yolact.__version__}\n" in metadata
    assert "Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_a_wheel_installs_its_command(wheel: zipfile.ZipFile, distribution: Distribution) -> None:
    entry_points = configparser.ConfigParser()
    entry_points.read_string("[console_scripts]\n")
    entry_points.read_string(_metadata(wheel, "entry_points.txt"))
    assert dict(entry_points["console_scripts"]) == distribution.commands
