"""One step on one replica or two, in one part or several; arguments: records and what to compare."""

import sys

import numpy as np
import small_step

INSTANCES = [0, 1, 9, 9]  # The first replica has few positives, the second many.
CLIP = "{trainer: {optimizer_config: {optimizer: {torch_sgd: {global_clipnorm: 2.0}}}}}"


def run_one(params, batch, replicas, parts):
    """Do one step; give its logs and the gradient, which is PyTorch's velocity after the first step."""
    small = small_step.build(params, small_step.make_strategy(replicas), num_parts=parts)
    logs = small.run(batch)
    optimizer = getattr(small.optimizer, "inner_optimizer", small.optimizer)
    slots = [optimizer.get_slot(v, "momentum").numpy() for v in small.model.trainable_variables]
    return logs, slots


def compare(found, expected, loss_tolerance, gradient_tolerance):
    for name, value in expected[0].items():
        np.testing.assert_allclose(found[0][name], value, rtol=loss_tolerance, err_msg=name)
    largest = max(np.linalg.norm(gradient) for gradient in expected[1])
    for gradient, reference in zip(found[1], expected[1], strict=True):
        error = np.linalg.norm(gradient - reference)
        assert error <= gradient_tolerance * np.linalg.norm(reference) + 1e-6 * largest, error


def join(gradients):
    return np.concatenate([np.ravel(gradient) for gradient in gradients])


def main():
    records, kind = sys.argv[1:]
    small_step.start_two_cpus()
    if kind.startswith("synchronised"):
        params = small_step.load(
            records, "task.model.freeze_bn=false,task.model.norm_activation.use_sync_bn=true"
        )
        batch = small_step.make_uneven(small_step.read_batches(params, 1)[0], INSTANCES)
        # One program each: TensorFlow keeps the shapes of collectives over the strategies of a process.
        if kind == "synchronised":
            compare(run_one(params, batch, 2, 1), run_one(params, batch, 1, 1), 1e-3, 1e-3)
        else:
            logs, _ = run_one(params, batch, 2, 2)
            assert all(np.isfinite(value) for value in logs.values())
        return
    params = small_step.load(records)
    batch = small_step.make_uneven(small_step.read_batches(params, 1)[0], INSTANCES)
    one = run_one(params, batch, 1, 1)
    assert one[0]["positives_per_image"] > 1
    norm = np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in one[1]))
    np.testing.assert_allclose(one[0]["gradient_norm"], norm, rtol=1e-5)
    for replicas, parts in ((1, 4), (2, 2)):
        compare(run_one(params, batch, replicas, parts), one, 1e-6, 1e-5)
    found = run_one(small_step.load(records, "runtime.mixed_precision_dtype=bfloat16"), batch, 2, 2)
    np.testing.assert_allclose(found[0]["total_loss"], one[0]["total_loss"], rtol=0.01)
    gradient, expected = join(found[1]), join(one[1])
    assert np.linalg.norm(gradient - expected) < 0.1 * np.linalg.norm(expected)
    logs, clipped = run_one(small_step.load(records, CLIP), batch, 2, 2)
    np.testing.assert_allclose(logs["gradient_norm"], norm, rtol=1e-5)
    compare((one[0], clipped), (one[0], [g * (2.0 / norm) for g in one[1]]), 1e-6, 1e-5)


if __name__ == "__main__":
    main()
