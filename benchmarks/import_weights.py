"""Time the import of a ResNet-101 YOLACT, and measure the memory that it takes above the interpreter.

python benchmarks/import_weights.py [FILE.pth]

Without a file, one with random weights in the published form is written first, with the writer of the
tests. Prints one JSON object: seconds of the whole command in a process of its own, as a ratio to the
start of TensorFlow in another; the largest resident memory of that process beyond a process that has
only imported the library and TensorFlow; and for comparison the size of the file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any

_TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests" / "checkpoints"
_IMPORTS = "import official_yolact.registry_imports, official_yolact.modeling.factory"
_MEASURE = """
import resource, sys
{statement}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def load_helper(name: str) -> Any:
    """Load a helper module of the tests."""
    spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def write_file(folder: str) -> str:
    """Write a ResNet-101 model with random weights under its published name."""
    keys, writer = load_helper("original_keys"), load_helper("torch_writer")
    path = os.path.join(folder, "yolact_base_54_800000.pth")
    writer.write_legacy(path, keys.draw(keys.detector("resnet101")))
    return path


def measure(statement: str) -> tuple[float, float]:
    """Run a statement in a process of its own: seconds, and its largest resident memory in MiB."""
    start = time.perf_counter()
    code = _MEASURE.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", help="a .pth file; otherwise one is made")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or write_file(folder)
        output = os.path.join(folder, "model")
        base_seconds, base_memory = measure(_IMPORTS)
        command = ["import-weights", path, "--output", output]
        statement = f"from official_yolact.cli import main; assert main.main({command!r}) == 0"
        seconds, memory = measure(statement)
        size = os.path.getsize(path) / 2**20
    result = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "file_mib": round(size),
        "import_seconds": round(seconds, 1),
        "start_seconds": round(base_seconds, 1),
        "ratio_to_start": round(seconds / base_seconds, 2),
        "memory_above_start_mib": round(memory - base_memory),
        "ratio_to_file": round((memory - base_memory) / size, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
