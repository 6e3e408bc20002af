"""What importing the package and asking for help costs, and where the package under test lies."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import official_yolact
import official_yolact_runtime

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = pathlib.Path(official_yolact.__file__).resolve().parent
RUNTIME = pathlib.Path(official_yolact_runtime.__file__).resolve().parent
HEAVY = ("tensorflow", "tf_keras", "keras", "official", "orbit", "cv2", "matplotlib", "pycocotools")
WHEELS_VARIABLE = "OFFICIAL_YOLACT_WHEELS"


def _heavy_modules_after(statements: str) -> list[str]:
    lines = [
        "import sys",
        *statements.splitlines(),
        f"print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])",
    ]
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(RUNTIME.parent)])},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()[-1].split()[1:]


def test_the_tests_of_a_wheel_never_import_the_checkout() -> None:
    from_wheel = WHEELS_VARIABLE in os.environ
    for package, folder in ((PACKAGE, CHECKOUT), (RUNTIME, CHECKOUT / "runtime")):
        assert (package.parent == folder) != from_wheel
        if from_wheel:
            assert package.parent.name == "site-packages"
            assert package.is_relative_to(pathlib.Path(sys.prefix).resolve())


def test_importing_the_package_loads_no_tensorflow() -> None:
    assert _heavy_modules_after("import official_yolact\nofficial_yolact.__version__") == []
    assert _heavy_modules_after("import official_yolact\nofficial_yolact.Detections") == []


def test_the_check_for_heavy_modules_sees_them() -> None:
    assert _heavy_modules_after("import pycocotools") == ["pycocotools"]


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["eval", "--help"]])
def test_help_loads_no_tensorflow(arguments: list[str]) -> None:
    statements = f"""
from official_yolact.cli import main
try:
    main.main({arguments!r})
except SystemExit as left:
    assert not left.code, left.code
"""
    assert _heavy_modules_after(statements) == []


def test_an_unknown_public_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'lod'.*load"):
        _ = official_yolact.lod
