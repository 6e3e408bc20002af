"""Checkpoints that are verified: every way to lose or spoil one, with a model of three variables."""

import collections
import inspect
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import orbit
from official.core import actions
from official.modeling import optimization
from official_yolact.checkpoints import checkpoint_reader
from official_yolact.checkpoints import checkpoint_writer
from official_yolact.checkpoints import matching
from official_yolact.checkpoints import scan
from official_yolact.optimizers import torch_sgd
from official_yolact.training import errors
from official_yolact.training import experiment_runner
from official_yolact.training.saving import checkpoint_manager

STEPS = (4, 8, 12)
Run = collections.namedtuple("Run", "checkpoint step weight manager folder")


def build_manager(checkpoint, folder, max_to_keep=None, reads=None, trains=True, **kwargs):
    identity = kwargs.pop("identity", {})
    settings = kwargs.pop("settings", ())
    return checkpoint_manager.CheckpointManager(
        checkpoint_writer.CheckpointWriter(checkpoint, str(folder), max_to_keep, identity=identity),
        checkpoint_reader.CheckpointReader(checkpoint, str(reads or folder), trains, identity, settings),
        **kwargs,
    )


def start(folder, max_to_keep=5, size=6, **kwargs):
    step, weight = tf.Variable(0, dtype=tf.int64), tf.Variable(tf.zeros([size]))
    checkpoint = tf.train.Checkpoint(
        global_step=step, model=tf.train.Checkpoint(weight=weight, bias=tf.Variable([1.5, -2.0]))
    )
    manager = build_manager(checkpoint, folder, max_to_keep, **kwargs)
    return Run(checkpoint, step, weight, manager, str(folder))


def train(run, steps):
    for step in steps:
        run.step.assign(step)
        run.weight.assign(tf.fill(run.weight.shape, step + 0.25))
        assert run.manager.save(step) == os.path.join(run.folder, f"ckpt-{step}")


def names(folder):
    return sorted(os.listdir(folder))


def numbers(folder):
    return [found.number for found in scan.find_checkpoints(str(folder), "ckpt")]


def expect_restored(folder, step, **kwargs):
    run = start(folder, **kwargs)
    assert run.manager.restore_or_initialize() == os.path.join(str(folder), f"ckpt-{step}")
    assert int(run.step) == step
    np.testing.assert_array_equal(run.weight, np.full(6, step + 0.25, np.float32))
    return run


@pytest.fixture
def saved(tmp_path):
    """A run with three checkpoints."""
    folder = tmp_path / "run"
    run = start(folder)
    assert run.manager.restore_or_initialize() is None
    train(run, STEPS)
    return folder


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def flip(path, share=0.5, bit=3):
    content = bytearray(path.read_bytes())
    content[int((len(content) - 1) * share)] ^= 1 << bit
    path.write_bytes(content)


# What happens to a file, and which of the three checkpoints is then the newest intact one.
FAULTS = {
    "state deleted": ("checkpoint", lambda path: path.unlink(), 12),
    "state garbage": ("checkpoint", lambda path: path.write_bytes(b"\x00\xff\x80" * 30), 12),
    "state cut": ("checkpoint", cut, 12),
    "state empty": ("checkpoint", lambda path: path.write_bytes(b""), 12),
    "state names what is not there": (
        "checkpoint",
        lambda path: path.write_text('model_checkpoint_path: "ckpt-99"\n'),
        12,
    ),
    "record deleted": ("ckpt-12.json", lambda path: path.unlink(), 12),
    "record cut": ("ckpt-12.json", cut, 12),
    "record flipped": ("ckpt-12.json", flip, 12),
    "record empty": ("ckpt-12.json", lambda path: path.write_bytes(b""), 12),
    "index deleted": ("ckpt-12.index", lambda path: path.unlink(), 8),
    "index cut": ("ckpt-12.index", cut, 8),
    "index flipped": ("ckpt-12.index", flip, 8),
    "index empty": ("ckpt-12.index", lambda path: path.write_bytes(b""), 8),
    "data deleted": ("ckpt-12.data-00000-of-00001", lambda path: path.unlink(), 8),
    "data cut": ("ckpt-12.data-00000-of-00001", cut, 8),
    "data flipped": ("ckpt-12.data-00000-of-00001", flip, 8),
    "data empty": ("ckpt-12.data-00000-of-00001", lambda path: path.write_bytes(b""), 8),
    "data grown": ("ckpt-12.data-00000-of-00001", lambda path: path.write_bytes(path.read_bytes() + b"0"), 8),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_at_most_the_checkpoint_that_it_hits(fault, saved, caplog):
    name, spoil, expected = FAULTS[fault]
    spoil(saved / name)
    expect_restored(saved, expected)
    if expected != 12:
        assert f"DAMAGED CHECKPOINT {saved}/ckpt-12: " in caplog.text
        assert f"FALLING BACK to {saved}/ckpt-8" in caplog.text
        assert name in caplog.text


@pytest.mark.parametrize("fault", [fault for fault, (_, _, expected) in FAULTS.items() if expected == 8])
def test_without_its_record_a_damaged_checkpoint_is_found_by_reading_it(fault, saved):
    name, spoil, _ = FAULTS[fault]
    for record in saved.glob("ckpt-*.json"):
        record.unlink()
    if fault == "data grown":
        spoil = cut
    spoil(saved / name)
    expect_restored(saved, 8)


def test_a_hundred_random_flips_and_cuts_are_all_found(saved, tmp_path):
    draw = random.Random(20)
    files = [name for name in names(saved) if "-12" in name or name == "checkpoint"]
    for case in range(100):
        folder = tmp_path / "case"
        shutil.copytree(saved, folder)
        name = files[case % len(files)]
        (flip if draw.random() < 0.7 else cut)(folder / name, draw.random())
        intact = name.endswith(".json") or name == "checkpoint"
        expect_restored(folder, 12 if intact else 8)
        shutil.rmtree(folder)


def test_a_hundred_random_flips_without_records_never_change_a_value(saved, tmp_path):
    """A flip in bytes that mean nothing may pass; values are those of one checkpoint or the other."""
    draw = random.Random(21)
    for record in saved.glob("ckpt-*.json"):
        record.unlink()
    for case in range(100):
        folder = tmp_path / "case"
        shutil.copytree(saved, folder)
        name = ("ckpt-12.index", "ckpt-12.data-00000-of-00001")[case % 2]
        (flip if draw.random() < 0.7 else cut)(folder / name, draw.random())
        run = start(folder)
        path = run.manager.restore_or_initialize()
        step = int(path.rsplit("-", 1)[1])
        np.testing.assert_array_equal(run.weight, np.full(6, step + 0.25, np.float32))
        assert step in (8, 12)
        shutil.rmtree(folder)


def test_with_no_intact_checkpoint_nothing_starts_and_every_one_is_named(saved):
    called = []
    for step in STEPS:
        flip(saved / f"ckpt-{step}.data-00000-of-00001")
    run = start(saved, init_fn=lambda: called.append(1))
    with pytest.raises(ValueError, match=r"no intact checkpoint \(ckpt-12: .*ckpt-8: .*ckpt-4: .*--restart"):
        run.manager.restore_or_initialize()
    assert called == []


def test_with_all_files_gone_the_state_file_still_tells(saved):
    for path in saved.glob("ckpt-*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"all are gone.*--restart"):
        start(saved).manager.restore_or_initialize()


def test_a_fresh_run_is_initialized_once_and_cannot_go_back(tmp_path):
    called = []
    run = start(tmp_path, init_fn=lambda: called.append(1))
    assert run.manager.restore_or_initialize() is None
    assert called == [1]
    with pytest.raises(errors.TrainingError, match="has written none yet: lower trainer.checkpoint_interval"):
        run.manager.restore_or_initialize()


def test_training_goes_on_over_a_damaged_checkpoint(saved):
    flip(saved / "ckpt-12.index")
    run = expect_restored(saved, 8)
    assert tf.train.latest_checkpoint(str(saved)) == str(saved / "ckpt-8")
    train(run, [12, 16])
    expect_restored(saved, 16)
    cut(saved / "ckpt-16.index")
    expect_restored(saved, 12)


def test_the_newest_are_kept_and_the_state_file_lists_them(tmp_path):
    run = start(tmp_path, max_to_keep=2)
    run.manager.restore_or_initialize()
    train(run, [4, 8, 12, 16])
    assert numbers(tmp_path) == [16, 12]
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(state.all_model_checkpoint_paths) == [f"{tmp_path}/ckpt-12", f"{tmp_path}/ckpt-16"]
    assert str(tmp_path) not in (tmp_path / "checkpoint").read_text()
    assert run.manager.latest_checkpoint == tf.train.latest_checkpoint(str(tmp_path)) == f"{tmp_path}/ckpt-16"


def test_a_damaged_checkpoint_does_not_count_as_kept(saved):
    """Of 4, 8 and 12 the middle one is bad: with two to keep, 16 must not push out 12."""
    run = expect_restored(saved, 12, max_to_keep=3)
    flip(saved / "ckpt-8.data-00000-of-00001")
    train(run, [16])
    assert numbers(saved) == [16, 12, 4]


def test_no_rotation_takes_the_last_intact_one(saved):
    run = expect_restored(saved, 12, max_to_keep=1)
    train(run, [16])
    assert numbers(saved) == [16]


def test_tensorflow_goes_on_with_our_directories_and_we_with_its(saved):
    """Its manager reads the state file, and keeps the newest checkpoints that are named there."""
    run = start(saved)
    theirs = tf.train.CheckpointManager(run.checkpoint, str(saved), max_to_keep=2)
    assert theirs.restore_or_initialize() == f"{saved}/ckpt-12"
    run.step.assign(16)
    run.weight.assign(tf.fill(run.weight.shape, 16.25))
    theirs.save(16)
    assert numbers(saved) == [16, 12]
    train(expect_restored(saved, 16), [20])
    assert numbers(saved) == [20, 16, 12]


def test_the_manager_has_every_member_that_orbit_uses_of_one():
    source = inspect.getsource(orbit.controller) + inspect.getsource(actions)
    members = set(re.findall(r"checkpoint_manager\.(\w+)", source))
    # Ours replaces the one method of Orbit's controller that asks for this.
    members.discard("checkpoint")
    assert {"save", "restore_or_initialize"} < members
    manager = build_manager(tf.train.Checkpoint(), "")
    assert [name for name in sorted(members) if not hasattr(manager, name)] == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_poisoned_checkpoint_is_never_written(value, saved):
    run = expect_restored(saved, 12)
    before, counter = names(saved), int(run.checkpoint.save_counter)
    run.step.assign(16)
    run.weight[3].assign(value)
    with pytest.raises(
        checkpoint_writer.NonFiniteCheckpointError, match=r"ckpt-16 .*in model/weight\. .*ckpt-12, stays"
    ):
        run.manager.save(16)
    assert (names(saved), int(run.checkpoint.save_counter)) == (before, counter)
    run.weight.assign(tf.ones([6]))
    assert run.manager.save(16)


def test_a_poisoned_checkpoint_of_another_writer_is_passed_over(saved, caplog):
    run = start(saved)
    run.step.assign(16)
    run.weight.assign(tf.fill([6], np.nan))
    run.checkpoint.write(str(saved / "ckpt-16"))
    expect_restored(saved, 12)
    assert "holds NaN or infinity in model/weight" in caplog.text


def test_another_shape_is_refused_before_anything_changes(saved):
    run = start(saved, size=7)
    with pytest.raises(ValueError, match=r"model/weight: float32 \[6\] there, float32 \[7\] here"):
        run.manager.restore_or_initialize()
    assert int(run.step) == 0
    np.testing.assert_array_equal(run.weight, np.zeros(7))


def test_what_is_missing_or_left_over_is_refused(saved):
    run = start(saved)
    run.checkpoint.extra = tf.Variable(3.0)
    with pytest.raises(ValueError, match="1 not stored: extra"):
        run.manager.restore_or_initialize()
    run = start(saved)
    run.checkpoint.model.bias = None
    lean = tf.train.Checkpoint(global_step=run.step, model=tf.train.Checkpoint(weight=run.weight))
    for trains in (True, False):
        manager = build_manager(lean, saved, 5, trains=trains)
        if trains:
            with pytest.raises(ValueError, match="1 stored, and not used here: model/bias"):
                manager.restore_or_initialize()
            assert int(run.step) == 0
        else:
            assert manager.restore_or_initialize()
            assert int(run.step) == 12


@pytest.mark.parametrize("average", [True, False])
def test_slots_and_averages_come_back(average, tmp_path):
    def build():
        model = tf_keras.Sequential(
            [tf_keras.layers.Dense(4, input_shape=(3,)), tf_keras.layers.BatchNormalization()]
        )
        inner = optimizer = torch_sgd.TorchSGD(0.1, 0.9)
        if average:
            optimizer = optimization.ExponentialMovingAverage(inner, average_decay=0.9)
            optimizer.shadow_copy(model)
        inner._create_all_weights(model.trainable_variables)
        step = tf.Variable(0, dtype=tf.int64)
        checkpoint = tf.train.Checkpoint(global_step=step, model=model, optimizer=optimizer)
        manager = build_manager(checkpoint, tmp_path, 1)
        slots = [inner.get_slot(variable, "momentum") for variable in model.trainable_variables]
        if average:
            slots += [optimizer.get_slot(variable, "average") for variable in model.trainable_variables]
        return [*model.variables, *slots], manager

    variables, manager = build()
    for index, variable in enumerate(variables):
        variable.assign(tf.fill(variable.shape, index + 1.0))
    manager.save(1)
    restored, manager = build()
    assert manager.restore_or_initialize()
    for one, other in zip(variables, restored, strict=True):
        np.testing.assert_array_equal(one, other)
    match = matching.match_objects(manager._reader.checkpoint, f"{tmp_path}/ckpt-1")
    assert (match.missing, match.unfit, match.unused) == ((), (), ())
    assert match.num_matched >= len(variables)
    plain = tf.train.Checkpoint(model=tf.train.Checkpoint())
    match = matching.match_objects(plain, f"{tmp_path}/ckpt-1")
    assert "optimizer/" in str(match.unused)
    assert "momentum(model/layer_with_weights-0/kernel)" in str(match.unused)


def test_settings_are_those_of_the_configuration_and_not_of_the_checkpoint(tmp_path):
    def build(rate):
        optimizer = torch_sgd.TorchSGD(rate, 0.9)
        optimizer._create_all_weights([])
        settings = experiment_runner._find_settings(optimizer)
        checkpoint = tf.train.Checkpoint(optimizer=optimizer)
        return optimizer, build_manager(checkpoint, tmp_path, 1, settings=settings)

    build(0.5)[1].save(1)
    optimizer, manager = build(0.125)
    assert manager.restore_or_initialize()
    assert float(optimizer.learning_rate) == 0.125


def test_identity_is_compared_and_named(tmp_path):
    run = start(tmp_path, identity={"task.model.num_classes": 7, "gone": 1})
    run.manager.restore_or_initialize()
    train(run, [4])
    expect_restored(tmp_path, 4, identity={"task.model.num_classes": 7, "new": 2})
    with pytest.raises(ValueError, match=r"another model: task.model.num_classes: 7 -> 8\. .*--restart"):
        start(tmp_path, identity={"task.model.num_classes": 8}).manager.restore_or_initialize()


def test_what_killed_saves_left_is_removed_and_nothing_else(saved):
    inner = saved / "ckpt-16_temp" / "ckpt-16_temp"
    inner.mkdir(parents=True)
    (inner / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x" * 100)
    left = [
        "ckpt-16.data-00000-of-00001",
        "ckpt-20.json",
        "ckpt-12.json.tmp",
        "ckpt-12.index.tempstate1234567",
        "checkpoint.tmp" + "0a" * 16,
        "params.yaml.tmp",
    ]
    kept = [
        "notes.txt",
        "ckpt-best.json",
        "my_temp",
        "results.csv",
        "weights-3.json",
        "checkpoint.old",
        "a.tmp",
    ]
    for name in [*left, *kept]:
        (saved / name).write_text("x")
    before = set(names(saved))
    start(saved, trains=False).manager.restore_or_initialize()
    assert set(names(saved)) == before
    expect_restored(saved, 12)
    assert before - set(names(saved)) == {*left, "ckpt-16_temp"}


def test_a_worker_writes_to_its_own_folder_and_restores_what_the_chief_chose(saved, tmp_path):
    before = names(saved)
    worker = start(tmp_path / "worker", 1, reads=saved, send_from_chief=lambda _: '["ckpt-8", ""]')
    assert worker.manager.restore_or_initialize() == worker.manager.latest_checkpoint == f"{saved}/ckpt-8"
    assert int(worker.step) == 8
    train(worker, [12, 16])
    assert (names(saved), numbers(tmp_path / "worker")) == (before, [16])


def test_a_refusal_of_the_chief_ends_every_worker(saved, tmp_path):
    sent = []
    for path in saved.glob("*.index"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no intact checkpoint"):
        start(saved, send_from_chief=lambda text: sent.append(text) or text).manager.restore_or_initialize()
    worker = start(tmp_path / "worker", 1, reads=saved, send_from_chief=lambda _: sent[0])
    with pytest.raises(ValueError, match="no intact checkpoint"):
        worker.manager.restore_or_initialize()


def test_a_bucket_does_as_well_as_a_disk():
    """TensorFlow's file system in memory stands for it: no path of it is one of the machine's."""
    folder = "ram://run"
    run = start(folder, max_to_keep=2)
    assert run.manager.restore_or_initialize() is None
    train(run, STEPS)
    assert numbers(folder) == [12, 8]
    with tf.io.gfile.GFile(f"{folder}/ckpt-12.index", "w") as file:
        file.write("cut")
    assert start(folder).manager.restore_or_initialize() == f"{folder}/ckpt-8"
    assert not os.path.exists("ram:")


CHILD = """
import os, random, resource, signal, time
import tensorflow as tf
from official_yolact.checkpoints import checkpoint_reader, checkpoint_writer
from official_yolact.training.saving import checkpoint_manager

def build_manager(checkpoint):
    return checkpoint_manager.CheckpointManager(
        checkpoint_writer.CheckpointWriter(checkpoint, folder, 2),
        checkpoint_reader.CheckpointReader(checkpoint, folder),
    )
"""


def run_child(code, folder, environment, **kwargs):
    """Start a process that trains this file's little model."""
    program = f"folder = {str(folder)!r}\n{CHILD}{textwrap.dedent(code)}"
    environment = {**environment, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


def test_a_full_disk_leaves_the_last_checkpoint_and_no_temporary_files(tmp_path, helper_environment):
    code = """
        step, weight = tf.Variable(0, dtype=tf.int64), tf.Variable(tf.fill([4000], 4.25))
        checkpoint = tf.train.Checkpoint(global_step=step, weight=weight)
        manager = build_manager(checkpoint)
        step.assign(4)
        manager.save(4)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))
        before = sorted(os.listdir(folder))
        try:
            manager.save(8)
        except OSError as error:
            print(error)
        assert sorted(os.listdir(folder)) == before, os.listdir(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        weight.assign(tf.zeros([4000]))
        step.assign(0)
        assert manager.restore_or_initialize().endswith("ckpt-4")
        assert float(weight[17]) == 4.25 and int(step) == 4
        manager.save(8)
    """
    child = run_child(code, tmp_path, helper_environment)
    output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors.decode()[-2000:]
    assert b"could not be written" in output
    assert b"ckpt-4 stays" in output
    assert numbers(tmp_path) == [8, 4]


def test_kills_at_random_times_lose_no_step_and_leave_no_files(tmp_path, helper_environment):
    """One process imports TensorFlow, and each of its ten forks trains until it is killed."""
    code = """
        def train(report):
            step, weight = tf.Variable(0, dtype=tf.int64), tf.Variable(tf.zeros([20000]))
            checkpoint = tf.train.Checkpoint(global_step=step, weight=weight)
            manager = build_manager(checkpoint)
            manager.restore_or_initialize()
            assert (weight.numpy() == int(step)).all()
            os.write(report, b"%d " % int(step))
            while True:
                step.assign_add(1)
                weight.assign_add(tf.ones_like(weight))
                manager.save(int(step))
                os.write(report, b"%d " % int(step))

        draw, last = random.Random(3), 0
        for _ in range(10):
            source, report = os.pipe()
            child = os.fork()
            if not child:
                try:
                    train(report)
                finally:
                    os._exit(1)
            os.close(report)
            lines = b""
            while lines.count(b" ") < 3:
                part = os.read(source, 100)
                assert part, "the child has ended"
                lines += part
            time.sleep(draw.uniform(0.02, 0.3))
            os.kill(child, signal.SIGKILL)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            while part := os.read(source, 100000):
                lines += part
            assert int(lines.split()[0]) >= last, (lines, last)
            last = int(lines.split()[-1])
        print(last)
    """
    child = run_child(code, tmp_path, helper_environment)
    output, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors.decode()[-2000:]
    last = int(output)
    assert last >= 20
    step, weight = tf.Variable(0, dtype=tf.int64), tf.Variable(tf.zeros([20000]))
    checkpoint = tf.train.Checkpoint(global_step=step, weight=weight)
    manager = build_manager(checkpoint, tmp_path, 2)
    assert manager.restore_or_initialize()
    assert int(step) in (last, last + 1)
    np.testing.assert_array_equal(weight, np.full(20000, int(step)))
    manager.save(int(step) + 1)
    found = set(names(tmp_path))
    expected = {
        "checkpoint",
        *(
            f"ckpt-{int(step) + later}.{ending}"
            for later in (0, 1)
            for ending in ("data-00000-of-00001", "index", "json")
        ),
    }
    # The last kill may have come between a checkpoint, which is whole, and its record.
    assert expected - {f"ckpt-{int(step)}.json"} <= found <= expected
