"""Where bfloat16 is fast: the one answer of `yolact doctor`, `yolact data init` and the start of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from official_yolact.environment import machine

BFLOAT16_INSTRUCTIONS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16"}
"""Instructions that multiply bfloat16, and what they are called; the fastest first."""

_LEAST_CAPABILITY = (8, 0)
_LEAST_FLOAT16 = (7, 0)


def find_bfloat16_instructions(instructions: Collection[str] | None = None) -> str:
    """Name what this processor multiplies bfloat16 with.

    Args:
      instructions: of the processor; None: those of this machine.

    Returns:
      `AMX` or `AVX-512 BF16`; empty where bfloat16 is emulated and slow.
    """
    known = machine.read_instructions() if instructions is None else instructions
    return next((name for flag, name in BFLOAT16_INSTRUCTIONS.items() if flag in known), "")


def advise(
    capabilities: Sequence[tuple[int, ...]], instructions: Collection[str], rates: Mapping[str, float]
) -> str:
    """Say which `runtime.mixed_precision_dtype` suits the devices; on a CPU what was measured decides.

    Args:
      capabilities: compute capability of each GPU; none: the CPU is used.
      instructions: of the CPU.
      rates: measured GFLOP/s by type.

    Returns:
      A clause.
    """
    if capabilities:
        return _advise_gpus(min(capabilities))
    name = find_bfloat16_instructions(instructions)
    if rates.get("bfloat16", 0.0) > rates.get("float32", 0.0):
        return f"use bfloat16 ({name or 'measured'})"
    if name:
        return f"bfloat16 has hardware support ({name}), but was not faster now"
    return f"use float32 (neither {' nor '.join(BFLOAT16_INSTRUCTIONS.values())}: bfloat16 would be emulated)"


def _advise_gpus(least: tuple[int, ...]) -> str:
    if least >= _LEAST_CAPABILITY:
        return "use bfloat16 (hardware support from capability 8.0)"
    if least >= _LEAST_FLOAT16:
        return "use float16 with loss_scale: dynamic (bfloat16 needs capability 8.0)"
    return "use float32 (16-bit types need capability 7.0)"
