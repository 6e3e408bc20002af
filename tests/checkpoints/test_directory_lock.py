"""A second training in one model directory is refused."""

import os
import signal
import socket
import subprocess
import sys

import pytest
import small_network

from official_yolact.checkpoints import directory_lock


def test_a_second_training_is_refused_with_host_and_process_of_the_first(tmp_path):
    run = str(tmp_path / "run")
    with directory_lock.hold(run):
        with (
            pytest.raises(OSError, match=f"process {os.getpid()} on host '{socket.gethostname()}'") as caught,
            directory_lock.hold(run),
        ):
            pass
        assert run in str(caught.value)
        assert f"if that host is gone, delete {run}/.training.lock" in str(caught.value)
    assert os.listdir(run) == []
    with directory_lock.hold(run):
        pass


def test_a_killed_training_leaves_no_lock(tmp_path):
    program = (
        "import sys, time\nfrom official_yolact.checkpoints import directory_lock\n"
        "with directory_lock.hold(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    run = str(tmp_path / "run")
    with subprocess.Popen([sys.executable, "-c", program, run], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(OSError, match=f"process {first.pid} "), directory_lock.hold(run):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert os.listdir(run) == [directory_lock.FILE_NAME]
    with directory_lock.hold(run):
        pass


def test_a_record_of_the_holder_that_cannot_be_read_refuses_all_the_same(tmp_path):
    with directory_lock.hold(str(tmp_path)):
        (tmp_path / directory_lock.FILE_NAME).write_text("{not JSON")
        with pytest.raises(OSError, match="another process writes to"), directory_lock.hold(str(tmp_path)):
            pass


def test_a_bucket_is_warned_of_and_not_touched(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("WARNING"), directory_lock.hold("gs://bucket/run"):
        pass
    assert "gs://bucket/run" in caplog.text
    assert os.listdir(tmp_path) == []


def test_the_command_ends_with_one_message_and_exit_code_2(tiny_records, tmp_path):
    run = tmp_path / "run"
    overrides = f"{small_network.TERMS},task.train_data.input_path={tiny_records}/train-*"
    with directory_lock.hold(str(run)):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "official_yolact.train", "--experiment=yolact_tiny_shapes"),
                *("--mode=train", f"--model_dir={run}", f"--params_override={overrides}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert os.listdir(run) == [directory_lock.FILE_NAME]
    assert done.returncode == 2
    assert f"process {os.getpid()} on host" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
