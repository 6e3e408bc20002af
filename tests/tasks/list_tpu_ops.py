"""Write `tpu_ops.json`: what TensorFlow's build for TPUs compiles, as its own registry has it.

The wheel `tensorflow-tpu` registers its compilers (device XLA_TPU_JIT) when something is compiled for
the first time; a TPU is not needed for that, and without one the compilation itself then fails. In an
environment of its own:

    pip install tensorflow-tpu==2.20.0 && python tests/tasks/list_tpu_ops.py tests/tasks/tpu_ops.json
"""

from __future__ import annotations

import json
import sys

import tensorflow as tf
from tensorflow.python.framework import kernels

DEVICE = "XLA_TPU_JIT"


def register() -> None:
    try:
        tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros([3]))
    except tf.errors.OpError as error:
        print(f"compiled nothing, as without a TPU: {error.message[:100]}", file=sys.stderr)


def list_kernels() -> dict[str, list[dict[str, list[str]]]]:
    """Give for each op the alternatives, each the types that an attribute may have."""
    found: dict[str, list[dict[str, list[str]]]] = {}
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type == DEVICE:
            types = {
                constraint.name: sorted(
                    tf.as_dtype(number).name for number in constraint.allowed_values.list.type
                )
                for constraint in kernel.constraint
            }
            found.setdefault(kernel.op, []).append(types)
    return found


def main(path: str) -> None:
    register()
    found = list_kernels()
    if not found:
        raise SystemExit(f"{tf.__file__} has no {DEVICE}: install tensorflow-tpu")
    sets = sorted({tuple(types) for rows in found.values() for row in rows for types in row.values()})
    numbers = {types: number for number, types in enumerate(sets)}
    shown = {
        op: [{name: numbers[tuple(types)] for name, types in sorted(row.items())} for row in rows]
        for op, rows in sorted(found.items())
    }
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{{"tensorflow": "{tf.__version__}", "device": "{DEVICE}",\n"type_sets": [\n')
        file.write(",\n".join(json.dumps(types) for types in sets))
        file.write('\n],\n"ops": {\n')
        file.write(",\n".join(f"{json.dumps(op)}: {json.dumps(rows)}" for op, rows in shown.items()))
        file.write("\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
