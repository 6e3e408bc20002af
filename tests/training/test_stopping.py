"""SIGTERM and SIGINT: the step ends, everything is saved, and the run goes on as if nothing had been."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import small_network
import tensorflow as tf

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import loading
from official_yolact.training import run
from official_yolact.training import stopping

STEPS = 90
RUN = """
import sys
from absl import logging
from official_yolact import registry_imports
from official_yolact.configs import loading
from official_yolact.training import run

logging.set_verbosity(logging.INFO)
logging.use_absl_handler()
run.run(loading.load_experiment("yolact_tiny_shapes", [], sys.argv[2:]), "train", sys.argv[1])
print("reached the end", file=sys.stderr)
"""


def overrides(records):
    return [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        "task.train_data.global_batch_size=2,task.train_data.shuffle_buffer_size=8",
        "runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        f"trainer.steps_per_loop=5,trainer.summary_interval=5,trainer.checkpoint_interval={STEPS}",
        f"trainer.train_steps={STEPS},runtime.distribution_strategy=one_device",
    ]


def start(code, *arguments):
    def take_interrupts():
        # A shell's background job, which a test run may be, ignores them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        preexec_fn=take_interrupts,
    )


def interrupt(records, model_dir, number, after):
    """Send a signal once a loop's line was seen; give exit code, log and seconds until the end."""
    process = start(RUN, model_dir, *overrides(records))
    killer = threading.Timer(300, process.kill)
    killer.start()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if re.search(rf"\bstep {after}\b", line):
            break
    process.send_signal(number)
    begin = time.monotonic()
    lines += process.stderr.readlines()
    code = process.wait()
    killer.cancel()
    return code, "".join(lines), time.monotonic() - begin


def tensors(model_dir):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(model_dir))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    # How often was saved does differ.
    return {name: reader.get_tensor(name) for name in names if not name.startswith("save_counter")}


def stopped_at(model_dir, log):
    (step,) = re.findall(r"stopping after step (\d+): saved ckpt-\1", log)
    assert os.path.basename(tf.train.latest_checkpoint(model_dir)) == f"ckpt-{step}"
    return int(step)


@pytest.mark.slow
def test_a_run_stopped_by_either_signal_ends_where_an_uninterrupted_one_does(tiny_records, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    code, log, seconds = interrupt(tiny_records, parts, signal.SIGTERM, 10)
    assert (code, seconds < 10) == (128 + signal.SIGTERM, True), log
    first = stopped_at(parts, log)
    assert 10 <= first < STEPS
    assert "Traceback" not in log
    assert "reached the end" not in log
    assert "did not update" not in log  # Orbit's complaint about a loop cut short

    after = (first // 5 + 2) * 5
    code, log, seconds = interrupt(tiny_records, parts, signal.SIGINT, after)
    assert (code, seconds < 10) == (128 + signal.SIGINT, True), log
    assert f"(step {first})" in log
    second = stopped_at(parts, log)
    assert after <= second < STEPS

    for model_dir in (whole, parts):
        run.run(
            loading.load_experiment("yolact_tiny_shapes", [], overrides(tiny_records)), "train", model_dir
        )
    expected, got = tensors(whole), tensors(parts)
    assert expected.keys() == got.keys()
    assert any("optimizer" in name for name in expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)


HOLD = """
import sys, time
from official_yolact.training import stopping

with stopping.StopSignals() as stop:
    print("ready", file=sys.stderr)
    while not stop.is_requested or sys.argv[1] == "hold":
        time.sleep(0.01)
    print("saving", file=sys.stderr)
raise stopping.StopRequested(stop.signal_number)
"""


@pytest.mark.parametrize(
    ("number", "mode", "times"), [(signal.SIGTERM, "leave", 1), (signal.SIGINT, "hold", 2)]
)
def test_the_first_signal_is_a_request_and_the_second_the_end(number, mode, times):
    process = start(HOLD, mode)
    assert "ready" in process.stderr.readline()
    process.send_signal(number)
    for line in process.stderr:
        if "stopping after this step" in line:
            break
    if times == 2:
        time.sleep(0.5)
        process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait() == 128 + number
    assert ("saving" in rest) == (times == 1)


def test_two_signals_at_once_are_one_request():
    """As `timeout`, job schedulers and wrappers around a terminal send them."""
    process = start(HOLD, "leave")
    assert "ready" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert "saving" in process.stderr.read()
    assert process.wait() in (128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_signals_are_taken_while_the_main_thread_is_in_a_c_call():
    """A lock that is never released, in C: Python would run a handler of its own after it, so never."""
    code = """
import sys
import tensorflow as tf
from official_yolact.training import stopping

with stopping.StopSignals():
    print("ready", file=sys.stderr)
    tf.queue.FIFOQueue(1, tf.int32).dequeue()  # waits for ever
"""
    process = start(code)
    for line in process.stderr:
        if "ready" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    for line in process.stderr:
        if "stopping after this step" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert "nothing more is saved" in process.stderr.read()
    assert process.wait(timeout=20) == 128 + signal.SIGTERM


def test_handlers_are_as_before_afterwards_and_elsewhere_than_in_the_main_thread_untouched():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    with stopping.StopSignals() as stop:
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
        signal.raise_signal(signal.SIGTERM)
        for _ in range(500):
            if stop.is_requested:
                break
            time.sleep(0.01)
        assert stop.signal_number == signal.SIGTERM
    assert {number: signal.getsignal(number) for number in stopping.SIGNALS} == before
    assert signal.set_wakeup_fd(-1) == -1
    seen = []

    def enter():
        with stopping.StopSignals() as other:
            seen.append((signal.getsignal(signal.SIGTERM), other.is_requested))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(before[signal.SIGTERM], False)]


def test_an_ignored_interrupt_stays_ignored():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.StopSignals():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)
