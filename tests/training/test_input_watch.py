"""An input that delivers nothing: which stage stands still, and the end of the run."""

import glob
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import small_network
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.training import errors
from official_yolact.training import input_stage
from official_yolact.training.watch import input_watch
from official_yolact.training.watch import starvation
from official_yolact.training.watch import watcher


def stage(records, build=lambda: [0], timeout=1.0, **kwargs):
    data = configs.DataConfig(input_path=records, is_training=True, **kwargs)
    return input_stage.InputStage(data, build, timeout).describe()


def test_a_file_that_does_not_answer_is_named(tiny_records, monkeypatch):
    """A file of a dead server is listed, and whoever reads it waits."""
    released, read = threading.Event(), input_stage.read_first_bytes
    (shard,) = glob.glob(f"{tiny_records}/val-*.tfrecord")
    monkeypatch.setattr(
        input_stage, "read_first_bytes", lambda file: released.wait(60) if file == shard else read(file)
    )
    said = stage(f"{tiny_records}/train-*.tfrecord,{shard}", timeout=5.0)
    released.set()
    assert said.startswith("reading records: 1 of 2 files cannot be read: ")
    assert f"{shard} (no answer within 5 s)" in said


def test_a_pipe_among_the_files_is_named(tiny_records, tmp_path):
    """Whoever opens a pipe that nobody writes to waits for ever, so none is opened."""
    pipe = tmp_path / "train-00001.tfrecord"
    os.mkfifo(pipe)
    said = stage(f"{tiny_records}/train-*.tfrecord,{pipe}")
    assert "cannot be listed" in said
    assert "a pipe, socket or device, not a file" in said
    assert str(pipe) in said


def test_a_file_that_has_gone_is_named(tmp_path):
    assert "cannot be listed" in stage(f"{tmp_path}/train-*.tfrecord")
    gone = tmp_path / "train-0.tfrecord"
    gone.symlink_to(tmp_path / "nowhere")
    assert f"reading records: 1 of 1 files cannot be read: {gone}" in stage(f"{tmp_path}/train-*.tfrecord")


def test_decoding_that_does_not_end_is_told_from_reading(tiny_records):
    released = threading.Event()

    def hang():
        released.wait(20)
        yield 0

    said = stage(f"{tiny_records}/train-*.tfrecord", hang)
    released.set()
    assert said.startswith("decoding or augmenting: all 1 files can be read, but a new pipeline makes no")
    assert "is idle" in said


def test_decoding_that_fails_says_how(tiny_records):
    def fail():
        raise tf.errors.ResourceExhaustedError(None, None, "no memory for 4 TB\nmore")

    said = stage(f"{tiny_records}/train-*.tfrecord", fail)
    assert said.startswith("decoding or augmenting: ")
    assert "(no memory for 4 TB)" in said


def test_where_all_stages_work_the_running_pipeline_is_to_blame(tiny_records):
    assert stage(f"{tiny_records}/train-*.tfrecord").startswith("batching or prefetching: all 1 files")


def test_a_data_service_is_asked_for_its_dispatcher():
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        service = {"enable_tf_data_service": True, "tf_data_service_address": f"grpc://localhost:{port}"}
        assert "takes connections, but no batch comes" in stage("x", **service)
    assert stage("x", **service).startswith(f"tf.data service: nothing answers at grpc://localhost:{port}")


def wait(seconds, timeout, diagnose=lambda: "reading records"):
    """Watch one wait; give the exit codes that would have ended the process."""
    codes = []
    watch = input_watch.InputWatch(timeout, diagnose, codes.append)
    with watch.waiting():
        time.sleep(seconds)
    time.sleep(0.3)
    watch.close()
    return codes


def test_the_first_timeout_is_reported_once_and_the_second_ends_the_run(caplog, capfd):
    caplog.set_level("INFO")
    assert errors.EXIT_CODE in wait(2.0, 0.5)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("the input stands still: reading records" in message for message in messages) == 1
    assert any("ending the run" in message for message in messages)
    # Where each thread is, the waiting one among them.
    assert "test_input_watch.py" in capfd.readouterr().err


def test_batches_in_time_are_no_news(caplog):
    codes = []
    watch = input_watch.InputWatch(1.0, lambda: "unreached", codes.append)
    for _ in range(20):
        with watch.waiting():
            time.sleep(0.1)
    watch.close()
    assert codes == []
    assert "stands still" not in caplog.text


def count_watching(before):
    """Count the watching threads that are new; those of other tests come and go."""
    return sum(thread.name == "input watch" for thread in set(threading.enumerate()) - before)


def test_the_thread_ends_where_nothing_is_waited_for_and_a_new_one_takes_over(monkeypatch):
    monkeypatch.setattr(input_watch, "_IDLE_SECONDS", 0.1)
    codes, before = [], set(threading.enumerate())
    watch = input_watch.InputWatch(0.4, lambda: "reading records", codes.append)
    with watch.waiting():
        assert count_watching(before) == 1
    time.sleep(1.0)
    assert count_watching(before) == 0
    with watch.waiting():
        time.sleep(1.5)
    watch.close()
    assert errors.EXIT_CODE in codes


def test_a_timeout_of_zero_watches_nothing():
    before = set(threading.enumerate())
    watch = input_watch.InputWatch(0.0, lambda: "unreached")
    with watch.waiting():
        assert count_watching(before) == 0
    watch.close()


def test_a_diagnosis_that_fails_hides_nothing(caplog):
    def fail():
        raise OSError("no /proc here")

    assert errors.EXIT_CODE in wait(1.5, 0.4, fail)
    assert "finding out where failed: no /proc here" in caplog.text


def test_a_slow_input_is_reported_once_with_figures():
    watch = starvation.InputStarvation()

    def look(*times):
        return watch.update(watcher.LoopResult(times=watcher.LoopTimes(*times)))

    assert look(10, 1.0, 0.5) is None
    assert look(10, 1.0, 0.1) is None  # the row begins anew
    assert [look(10, 1.0, 0.5) for _ in range(2)] == [None, None]
    assert look(0, 0.0, 0.0) is None  # a loop without times counts for nothing
    message = look(10, 2.0, 0.8)
    assert "80 ms of waiting for a batch and 120 ms of computing in each step, 40% of the time" in message
    assert "tf_data_service" in message
    assert [look(10, 1.0, 0.9) for _ in range(9)] == [None] * 9


HANG = """
import sys, time
import tensorflow as tf
from absl import logging
from official_yolact import registry_imports
from official_yolact.configs import loading
from official_yolact.dataloaders import yolact_input
from official_yolact.training import run

logging.set_verbosity(logging.INFO)
logging.use_absl_handler()

class Hanging(yolact_input.Parser):
    def __init__(self, config, model, is_training, *args, **kwargs):
        super().__init__(config, model, is_training, *args, **kwargs)
        self._hangs = is_training == (sys.argv[2] == "train")

    def parse(self, record, position):
        waits = [tf.numpy_function(lambda: time.sleep(600) or 0, [], tf.int64)] if self._hangs else []
        with tf.control_dependencies(waits):
            return super().parse(tf.identity(record), position)

yolact_input.Parser = Hanging
run.run(loading.load_experiment("yolact_tiny_shapes", [], sys.argv[3:]), sys.argv[2], sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "kind"),
    [("train", "training"), pytest.param("train_and_eval", "validation", marks=pytest.mark.rare)],
)
def test_a_run_without_batches_ends_with_the_stage_and_exit_code_2(mode, kind, tiny_records, tmp_path):
    overrides = [
        f"task.train_data.input_path={tiny_records}/train-*.tfrecord",
        f"task.validation_data.input_path={tiny_records}/val-*.tfrecord",
        "task.train_data.global_batch_size=2,trainer.train_steps=2",
        small_network.TERMS,
        "trainer.input_timeout=3,runtime.distribution_strategy=one_device",
    ]
    done = subprocess.run(
        [sys.executable, "-c", HANG, str(tmp_path), mode, *overrides],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert f"no {kind} batch for" in done.stderr
    assert "the input stands still: decoding or augmenting: all 1 files can be read" in done.stderr
    assert "in _fetch" in done.stderr or "in fetch_and_step" in done.stderr
    assert "ending the run" in done.stderr
