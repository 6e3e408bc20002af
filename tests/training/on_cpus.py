"""Run a module as a program on so many logical CPUs: `on_cpus.py COUNT MODULE [ARGUMENT ...]`.

A machine with GPUs has a replica for each. `COUNT` logical CPUs are the same for a strategy.
"""

import runpy
import sys


def main() -> None:
    count, module = int(sys.argv[1]), sys.argv[2]
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
