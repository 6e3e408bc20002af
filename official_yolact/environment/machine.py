"""The machine as this process may use it: processors, memory, disk, limits, variables."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import resource
import shutil
import tempfile
from collections.abc import Iterator, Mapping

from official_yolact.environment import observation

_GIB = 2**30
_CGROUPS = pathlib.Path("/sys/fs/cgroup")
_TPU_VARIABLES = ("TPU_NAME", "TPU_ACCELERATOR_TYPE", "TPU_WORKER_HOSTNAMES")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")


def count_processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(proc: pathlib.Path = pathlib.Path("/proc")) -> str:
    """Name the processor and how many of it may be used."""
    match = re.search(r"^model name\s*:(.*)$", _read_text(proc / "cpuinfo"), re.MULTILINE)
    name = match.group(1).strip() if match else platform.machine()
    return f"{name}, {count_processors()} processors"


def check_processors(proc: pathlib.Path = pathlib.Path("/proc")) -> Iterator[observation.Observation]:
    """Count the processors that may be used, and name the instructions that make a difference."""
    allowed = count_processors()
    quota, usable = read_cpu_quota(proc), float(allowed)
    message = f"{allowed} of {os.cpu_count()} processors may be used"
    if quota is not None and quota < allowed:
        usable = quota
        message += f", {quota:g} at a time by the container's limit"
    flags = read_instructions(proc)
    message += f"; {', '.join(name for name in _INSTRUCTIONS if name in flags) or 'no AVX2'}"
    if usable < 2:
        cure = "training and its input share them; allow two or more"
        yield observation.Observation("cpu", observation.WARN, message, cure)
    elif quota is not None and quota < allowed:
        cure = f"TensorFlow starts {allowed} threads: limit them with taskset -c 0-{max(int(quota) - 1, 0)}"
        yield observation.Observation("cpu", observation.WARN, message, cure)
    else:
        yield observation.Observation("cpu", observation.OK, message)


def read_instructions(proc: pathlib.Path = pathlib.Path("/proc")) -> set[str]:
    """Read the names of the processor's instructions, such as `amx_bf16`; empty where they are not known."""
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", _read_text(proc / "cpuinfo"), re.MULTILINE)
    return set(match.group(1).split()) if match else set()


def check_memory(proc: pathlib.Path = pathlib.Path("/proc")) -> Iterator[observation.Observation]:
    """Find how much memory the process may use."""
    total, usable = _read_total(proc), read_usable_memory(proc)
    of = f" of the machine's {total / _GIB:.1f}, by the container's limit" if usable < total else ""
    message = f"{usable / _GIB:.1f} GiB{of}"
    if usable < 2 * _GIB:
        cure = "training at 550 pixels needs 4 GiB and more: raise the limit, or lower batch and input_size"
        yield observation.Observation("memory", observation.FAIL, message, cure)
    elif usable < 4 * _GIB:
        cure = "training at 550 pixels needs more: lower task.train_data.global_batch_size or input_size"
        yield observation.Observation("memory", observation.WARN, message, cure)
    else:
        yield observation.Observation("memory", observation.OK, message)


def read_usable_memory(proc: pathlib.Path = pathlib.Path("/proc")) -> int:
    """Read how many bytes the process may use: the machine's memory, or the container's limit."""
    total, limit = _read_total(proc), read_memory_limit(proc)
    return min(total, limit) if limit else total


def check_disk(folder: str = ".", shared_memory: str = "/dev/shm") -> Iterator[observation.Observation]:
    """Look at the free space where runs are written, at temporary files and shared memory."""
    for path, wanted, needed in ((folder, 5.0, 0.5), (tempfile.gettempdir(), 1.0, 0.05)):
        free = shutil.disk_usage(path).free / _GIB
        message = f"{free:.1f} GiB free in {os.path.abspath(path)}"
        level = (free < wanted) + (free < needed)
        cure = "checkpoints of a run take up to 3 GiB, records of COCO 20 GiB: make room" if level else ""
        yield observation.Observation("disk", observation.LEVELS[level], message, cure)
    if not os.path.isdir(shared_memory):
        return
    free = shutil.disk_usage(shared_memory).free / _GIB
    small = free < 0.25
    cure = "several GPUs and worker processes need it: docker run --shm-size=2g" if small else ""
    status = observation.WARN if small else observation.OK
    yield observation.Observation("shm", status, f"{free:.2f} GiB free in {shared_memory}", cure)


def check_limits() -> Iterator[observation.Observation]:
    """Look at the number of files that may be open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 1024:
        message = f"only {soft} files may be open at once"
        cure = f"ulimit -n {4096 if hard < 0 else min(4096, hard)}"
        yield observation.Observation("files", observation.WARN, message, cure)
    else:
        shown = "any number of" if soft == resource.RLIM_INFINITY else soft
        yield observation.Observation("files", observation.OK, f"{shown} files may be open at once")


def check_variables(variables: Mapping[str, str]) -> Iterator[observation.Observation]:
    """Find environment variables that change what TensorFlow does.

    Args:
      variables: the environment.

    Yields:
      A warning for each; a failure where nothing can start.
    """
    found = [*_check_cluster(variables), *_check_surprises(variables)]
    yield from found
    if not found:
        message = "no environment variable changes what TensorFlow does"
        yield observation.Observation("variables", observation.OK, message)


def _check_cluster(variables: Mapping[str, str]) -> Iterator[observation.Observation]:
    text = variables.get("TF_CONFIG")
    if not text:
        return
    try:
        config = json.loads(text)
        hosts = [host for hosts in config["cluster"].values() for host in hosts]
        task = f"{config['task']['type']} {config['task']['index']}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"TF_CONFIG is no cluster ({type(error).__name__}: {error})"
        example = '{"cluster": {"worker": ["HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
        cure = f"unset TF_CONFIG, or write {example}"
        yield observation.Observation("variables", observation.FAIL, message, cure)
        return
    message = f"TF_CONFIG makes this process {task} of {len(hosts)} hosts: training waits for the others"
    yield observation.Observation(
        "variables", observation.WARN, message, "unset TF_CONFIG for a run on one host"
    )


def _check_surprises(variables: Mapping[str, str]) -> Iterator[observation.Observation]:
    def warn(message: str, cure: str) -> observation.Observation:
        return observation.Observation("variables", observation.WARN, message, cure)

    if "CUDA_VISIBLE_DEVICES" in variables:
        shown = variables["CUDA_VISIBLE_DEVICES"]
        hidden = "every GPU is hidden" if shown in ("", "-1") else f"only GPUs {shown} are seen"
        yield warn(f"CUDA_VISIBLE_DEVICES={shown!r}: {hidden}", "unset it to use all of them")
    libraries = variables.get("LD_LIBRARY_PATH", "")
    if re.search(r"cuda|cudnn|nvidia|tensorrt", libraries, re.IGNORECASE):
        cure = "unset it if TensorFlow finds no GPU: its wheel brings CUDA of its own with [and-cuda]"
        yield warn(f"LD_LIBRARY_PATH={libraries!r} puts other CUDA libraries first", cure)
    proxy = next((name for name in ("http_proxy", "https_proxy", "grpc_proxy") if variables.get(name)), None)
    excepted = variables.get("no_proxy", variables.get("NO_PROXY", ""))
    if proxy and "localhost" not in excepted and "127.0.0.1" not in excepted:
        cure = "export no_proxy=localhost,127.0.0.1,HOSTS: several hosts, a TPU and TensorBoard talk directly"
        yield warn(f"{proxy} is set, and no_proxy excepts no host", cure)
    if variables.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        yield warn("TF_ENABLE_ONEDNN_OPTS=0: convolutions on the CPU are slow", "unset it")
    if variables.get("OMP_NUM_THREADS"):
        threads = variables["OMP_NUM_THREADS"]
        yield warn(f"OMP_NUM_THREADS={threads} limits the threads of convolutions", "unset it")
    for name in ("XLA_FLAGS", "TF_XLA_FLAGS"):
        if variables.get(name):
            yield warn(f"{name}={variables[name]!r} changes how steps are compiled", "unset it if unintended")


def check_tpu(
    variables: Mapping[str, str], devices: pathlib.Path = pathlib.Path("/dev")
) -> Iterator[observation.Observation]:
    """Say whether this is a TPU host, and which chips the system shows.

    Args:
      variables: of the environment.
      devices: the folder of device files.

    Yields:
      An observation on a TPU host; otherwise nothing.
    """
    named = [f"{name}={variables[name]}" for name in _TPU_VARIABLES if variables.get(name)]
    chips = _list_chips(devices, "accel[0-9]*")
    if not named and not chips:
        return
    # Other devices that are passed through are there too: without a variable they say nothing of TPUs.
    chips = chips or _list_chips(devices, "vfio/[0-9]*")
    shown = ", ".join(named) or "no TPU variable is set"
    shown += f"; {len(chips)} chips: {', '.join(chips)}" if chips else "; no chip is shown in /dev"
    cure = "write runtime: {distribution_strategy: tpu, tpu: local} and see docs/tpu.md"
    yield observation.Observation("tpu", observation.OK, f"a TPU host: {shown}", cure)


def _list_chips(devices: pathlib.Path, pattern: str) -> list[str]:
    return sorted((str(path) for path in devices.glob(pattern)), key=lambda name: (len(name), name))


def read_cpu_quota(proc: pathlib.Path = pathlib.Path("/proc"), root: pathlib.Path = _CGROUPS) -> float | None:
    """Read how many processors the container may keep busy; None: no limit."""
    quotas = []
    for folder in _cgroup_folders(proc, root, "cpu"):
        # Version 2 has both numbers in one file, version 1 each in its own.
        words = _read_words(folder / "cpu.max") or [
            *_read_words(folder / "cpu.cfs_quota_us"),
            *_read_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and all(map(str.isdigit, words)):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def read_memory_limit(
    proc: pathlib.Path = pathlib.Path("/proc"), root: pathlib.Path = _CGROUPS
) -> int | None:
    """Read how many bytes the container may use; None: no limit."""
    limits = []
    for folder in _cgroup_folders(proc, root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _read_words(folder / name)
            # Version 1 has a huge number where there is no limit.
            if words and words[0].isdigit() and int(words[0]) < 2**60:
                limits.append(int(words[0]))
    return min(limits, default=None)


def _cgroup_folders(proc: pathlib.Path, root: pathlib.Path, controller: str) -> Iterator[pathlib.Path]:
    """List the folders of the process's control groups, and of all above them."""
    for line in _read_text(proc / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        inner = top / path.strip("/")
        yield from [inner, *(folder for folder in inner.parents if folder.is_relative_to(top))]
    yield root


def _read_total(proc: pathlib.Path) -> int:
    match = re.search(r"MemTotal:\s+(\d+) kB", _read_text(proc / "meminfo"))
    return int(match.group(1)) * 1024 if match else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read_words(path: pathlib.Path) -> list[str]:
    return _read_text(path).split()


def _read_text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
