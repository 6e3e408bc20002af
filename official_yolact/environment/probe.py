"""TensorFlow, imported in a process of its own: a broken one is reported and ends no other process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from official_yolact.environment import machine
from official_yolact.environment import observation
from official_yolact.environment import precision

# Prints a line of JSON; each part that fails says so, and the others still run.
_PROGRAM = r"""
import importlib, json, sys, time
found = {"errors": {}}
def attempt(name, function):
    try:
        found[name] = function()
    except BaseException as error:
        found["errors"][name] = f"{type(error).__name__}: {error}"
def load_tensorflow():
    import tensorflow as tf
    return {"version": tf.__version__, "path": tf.__file__, "cuda": tf.test.is_built_with_cuda()}
def list_gpus():
    import tensorflow as tf
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [{"name": d.get("device_name", ""), "capability": d.get("compute_capability")} for d in details]
def multiply():
    import tensorflow as tf
    size, rates = 1024, {}
    for name in ("float32", "bfloat16", "float16"):
        if name == "float16" and not found.get("gpus"):
            continue
        a = tf.ones([size, size], name)
        run = tf.function(lambda a: a @ a)
        best = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            run(a).numpy()
            best = min(best, time.perf_counter() - start)
        rates[name] = 2 * size ** 3 / best / 1e9
    return rates
attempt("tensorflow", load_tensorflow)
if "tensorflow" in found:
    for module in ("tf_keras", "official", "orbit", "pycocotools.mask", "cv2", "PIL.Image"):
        attempt(module, lambda: importlib.import_module(module) and True)
    attempt("gpus", list_gpus)
    attempt("gflops", multiply)
    attempt("tensorboard", lambda: importlib.import_module("tensorboard.default") and True)
print("\n" + json.dumps(found))
"""
_MODULES = ("tf_keras", "official", "orbit", "pycocotools.mask", "cv2", "PIL.Image")


def check_tensorflow(timeout: float = 180.0, is_tpu_host: bool = False) -> Iterator[observation.Observation]:
    """Import TensorFlow and what is built on it, list GPUs, and time small products of matrices.

    Args:
      timeout: seconds after which the child process is ended.
      is_tpu_host: what the CPU does is then of no interest.

    Yields:
      Observations; a single failure where TensorFlow cannot be imported.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"import tensorflow has not ended within {timeout:g} s"
        cure = "look at what the disk and the driver (nvidia-smi) do, and try again"
        yield observation.Observation("tensorflow", observation.FAIL, message, cure)
        return
    yield from judge(done.returncode, done.stdout, done.stderr, is_tpu_host)


def judge(
    returncode: int, output: str, errors: str, is_tpu_host: bool = False
) -> Iterator[observation.Observation]:
    """Say what the child process found.

    Args:
      returncode: of the process.
      output: its standard output, whose last line is JSON.
      errors: its standard error.
      is_tpu_host: what the CPU does is then of no interest.
    """
    try:
        found = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        yield _report_death(returncode, errors)
        return
    failed = found["errors"]
    if "tensorflow" in failed:
        cure = (
            "pip install --force-reinstall 'tensorflow~=2.20.0', in a fresh environment if that does not help"
        )
        message = f"cannot be imported: {_first_line(failed['tensorflow'])}"
        yield observation.Observation("tensorflow", observation.FAIL, message, cure)
        return
    tensorflow = found["tensorflow"]
    message = f"{tensorflow['version']} from {os.path.dirname(tensorflow['path'] or '')}"
    yield observation.Observation("tensorflow", observation.OK, message)
    for module in _MODULES:
        if module in failed:
            message = f"{module} cannot be imported: {_first_line(failed[module])}"
            cure = "pip install -c constraints.txt . in a fresh environment"
            yield observation.Observation("packages", observation.FAIL, message, cure)
    if is_tpu_host and not found.get("gpus"):
        yield observation.Observation("precision", observation.OK, "use bfloat16, in which a TPU multiplies")
    else:
        yield from _judge_gpus(found, bool(tensorflow["cuda"]))
        yield from _judge_precision(found)
    yield _judge_tensorboard(failed.get("tensorboard"))


def _report_death(returncode: int, errors: str) -> observation.Observation:
    lines = [line for line in errors.strip().splitlines() if line.strip()]
    last = lines[-1][:200] if lines else "it said nothing"
    if returncode < 0:
        name = signal.Signals(-returncode).name
        message = f"the process that imports it was ended by {name}: {last}"
        cure = "the wheel needs instructions that this processor lacks (AVX): use another machine"
        if name != "SIGILL":
            cure = "free memory, then reinstall: pip install --force-reinstall 'tensorflow~=2.20.0'"
        return observation.Observation("tensorflow", observation.FAIL, message, cure)
    cure = "pip install --force-reinstall 'tensorflow~=2.20.0'"
    message = f"the process that imports it ended with {returncode}: {last}"
    return observation.Observation("tensorflow", observation.FAIL, message, cure)


def _judge_gpus(found: dict[str, Any], built_with_cuda: bool) -> Iterator[observation.Observation]:
    gpus, has_driver = found.get("gpus") or [], os.path.exists("/dev/nvidiactl")
    if "gpus" in found["errors"]:
        message = f"GPUs cannot be listed: {_first_line(found['errors']['gpus'])}"
        yield observation.Observation("gpu", observation.WARN, message, "look at nvidia-smi and the driver")
    elif not gpus and has_driver:
        message = "a driver is there (/dev/nvidiactl), but TensorFlow sees no GPU"
        cure = "pip install 'tensorflow[and-cuda]~=2.20.0', unset LD_LIBRARY_PATH, and look at nvidia-smi"
        if not built_with_cuda:
            cure = "this TensorFlow is built without CUDA: pip install 'tensorflow[and-cuda]~=2.20.0'"
        yield observation.Observation("gpu", observation.WARN, message, cure)
    elif not gpus:
        yield observation.Observation("gpu", observation.OK, "none: the CPU is used")
    memory = _read_gpu_memory() if gpus else []
    for index, gpu in enumerate(gpus):
        capability = ".".join(map(str, gpu["capability"] or ("?",)))
        size = f", {memory[index]}" if index < len(memory) else ""
        message = f"{index}: {gpu['name']}{size}, compute capability {capability}"
        yield observation.Observation("gpu", observation.OK, message)


def _read_gpu_memory() -> list[str]:
    """Ask the driver; TensorFlow only knows what it has allocated itself."""
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    query = [program, "--query-gpu=memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if re.match(r"\s*\d", line)]


def _judge_precision(found: dict[str, Any]) -> Iterator[observation.Observation]:
    rates = found.get("gflops")
    if not rates:
        message = f"matrices cannot be multiplied: {_first_line(found['errors'].get('gflops', 'no result'))}"
        yield observation.Observation("precision", observation.WARN, message, "look at the lines above")
        return
    measured = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    capabilities = [tuple(gpu["capability"] or (0, 0)) for gpu in found.get("gpus") or []]
    advice = precision.advise(capabilities, machine.read_instructions(), rates)
    message = f"GFLOP/s of a 1024 x 1024 product: {measured}; {advice}"
    yield observation.Observation("precision", observation.OK, message)


def _judge_tensorboard(error: str | None) -> observation.Observation:
    if error is None:
        return observation.Observation("tensorboard", observation.OK, "starts")
    cure = "pip install 'setuptools<82'" if "pkg_resources" in error else "pip install tensorboard~=2.20.0"
    message = f"does not start: {_first_line(error)}"
    return observation.Observation("tensorboard", observation.WARN, message, cure)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else "no reason given"
