"""What a controller does between two loops."""

import types

import pytest

from official_yolact.training import controller
from official_yolact.training import errors
from official_yolact.training.watch import nonfinite


def test_a_recovery_that_gives_up_names_the_settings():
    def recover(output):
        raise RuntimeError(f"The loss value is {output['training_loss']}, which is larger than the bound 1.")

    with pytest.raises(errors.TrainingError, match="The loss value is 7.*See trainer.loss_upper_bound and"):
        controller.YolactController._call_train_actions(
            types.SimpleNamespace(train_actions=[recover]), {"training_loss": 7}
        )


def test_a_step_that_is_not_finite_before_there_is_a_checkpoint_is_left_out(caplog):
    run = types.SimpleNamespace(
        trainer=types.SimpleNamespace(verdict=nonfinite.Verdict("restore")),
        checkpoint_manager=types.SimpleNamespace(latest_checkpoint=None),
    )
    controller.YolactController._follow_verdict(run)
    assert "going on: there is no checkpoint to go back to" in caplog.text
