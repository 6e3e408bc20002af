"""Run a module as a program on so many logical CPUs: `on_cpus.py COUNT full|shallow MODULE [ARGUMENT ...]`.

On a machine with GPUs each of them is a replica; here it is each of `COUNT` logical CPUs. `shallow` gives
every stage of our backbones one block, or two where deformable ones alternate.

`start_training` does so without a new interpreter: in a fork of a server that has imported TensorFlow and
not used it.
"""

from __future__ import annotations

import multiprocessing.context
import os
import runpy
import sys
import tempfile

# Its server imports this once; TensorFlow is not used there, so that forks may use it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["official_yolact.train"])


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


def start_training(
    count: int, depth: str, arguments: list[str], environment: dict[str, str], log: str, is_typed: bool
) -> multiprocessing.context.ForkServerProcess:
    """Start `python -m official_yolact.train ARGUMENTS` in a fork, or as a program of its own.

    Args:
      count: of logical CPUs.
      depth: `full` or `shallow` backbones.
      arguments: of the command.
      environment: of the process, beside what the server has.
      log: file to append to what is printed.
      is_typed: make the process that program.
    """
    process = FORKS.Process(target=_train, args=(count, depth, arguments, environment, log, is_typed))
    process.start()
    return process


def _train(
    count: int, depth: str, arguments: list[str], environment: dict[str, str], log: str, is_typed: bool
) -> None:
    os.environ.update(environment)
    tempfile.tempdir = None  # The server has looked it up in its own environment.
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if is_typed:
        command = [sys.executable, __file__, str(count), depth, "official_yolact.train", *arguments]
        os.execv(sys.executable, command)
    from official_yolact import train

    prepare(count, depth)
    sys.argv = ["official_yolact.train", *arguments]
    train.run_from_flags()


if __name__ == "__main__":
    main()
