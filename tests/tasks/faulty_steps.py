"""Steps with a fault leave everything as it is: without a strategy, on two replicas, and compiled.

Arguments: folder of the records, replicas, and whether XLA compiles the step.
"""

import sys

import numpy as np
import small_step

OPTIMIZER = (
    "{trainer: {optimizer_config: {ema: {average_decay: 0.9, dynamic_decay: true},"
    " optimizer: {torch_sgd: {global_clipnorm: 5.0}}}}}"
)
NUM_STEPS, BROKEN = 4, 2


def run_steps(small, batches, start, fault, skip):
    """Train; at the broken step inject a fault, or leave the step out but for its count."""
    small.reset(start)
    for index, batch in enumerate(batches):
        small.fault.assign(fault if index == BROKEN else -1)
        if skip and index == BROKEN:
            small.optimizer.iterations.assign_add(1)
            continue
        before = small.state() if index == BROKEN else None
        logs = small.run(batch)
        if before is not None:
            assert_equal(small.state(), before, "the step itself")
    return logs


def assert_equal(found, expected, what):
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one.tobytes() == other.tobytes(), (what, index)


def check_record(small, fault, batches):
    names = small.task.step.names
    count, faults = small.task.step.options.record.take()
    assert (count, len(faults)) == (1, 1)
    (found,) = faults
    assert found.step == BROKEN
    assert sorted(found.image_ids) == sorted(batches[BROKEN][1]["image_id"].numpy())
    if fault < len(names) - 1:
        assert found.terms == (names[fault], "total_loss")
    elif fault == len(names) - 1:
        assert found.terms == ("total_loss",)
    elif fault == len(names):
        assert found.terms == ()
        assert found.num_gradients > 0
        assert found.gradient in [variable.name for variable in small.model.trainable_variables]
    else:
        # On a CPU a ReLU makes 0 of NaN: the losses may be finite, and the gradients still are not.
        assert found.terms or found.num_gradients
    assert small.task.step.options.record.take() == (0, [])


def main():
    records, replicas, jit = sys.argv[1:]
    small_step.start_two_cpus()
    strategy = small_step.make_strategy(int(replicas))
    params = small_step.load(
        records, OPTIMIZER, "task.model.freeze_bn=false,runtime.mixed_precision_dtype=float32"
    )
    small = small_step.build(params, strategy, jit=jit == "jit", num_parts=2)
    batches = small_step.read_batches(params, NUM_STEPS)
    start = small.state()
    run_steps(small, batches, start, -1, skip=True)
    reference = small.state()
    assert any(np.any(one != other) for one, other in zip(reference, start, strict=True))
    for fault in range(len(small.task.step.names) + 2):
        logs = run_steps(small, batches, start, fault, skip=False)
        assert_equal(small.state(), reference, fault)
        assert int(small.optimizer.iterations.numpy()) == NUM_STEPS
        assert all(np.isfinite(value) for value in logs.values())
        check_record(small, fault, batches)
    for metric in small.metrics:
        assert np.isfinite(metric.result()), metric.name
    print("faults", fault + 1, "replicas", strategy.num_replicas_in_sync)


if __name__ == "__main__":
    main()
