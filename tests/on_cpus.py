"""Run a module as a program on so many logical CPUs: `on_cpus.py COUNT full|shallow MODULE [ARGUMENT ...]`.

On a machine with GPUs each of them is a replica; here it is each of `COUNT` logical CPUs. `shallow` gives
every stage of our backbones one block, or two where deformable ones alternate.
"""

import runpy
import sys


def main() -> None:
    count, depth, module = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    if depth == "shallow":
        make_shallow()
    sys.argv = sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def make_shallow() -> None:
    from official_yolact.modeling.backbones import yolact_darknet
    from official_yolact.modeling.backbones import yolact_resnet

    yolact_resnet.BLOCKS = {50: (1, 1, 1, 1), 101: (1, 1, 2, 1)}
    yolact_darknet.BLOCKS = {53: (1, 1, 1, 1, 1)}


if __name__ == "__main__":
    main()
