"""The runtime in an environment of its own: what is installed there, how much, and what it finds."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import numpy as np
import pytest
import tensorflow as tf
import tiny_exports
from packaging.requirements import Requirement

import official_yolact

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
MOST_MEGABYTES_INSTALLED, MOST_MEGABYTES_OF_MEMORY = 220, 120
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"
PREDICT = """
import json, sys
import official_yolact_runtime
import numpy as np
for name in ("tensorflow", "cv2", "pycocotools", "official_yolact"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported")
model = official_yolact_runtime.load(sys.argv[1])
found = [model(photo, 0.0) for photo in sys.argv[3:]]
np.savez(sys.argv[2], *[array for one in found for array in (one.masks, one.boxes, one.scores)])
# Not what `resource` says: a new process inherits the peak of the one that starts it.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps({"library": model.runtime.name, "peak_mb": peak}))
"""


def _close(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Find what pip installs with some packages: of those that are installed here."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for line in found[name].requires or []:
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                waiting.append(required.name)
    return found


def _borrow(distribution: importlib.metadata.Distribution, folder: pathlib.Path) -> int:
    """Link the files of a distribution into a folder; returns their bytes."""
    total = 0
    for file in distribution.files or []:
        source = pathlib.Path(str(distribution.locate_file(file)))
        if ".." in file.parts or not source.is_file() or source.suffix == ".pyc":
            continue
        total += source.stat().st_size
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(source)
    return total


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    named = os.environ.get("OFFICIAL_YOLACT_WHEELS")
    if named:
        return next(pathlib.Path(named).glob("official_yolact_runtime-*.whl"))
    folder = tmp_path_factory.mktemp("build") / "runtime"
    shutil.copytree(CHECKOUT / "runtime", folder, ignore=shutil.ignore_patterns("__pycache__", "build"))
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The same graph in three formats."""
    folder = tmp_path_factory.mktemp("exported")
    tiny_exports.write_litert(folder / "model.tflite", tiny_exports.INFO.as_dict())
    tiny_exports.write_onnx(folder / "model.onnx", tiny_exports.INFO.as_dict())
    tiny_exports.write_saved_model(folder / "saved_model")
    return folder


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "package"), [("model.tflite", "ai-edge-litert"), ("model.onnx", "onnxruntime")]
)
def test_the_wheel_alone_finds_what_tensorflow_finds_to_the_pixel(
    wheel, exported, shared, tmp_path, file, package
):
    photos = sorted(map(str, (shared / "data" / "coco-open").rglob("*.jpg")))[:6]
    assert len(photos) == 6
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    (packages,) = (tmp_path / "bare" / "lib").glob("python*/site-packages")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*command, str(wheel)], check=True)
    borrowed = _close(["numpy", "pillow", package])
    assert not {"tensorflow", "opencv-python-headless", "pycocotools"} & borrowed.keys()
    size = sum(_borrow(one, packages) for one in borrowed.values()) / 2**20
    assert size < MOST_MEGABYTES_INSTALLED
    output = tmp_path / "found.npz"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    ran = subprocess.run(
        [str(python), "-c", PREDICT, str(exported / file), str(output), *photos],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    print(f"{package}: {size:.0f} MB installed, {said['peak_mb']:.0f} MB of memory")
    assert said["peak_mb"] < MOST_MEGABYTES_OF_MEMORY
    model = official_yolact.load(exported / "saved_model")
    with np.load(output) as found:
        arrays = [found[f"arr_{at}"] for at in range(3 * len(photos))]
    for photo, masks, boxes, scores in zip(photos, arrays[::3], arrays[1::3], arrays[2::3], strict=True):
        expected = model(photo, 0.0)
        np.testing.assert_array_equal(masks, expected.masks)
        np.testing.assert_allclose(boxes, expected.boxes, atol=1e-3)
        np.testing.assert_allclose(scores, expected.scores, atol=1e-3)  # of the photo, not resized


def test_a_process_with_tensorflow_alone_runs_the_savedmodel(exported, tmp_path):
    statements = (
        "import sys, tensorflow as tf; model = tf.saved_model.load(sys.argv[1]);"
        " found = model.signatures['serving_default'](images=tf.zeros([1, 8, 9, 3], tf.uint8));"
        " assert found['num_detections'].numpy().tolist() == [2];"
        " assert not any(name.startswith(('official', 'tf_keras')) for name in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", statements, str(exported / "saved_model")]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    assert tf.saved_model.contains_saved_model(str(exported / "saved_model"))
