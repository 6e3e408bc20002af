"""One of two workers that exchange bytes and compare themselves: run as a program with a JSON argument."""

import json
import os
import sys
import time


def main():
    given = json.loads(sys.argv[1])
    index = given["index"]
    import numpy as np
    import tensorflow as tf

    from official_yolact import hosts
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.training import strategies
    from official_yolact.training import workers

    workers._WAIT_SECONDS = 1.0
    params = loading.load_experiment("yolact_tiny_shapes", [], given["overrides"])
    strategy = strategies.build(params.runtime).strategy
    found = {"is_chief": hosts.is_chief(strategy), "exchanged": [], "alike": []}
    for length in (0, 1, 1024, 70_001, 9_000_000):
        sent = [np.random.default_rng([length, i]).bytes(length // (1 + i)) for i in range(2)]
        found["exchanged"].append(hosts.gather_bytes(sent[index], strategy) == sent)
    found["told"] = hosts.send_from_chief(f"from {index}", strategy)

    def check(model_dir, change=lambda: None):
        change()
        try:
            workers.check_alike(params, "train", model_dir, strategy)
            found["alike"].append("")
        except (ValueError, OSError) as error:
            found["alike"].append(f"{type(error).__name__}: {error}")

    check(given["shared"])
    check(given["own"])
    own_data = params.task.train_data.input_path
    check(given["shared"], lambda: setattr(params.task.train_data, "input_path", given["other_data"]))
    params.task.train_data.input_path = own_data
    check(given["shared"], lambda: setattr(params.task, "seed", params.task.seed + index))
    if index == 1:
        with open(given["out"], "w") as file:
            json.dump(found, file)
        os._exit(9)
    begin = time.monotonic()
    try:
        hosts.gather_bytes(b"is anybody there", strategy)
        hosts.gather_bytes(b"nobody", strategy)
    except tf.errors.OpError as error:
        found["alone"] = type(error).__name__
    found["seconds"] = time.monotonic() - begin
    with open(given["out"], "w") as file:
        json.dump(found, file)
    os._exit(0)  # the strategy's threads wait for the other one


main()
