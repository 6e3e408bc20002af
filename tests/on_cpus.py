"""Run a module as a program on so many logical CPUs: `on_cpus.py COUNT full|shallow MODULE [ARGUMENT ...]`.

On a machine with GPUs each of them is a replica; here it is each of `COUNT` logical CPUs. `shallow` gives
every stage of our backbones one block, or two where deformable ones alternate.

`train` does so in a fork, with `official_yolact.train`.
"""

from __future__ import annotations

import os
import runpy
import sys


def main() -> None:
    prepare(int(sys.argv[1]), sys.argv[2])
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def prepare(count: int, depth: str) -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    if depth == "shallow":
        make_shallow()


def make_shallow() -> None:
    from official_yolact.modeling.backbones import yolact_darknet
    from official_yolact.modeling.backbones import yolact_resnet

    yolact_resnet.BLOCKS = {50: (1, 1, 1, 1), 101: (1, 1, 2, 1)}
    yolact_darknet.BLOCKS = {53: (1, 1, 1, 1, 1)}


def train(count: int, depth: str, arguments: list[str], is_typed: bool) -> None:
    """Do what `python -m official_yolact.train ARGUMENTS` does, or become that program."""
    if is_typed:
        command = [sys.executable, __file__, str(count), depth, "official_yolact.train", *arguments]
        os.execv(sys.executable, command)
    from official_yolact import train

    prepare(count, depth)
    sys.argv = ["official_yolact.train", *arguments]
    train.run_from_flags()


if __name__ == "__main__":
    main()
