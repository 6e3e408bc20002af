"""Compare what a step on two replicas sums over them, as traced, with what benchmarks/model_costs.py counts."""

import math
import pathlib
import sys

import small_step

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))
import model_costs

from official.core import task_factory

KINDS = (
    ("local", "runtime.mixed_precision_dtype=float32,task.model.freeze_bn=true"),
    (
        "synchronised",
        "runtime.mixed_precision_dtype=bfloat16,task.model.freeze_bn=false,"
        "task.model.norm_activation.use_sync_bn=true",
    ),
)


def trace(params, batch):
    """Give bytes and number of the sums of the first replica, and of the second."""
    small = small_step.build(params, small_step.make_strategy(2))
    values = small.strategy.experimental_distribute_values_from_function(
        lambda context: small_step.tf.nest.map_structure(
            lambda tensor: tensor[context.replica_id_in_sync_group * 2 :][:2], batch
        )
    )
    graph = small.step.get_concrete_function(values).graph
    sums = [operation for operation in graph.get_operations() if "CollectiveReduce" in operation.type]
    sizes = [
        (operation.device[-5:], math.prod(operation.inputs[0].shape) * operation.inputs[0].dtype.size)
        for operation in sums
    ]
    found = [[size for device, size in sizes if device == f"CPU:{replica}"] for replica in (0, 1)]
    assert sum(map(len, found)) == len(sums)
    return [(sum(part), len(part)) for part in found]


def main():
    small_step.start_two_cpus()
    params = small_step.load(sys.argv[1])
    batch = small_step.read_batches(params, 1)[0]
    for statistics, overrides in KINDS:
        params = small_step.load(sys.argv[1], overrides)
        task = task_factory.get_task(params.task)
        counted = model_costs.count_all_reduced(task, task.build_model())[statistics]
        expected = (counted["bytes"], counted["sums"])
        assert trace(params, batch) == [expected] * 2, (overrides, expected)
        print(f"{overrides} bytes {expected[0]} sums {expected[1]}")


if __name__ == "__main__":
    main()
