"""Installed packages: their versions, and distributions that write over one another's files."""

from __future__ import annotations

import collections
import csv
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import official_yolact_runtime
from official_yolact.environment import observation

REQUIREMENTS: dict[str, str] = {
    "absl-py": "",
    "google-crc32c": "",
    "h5py": "",
    "matplotlib": "",
    "numpy": "",
    "official-yolact-runtime": f"=={official_yolact_runtime.__version__}",
    "opencv-python-headless": "",
    "pillow": "",
    "protobuf": "",
    "pycocotools": "",
    "pyyaml": "",
    "setuptools": "<82",
    "tensorflow": "~=2.20.0",
    "tf-keras": "~=2.20.0",
    "tf-models-official": "~=2.20.0",
}
"""The requirements of `setup.cfg`; those of a package that runs from a checkout are nowhere else."""

_REPLACEMENTS = {
    "tensorflow": ("tensorflow-cpu", "tensorflow-tpu", "tensorflow-intel", "tensorflow-aarch64"),
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
}
_CORE = ("tensorflow", "keras", "tf_keras", "official", "orbit", "numpy")
_NO_PACKAGE = ("tests", "test", "docs", "doc", "examples", "benchmarks", "scripts", "bin", "share", "..")
_PYTHON = ((3, 11), (3, 13))


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Iterator[observation.Observation]:
    """Compare the interpreter with those that TensorFlow 2.20 has wheels for."""
    text, (low, high) = ".".join(map(str, version)), _PYTHON
    if low <= tuple(version[:2]) <= high:
        yield observation.Observation("python", observation.OK, f"{text} ({sys.executable})")
        return
    wanted = f"{low[0]}.{low[1]} to {high[0]}.{high[1]}"
    cure = "make an environment with python3.11 -m venv .venv"
    yield observation.Observation("python", observation.FAIL, f"{text}, expected {wanted}", cure)


def check_versions(
    distributions: Iterable[importlib.metadata.Distribution],
) -> Iterator[observation.Observation]:
    """Compare installed versions with the requirements.

    Args:
      distributions: all that are installed, as `importlib.metadata.distributions()` lists them.

    Yields:
      An observation for each package that is missing or of a wrong version, or one that all are there.
    """
    versions = {_normalize(one.metadata["Name"] or ""): one.version for one in distributions}
    faults = list(_compare(versions))
    yield from faults
    if not faults:
        shown = ("tensorflow", "tf-models-official", "tf-keras", "numpy", "pycocotools", "pillow")
        found = {name: versions.get(name) or _stand_in(name, versions)[1] for name in shown}
        listed = ", ".join(f"{name} {version}" for name, version in found.items())
        yield observation.Observation("packages", observation.OK, listed)


def _compare(versions: dict[str, str]) -> Iterator[observation.Observation]:
    for name, wanted in REQUIREMENTS.items():
        used, version = _stand_in(name, versions)
        cure = f"pip install '{used}{wanted}'"
        if not version:
            yield observation.Observation("packages", observation.FAIL, f"{name} is not installed", cure)
        elif not satisfies(version, wanted):
            message = f"{used} is {version}, expected {wanted}"
            # TensorBoard alone needs the old setuptools.
            status = observation.WARN if name == "setuptools" else observation.FAIL
            yield observation.Observation("packages", status, message, cure)
    keras = versions.get("keras")
    if keras is not None and keras.split(".")[0] == "2":
        message = f"keras is {keras}; TensorFlow 2.20 imports Keras 3 beside tf_keras"
        cure = "pip install --upgrade 'keras>=3.10'"
        yield observation.Observation("packages", observation.FAIL, message, cure)
    text, tensorflow = versions.get("tensorflow-text"), _stand_in("tensorflow", versions)[1]
    if text and tensorflow and _release(text)[:2] != _release(tensorflow)[:2]:
        message = f"tensorflow-text is {text} beside tensorflow {tensorflow}: its operations may not load"
        cure = f"pip install 'tensorflow-text~={'.'.join(map(str, _release(tensorflow)[:2]))}.0'"
        yield observation.Observation("packages", observation.FAIL, message, cure)


def _stand_in(name: str, versions: dict[str, str]) -> tuple[str, str]:
    """Find a package, or another that brings the same modules."""
    for candidate in (name, *_REPLACEMENTS.get(name, ())):
        if candidate in versions:
            return candidate, versions[candidate]
    return name, ""


def satisfies(version: str, wanted: str) -> bool:
    """Check whether a version is one that `==`, `~=`, `<` or nothing asks for."""
    release = _release(version)
    if wanted.startswith("=="):
        return release == _release(wanted[2:])
    if wanted.startswith("~="):
        lowest = _release(wanted[2:])
        return release >= lowest and release[: len(lowest) - 1] == lowest[:-1]
    return not wanted or release < _release(wanted.lstrip("<"))


def check_overlaps(
    distributions: Iterable[importlib.metadata.Distribution],
) -> Iterator[observation.Observation]:
    """Find distributions that own the same files: the last one installed has written over the other.

    Args:
      distributions: all that are installed.

    Yields:
      An observation for each pair, and one where a distribution is installed twice.
    """
    owners: dict[str, set[str]] = collections.defaultdict(set)
    found: collections.Counter[str] = collections.Counter()
    for distribution in distributions:
        name = _normalize(distribution.metadata["Name"] or "")
        # A distribution on two entries of the path, or a folder that is twice on the path, counts once.
        found[f"{name} {getattr(distribution, '_path', '')}"] = 1
        for path in _list_files(distribution):
            owners[path].add(name)
    for name, count in collections.Counter(key.split(" ")[0] for key in found).items():
        if count > 1:
            cure = f"pip uninstall -y {name}, until it finds none, then pip install it again"
            yield observation.Observation("overlap", observation.WARN, f"{name} is installed twice", cure)
    shared: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
    for path, names in owners.items():
        if len(names) > 1:
            shared[tuple(sorted(names))].append(path)
    for together, paths in sorted(shared.items()):
        yield _report_overlap(together, paths)
    if not shared:
        yield observation.Observation(
            "overlap", observation.OK, "no distribution writes over another's files"
        )


def _report_overlap(names: tuple[str, ...], paths: list[str]) -> observation.Observation:
    folders = sorted({path.split("/")[0] for path in paths})
    message = f"{' and '.join(names)} own the same {len(paths)} files ({paths[0]}, ...): one spoils the other"
    kept = next((name for name in names if name in REQUIREMENTS), names[0])
    if "tensorflow-tpu" in names:
        kept = "tensorflow-tpu on a TPU host, tensorflow elsewhere"
    elif "tensorflow-cpu" in names:
        kept = "tensorflow"
    cure = f"pip uninstall -y {' '.join(names)}, then pip install the one you want: {kept}"
    status = observation.FAIL if set(folders) & set(_CORE) else observation.WARN
    return observation.Observation("overlap", status, message, cure)


def _list_files(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    """List the modules and libraries of a distribution, without what many have by the same name."""
    # `Distribution.files` makes an object of each of TensorFlow's 20,000 lines.
    for row in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        folder, _, rest = row[0].partition("/") if row else ("", "", "")
        is_module = folder not in _NO_PACKAGE and not folder.endswith(".dist-info")
        if rest and is_module and "__pycache__" not in rest:
            yield row[0]


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)
