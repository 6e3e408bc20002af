"""The loop over steps, and the controller's grid of loops, checkpoints and evaluations."""

import json
import os
import signal
import subprocess
import sys
import time
import types

import pytest
import tensorflow as tf

import orbit
from official_yolact.checkpoints import checkpoint_reader
from official_yolact.checkpoints import checkpoint_writer
from official_yolact.configs import training as configs
from official_yolact.training import controller
from official_yolact.training import loop
from official_yolact.training import stopping
from official_yolact.training import trainer
from official_yolact.training.saving import checkpoint_manager
from official_yolact.training.watch import early_stopping


def batches(seconds=0.0):
    number = 0
    while True:
        time.sleep(seconds)
        yield tf.constant(number)
        number += 1


def test_batches_are_taken_in_order_by_a_step_that_is_traced_once():
    total = tf.Variable(0)

    @tf.function
    def step(batch):
        total.assign(10 * total + batch)

    run_steps = loop.TrainLoop(step, tf.distribute.get_strategy(), stopping.StopSignals())
    data = batches()
    run_steps(data, tf.constant(2))
    run_steps(data, 3)
    assert int(total) == 1234
    assert step.experimental_get_tracing_count() == 1


def test_the_loop_ends_after_the_step_in_which_a_signal_came():
    stop, done = stopping.StopSignals(), []

    def step(batch):
        done.append(int(batch))
        if len(done) == 3:
            stop.signal_number = signal.SIGTERM

    loop.TrainLoop(step, tf.distribute.get_strategy(), stop)(batches(), 100)
    assert done == [0, 1, 2]


def test_the_loop_ends_after_the_step_that_makes_going_on_useless():
    stop, done = stopping.StopSignals(), []
    run_steps = loop.TrainLoop(
        lambda batch: done.append(int(batch)),
        tf.distribute.get_strategy(),
        stop,
        ends_early=lambda: len(done) == 3,
    )
    run_steps(batches(), 100)
    assert done == [0, 1, 2]
    assert not stop.is_requested


def test_waiting_is_told_from_computing_and_the_first_step_is_not_timed():
    pauses = iter([0.5, *[0.02] * 10])
    run_steps = loop.TrainLoop(
        lambda _: time.sleep(next(pauses)), tf.distribute.get_strategy(), stopping.StopSignals()
    )
    run_steps(batches(0.04), 1)
    assert run_steps.times == (0, 0.0, 0.0)
    run_steps(batches(0.04), 10)
    num_steps, seconds, wait_seconds = run_steps.times
    assert num_steps == 10
    assert 0.6 <= seconds < 3
    assert 0.4 <= wait_seconds <= seconds - 0.2


def test_data_that_end_are_an_error():
    run_steps = loop.TrainLoop(lambda _: None, tf.distribute.get_strategy(), stopping.StopSignals())
    with pytest.raises(ValueError, match="training data came to an end"):
        run_steps(iter([1, 2]), 3)


class Counter(orbit.AbstractTrainer, orbit.AbstractEvaluator):
    """Counts steps, is stopped after some, and measures what it is told to."""

    def __init__(self, stop_after=0, metrics=None):
        self.global_step = tf.Variable(0, dtype=tf.int64)
        self.stop = stopping.StopSignals()
        self.stop_after, self.metrics = stop_after, metrics or {}
        self.loops, self.evaluations = [], []

    def train(self, num_steps):
        for _ in range(int(num_steps)):
            self.global_step.assign_add(1)
            if int(self.global_step) == self.stop_after:
                self.stop.signal_number = signal.SIGTERM
                break
        self.loops.append(int(self.global_step))
        return {"total_loss": 1.0}

    def evaluate(self, num_steps):
        step = int(self.global_step)
        self.evaluations.append(step)
        metric = self.metrics.get(step, 0.0)
        if isinstance(metric, Exception):
            raise metric
        return {"mask_AP": metric}


def build(counter, folder, **settings):
    section = {
        "steps_per_loop": 4,
        "summary_interval": 5,
        "checkpoint_interval": 6,
        "best_checkpoint_eval_metric": "mask_AP",
        **settings,
    }
    checkpoint = tf.train.Checkpoint(global_step=counter.global_step)
    manager = checkpoint_manager.CheckpointManager(
        checkpoint_writer.CheckpointWriter(checkpoint, str(folder)),
        checkpoint_reader.CheckpointReader(checkpoint, str(folder)),
        checkpoint_interval=section["checkpoint_interval"],
    )
    return controller.YolactController(
        config=configs.TrainerConfig(**section),
        model_dir=str(folder),
        stop=counter.stop,
        trainer=counter,
        evaluator=counter,
        global_step=counter.global_step,
        checkpoint_manager=manager,
        summary_interval=section["summary_interval"],
    )


def saved(folder):
    paths = tf.train.get_checkpoint_state(str(folder)).all_model_checkpoint_paths
    return [int(path.rpartition("-")[2]) for path in paths]


def test_loops_end_where_anything_is_due(tmp_path):
    counter = Counter()
    build(counter, tmp_path).train_and_evaluate(20, eval_interval=9)
    expected = sorted({*range(4, 21, 4), *range(5, 21, 5), *range(6, 21, 6), 9, 18, 20})
    assert counter.loops == expected
    assert counter.evaluations == [9, 18, 20]
    # Each evaluation finds its step saved.
    assert saved(tmp_path) == [6, 9, 12, 18, 20]


def test_a_run_stopped_anywhere_saves_there_and_keeps_to_the_grid(tmp_path):
    whole = Counter()
    build(whole, tmp_path / "whole").train_and_evaluate(20, eval_interval=9)
    for stop_after in range(1, 21):
        folder = tmp_path / str(stop_after)
        first, second = Counter(stop_after), Counter()
        with pytest.raises(stopping.StopRequested) as stopped:
            build(first, folder).train_and_evaluate(20, eval_interval=9)
        assert stopped.value.code == 128 + signal.SIGTERM
        assert saved(folder)[-1] == stop_after == first.loops[-1]
        build(second, folder).train_and_evaluate(20, eval_interval=9)
        assert sorted({*first.loops, *second.loops}) == sorted({*whole.loops, stop_after})
        assert first.evaluations + second.evaluations == whole.evaluations
        assert set(saved(folder)) == {*saved(tmp_path / "whole"), stop_after}


def test_an_evaluation_that_died_is_done_again_and_loses_no_step(tmp_path):
    first, second, third = Counter(metrics={18: RuntimeError("no memory")}), Counter(), Counter()
    with pytest.raises(RuntimeError, match="no memory"):
        build(first, tmp_path).train_and_evaluate(20, eval_interval=9)
    assert saved(tmp_path)[-1] == 18
    build(second, tmp_path).train_and_evaluate(20, eval_interval=9)
    assert (second.evaluations, second.loops) == ([18, 20], [20])
    # And a run that is done does nothing more.
    assert build(third, tmp_path).train_and_evaluate(20, eval_interval=9) is None
    assert (third.evaluations, third.loops) == ([], [])


def test_a_signal_ends_an_evaluation_within_it():
    stop = stopping.StopSignals()
    stub = types.SimpleNamespace(strategy=tf.distribute.get_strategy(), stop=stop, eval_observers=[])
    stop.signal_number = signal.SIGTERM
    with pytest.raises(stopping.StopRequested) as stopped:
        trainer.YolactTrainer.eval_reduce(stub, None, {})
    assert stopped.value.code == 128 + signal.SIGTERM


def test_early_stopping_ends_a_run_at_the_same_step_however_it_is_interrupted(tmp_path):
    metrics = {9: 0.1, 18: 0.3, 27: 0.2, 36: 0.3, 45: 0.9}
    settings = {"early_stopping_patience": 2}
    whole = Counter(metrics=metrics)
    build(whole, tmp_path / "whole", **settings).train_and_evaluate(90, eval_interval=9)
    assert whole.evaluations == [9, 18, 27, 36]
    for stop_after in (5, 18, 27, 30, 36):
        folder, evaluations = tmp_path / str(stop_after), []
        for counter in (Counter(stop_after, metrics), Counter(0, metrics), Counter(0, metrics)):
            try:
                build(counter, folder, **settings).train_and_evaluate(90, eval_interval=9)
            except stopping.StopRequested:
                assert stop_after == int(counter.global_step)
            evaluations += counter.evaluations
        assert evaluations == whole.evaluations
        rows = json.loads((folder / early_stopping.FILE_NAME).read_text())["evaluations"]
        assert [row["step"] for row in rows] == whole.evaluations


def test_a_run_from_the_start_forgets_what_an_earlier_one_measured(tmp_path):
    build(Counter(), tmp_path).train_and_evaluate(18, eval_interval=9)
    for path in tmp_path.glob("ckpt-*"):
        path.unlink()
    (tmp_path / "checkpoint").unlink()
    again = Counter()
    build(again, tmp_path).train_and_evaluate(18, eval_interval=9)
    assert again.evaluations == [9, 18]


REPLICAS = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from official_yolact.configs import training as configs
from official_yolact import hosts
from official_yolact.training import loop, stopping, strategies

devices = strategies.build(configs.RuntimeConfig(distribution_strategy="mirrored", num_gpus=0))
strategy = devices.strategy
assert strategy.num_replicas_in_sync == 2, strategy
with strategy.scope():
    total = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.SUM)

@tf.function
def step(batch):
    strategy.run(lambda part: total.assign_add(tf.reduce_sum(part)), (batch,))

data = strategy.experimental_distribute_dataset(tf.data.Dataset.range(1000).repeat().batch(4, True))
run_steps = loop.TrainLoop(step, strategy, stopping.StopSignals())
for _ in range(5):
    run_steps(iter(data), tf.constant(3))
assert int(total.numpy()) == 5 * sum(range(12)), total
assert step.experimental_get_tracing_count() == 1
assert hosts.build_any(strategy)(True) is True

worker = tf.distribute.MultiWorkerMirroredStrategy()
is_any = hosts.build_any(worker)
assert (is_any(False), is_any(True)) == (False, True)
"""


def test_two_replicas_share_each_batch_and_one_trace():
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
