"""Settings of the whole test run: quiet logs, the shared data, and no silent skips."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import sys
import types
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")

import pytest

SHARED_VARIABLE = "OFFICIAL_YOLACT_SHARED"
TPU_VARIABLE = "OFFICIAL_YOLACT_TPU"

_silent_skips: dict[str, str] = {}


def _shared_folder() -> pathlib.Path:
    named = os.environ.get(SHARED_VARIABLE)
    if named:
        return pathlib.Path(named).resolve()
    return pathlib.Path(__file__).resolve().parents[2] / "shared"


def _shared_exists() -> bool:
    return (_shared_folder() / "data").is_dir()


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of real photos, ground truth and recorded outputs; only for tests marked `shared`."""
    return _shared_folder()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Make ids of words: the bytes of a parameter may differ between two workers, its name does not."""
    if isinstance(val, (bytes, bytearray)) or getattr(val, "__name__", "") == "<lambda>":
        return argname
    if not isinstance(val, str):
        return None
    if not val:
        return "empty"
    return re.sub(r"[^ -\[\]-~]+", "_", val)[:80]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, so that no process waits for the one that has them at the end.

    Of these, first the two workers: what they train is not to be divided among processes.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    items[:] = [*sorted(slow, key=lambda item: item.path, reverse=True), *quick]


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _seed_random_numbers(item: pytest.Item) -> None:
    """Begin each test with numbers of its own, the same in every run.

    What a fixture of several tests draws depends on which of them comes first.
    """
    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].utils.set_random_seed(zlib.crc32(f"{item.path.name}::{item.name}".encode()))


def pytest_runtest_setup(item: pytest.Item) -> None:
    _seed_random_numbers(item)
    marked = item.get_closest_marker("shared") is not None
    if "shared" in getattr(item, "fixturenames", ()) and not marked:
        pytest.fail("uses the fixture `shared` without the marker `shared`", pytrace=False)
    if marked and not _shared_exists():
        pytest.skip(f"no {_shared_folder()}: set {SHARED_VARIABLE}")
    if item.get_closest_marker("gpu") is not None and not _has_gpu():
        pytest.skip("TensorFlow finds no GPU")
    if item.get_closest_marker("tpu") is not None and not os.environ.get(TPU_VARIABLE):
        pytest.skip(f"{TPU_VARIABLE} names no TPU")


def _may_skip(keywords: object) -> bool:
    allowed = {"gpu", "tpu"} if _shared_exists() else {"gpu", "tpu", "shared"}
    return any(name in keywords for name in allowed)  # type: ignore[operator]


def _note_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected_failure = hasattr(report, "wasxfail")
    if report.skipped and not expected_failure and not _may_skip(getattr(report, "keywords", {})):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _silent_skips[report.nodeid] = reason


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note_skip(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note_skip(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _silent_skips and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _silent_skips:
        terminalreporter.section("skips that hide a test", sep="=", red=True)
        for nodeid, reason in _silent_skips.items():
            terminalreporter.line(f"{nodeid}: {reason}")
        terminalreporter.line("Only tests marked gpu, tpu or shared may skip.")


@pytest.fixture(scope="session")
def tiny_records(tmp_path_factory):
    """Folder with train-* and val-* records of shapes, 12 and 7 images of 64 px."""
    # Imported here: most tests need no TensorFlow.
    from official_yolact.data.conversion import convert
    from official_yolact.data.sets import shapes

    folder = str(tmp_path_factory.mktemp("tiny"))
    data = os.path.join(folder, "shapes")
    shapes.write_shapes(data, 12, 7, size=64, seed=5)
    for split in ("train", "val"):
        source = os.path.join(data, f"instances_{split}.json")
        convert.convert_coco(source, os.path.join(data, split), os.path.join(folder, "records"), split)
    return os.path.join(folder, "records")


@pytest.fixture(scope="session")
def helper_environment() -> dict[str, str]:
    """Environment of a process that imports what this one does, and the helpers beside this file."""
    places = [str(pathlib.Path(__file__).parent), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def _load_helper(name: str) -> types.ModuleType:
    """Load a helper module of the tests of imports, which several folders use."""
    path = pathlib.Path(__file__).with_name("importing") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def torch_writer() -> types.ModuleType:
    """The module that writes PyTorch files: `write_legacy(path, tensors)`, `write_zip(path, tensors)`."""
    return _load_helper("torch_writer")


@pytest.fixture(scope="session")
def original_keys() -> types.ModuleType:
    """The module that restates keys and shapes of the original: `detector(backbone)`, `draw(shapes)`."""
    return _load_helper("original_keys")


@pytest.fixture(autouse=True)
def _float32_after_each_test():
    """Take back the precision policy that a training has set for the process."""
    yield
    tf_keras = sys.modules.get("tf_keras")
    if tf_keras is not None:
        tf_keras.mixed_precision.set_global_policy("float32")
