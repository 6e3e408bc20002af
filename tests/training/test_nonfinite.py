"""Policies for steps that are not finite."""

import forks
import pytest

from official_yolact.configs import training as configs
from official_yolact.tasks import fault_record
from official_yolact.training.watch import nonfinite
from official_yolact.training.watch import watcher

LOSS = fault_record.Fault(11, ("mask_loss", "total_loss"), "conv2d/kernel:0", 5, (4, 9))
GRADIENT = fault_record.Fault(20, (), "head/kernel:0", 3, tuple(range(40)))


def make_guard(policy, limit=100):
    return nonfinite.NonfiniteGuard(configs.TrainerConfig(nonfinite=policy, max_nonfinite_steps=limit))


def judge(guard, count, faults):
    guard.update(watcher.LoopResult(num_nonfinite=count, nonfinite=faults))
    return guard.verdict


def test_a_fault_is_named_by_step_term_and_images():
    text = nonfinite.describe(LOSS)
    assert text.startswith("step 12: mask_loss not finite; nothing was changed")
    assert text.endswith("images of its batch: 4, 9")


def test_a_gradient_is_named_only_where_the_losses_are_finite():
    text = nonfinite.describe(GRADIENT)
    assert "step 21: gradient of head/kernel:0 and of 2 other variables not finite" in text
    assert text.endswith("30, 31, ...")


def test_a_total_that_overflows_alone_is_named():
    assert "total_loss not finite" in nonfinite.describe(LOSS._replace(terms=("total_loss",)))


def test_without_faults_the_run_goes_on():
    for policy in configs.NONFINITE_POLICIES:
        assert judge(make_guard(policy), 0, []) == nonfinite.Verdict()


def test_the_steps_of_a_loop_are_named_and_the_rest_of_them_counted():
    message = make_guard("skip").update(watcher.LoopResult(num_nonfinite=5, nonfinite=[LOSS, GRADIENT]))
    assert [line.partition(":")[0] for line in message.splitlines()[:2]] == ["step 12", "step 21"]
    assert message.endswith("\nand 3 more steps that were not finite")


def test_skip_goes_on_up_to_the_limit():
    guard = make_guard("skip", limit=3)
    assert judge(guard, 3, [LOSS]).action == "go_on"
    verdict = judge(guard, 1, [GRADIENT])
    assert (verdict.action, verdict.step, guard.total) == ("stop", -1, 4)
    assert "4 steps were not finite, more than trainer.max_nonfinite_steps (3)" in verdict.message
    assert "step 21" in verdict.message


def test_restore_goes_back_once_for_a_step():
    guard = make_guard("restore")
    assert judge(guard, 1, [LOSS]).action == "restore"
    assert judge(guard, 1, [LOSS]).action == "go_on"
    assert judge(guard, 2, [LOSS, GRADIENT]).action == "restore"


def test_stop_ends_at_the_updates_before_the_first_fault():
    guard = make_guard("stop")
    verdict = judge(guard, 2, [LOSS, GRADIENT])
    assert guard.halts
    assert (verdict.action, verdict.step) == ("stop", 11)
    assert "step 12: mask_loss not finite" in verdict.message


@pytest.mark.slow
@pytest.mark.parametrize("replicas", ["1", pytest.param("2", marks=pytest.mark.rare)])
def test_whole_runs_end_as_if_the_step_had_not_been(replicas, tiny_records, tmp_path):
    """Skipped, mended by going back, left out after going back twice, stopped and gone on with."""
    _, messages = forks.run_beside(__file__, "faulty_runs.py", tiny_records, str(tmp_path), replicas)
    assert "step 6: mask_loss not finite; nothing was changed by it" in messages
