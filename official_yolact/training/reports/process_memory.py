"""The memory that this process and its GPUs use."""

from __future__ import annotations

import os
import resource
import sys

import tensorflow as tf

_MEGABYTE = 2**20


def read_memory() -> dict[str, float]:
    """Read the memory in use.

    Returns:
      `memory_mb`: resident memory of the process in MB of 2^20 bytes; where a GPU is used also
      `gpu_memory_mb`, the most that any of them has had allocated so far.
    """
    found = {"memory_mb": read_resident_mb()}
    gpu = read_gpu_peak_mb()
    return found if gpu is None else {**found, "gpu_memory_mb": gpu}


def read_resident_mb() -> float:
    """Read the resident memory of this process; where the system does not say, its peak."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return read_peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def read_peak_mb() -> float:
    """Read the largest resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kilobytes, macOS in bytes.
    return peak / _MEGABYTE if sys.platform == "darwin" else peak / 1024


def read_gpu_peak_mb() -> float | None:
    """Read the most that a GPU has had allocated; None where there is no GPU or it does not say."""
    peaks = []
    for device in tf.config.list_logical_devices("GPU"):
        try:
            info = tf.config.experimental.get_memory_info(device.name.removeprefix("/device:"))
        except (ValueError, tf.errors.OpError):
            continue
        peaks.append(info["peak"] / _MEGABYTE)
    return max(peaks, default=None)
