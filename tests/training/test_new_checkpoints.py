import threading
import time

import pytest
import tensorflow as tf

from official_yolact.checkpoints import checkpoint_writer
from official_yolact.training.saving import new_checkpoints


@pytest.fixture
def save(tmp_path):
    """Write a checkpoint of a step as training does."""
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(step=step, weights=tf.Variable(tf.range(1000.0)))
    run = checkpoint_writer.CheckpointWriter(checkpoint, str(tmp_path / "run"), 2)

    def save_step(number):
        step.assign(number)
        run.save(number)

    (tmp_path / "run").mkdir()
    return save_step


def read_step(prefix):
    reader = tf.train.load_checkpoint(prefix)
    return int(reader.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE"))


def test_each_checkpoint_comes_once_and_the_last_one_ends_it(save, tmp_path):
    seen = []
    save(2)
    for prefix in new_checkpoints.iterate(
        str(tmp_path / "run"), lambda: seen[-1] >= 6, timeout=30, poll=0.01
    ):
        seen.append(read_step(prefix))
        if seen[-1] < 6:
            save(seen[-1] + 2)
    assert seen == [2, 4, 6]


def test_nothing_is_read_half_written(save, tmp_path):
    """A trainer saves as fast as it can and keeps two; whatever comes can be read."""
    seen, ended = [], threading.Event()

    def train():
        for number in range(1, 31):
            save(number)
        ended.set()

    thread = threading.Thread(target=train)
    thread.start()
    for prefix in new_checkpoints.iterate(
        str(tmp_path / "run"), lambda: seen[-1:] == [30], timeout=30, poll=0.001
    ):
        try:
            seen.append(read_step(prefix))
        except (tf.errors.OpError, ValueError):
            assert not ended.is_set()  # it was let go: newer ones are there
    thread.join()
    assert seen == sorted(set(seen))
    assert seen[-1] == 30


def test_a_damaged_checkpoint_is_passed_over_until_its_files_change(save, tmp_path):
    run = tmp_path / "run"
    save(1)
    save(2)
    data = run / "ckpt-2.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    found = [read_step(prefix) for prefix in new_checkpoints.iterate(str(run), lambda: False, 0.1, 0.01)]
    assert found == [1]


def test_the_wait_ends_after_the_time_and_changes_no_file(save, tmp_path):
    run = tmp_path / "run"
    save(1)
    (run / "ckpt-2_temp").mkdir()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    begin = time.monotonic()
    assert len(list(new_checkpoints.iterate(str(run), lambda: False, 0.3, 0.05))) == 1
    assert 0.3 <= time.monotonic() - begin < 10
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_directory_where_nothing_comes_is_named(tmp_path):
    with pytest.raises(TimeoutError, match=r"typo: no intact checkpoint in 0.1 s .*model_dir"):
        new_checkpoints.wait_for_first(str(tmp_path / "typo"), 0.1, 0.05)
    assert not (tmp_path / "typo").exists()
