"""What workers tell each other before and while they train: two processes, without a model."""

import json
import pathlib
import subprocess
import sys

import free_ports
import pytest

PROGRAM = pathlib.Path(__file__).with_name("worker_talk.py")


@pytest.fixture(scope="module")
def talk(tiny_records, helper_environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("talk")
    hosts = ",".join(f"localhost:{port}" for port in free_ports.find_ports(2))
    started = []
    for index in range(2):
        runtime = (
            f"{{distribution_strategy: multi_worker_mirrored, worker_hosts: '{hosts}', task_index: {index}}}"
        )
        given = {
            "index": index,
            "out": str(folder / f"{index}.json"),
            "shared": str(folder / "shared"),
            "own": str(folder / f"own{index}"),
            "other_data": f"{tiny_records}/{('train', 'val')[index]}-*.tfrecord",
            "overrides": [
                f"task.train_data.input_path={tiny_records}/train-*.tfrecord",
                f"{{runtime: {runtime}}}",
            ],
        }
        started.append(
            subprocess.Popen(
                [sys.executable, str(PROGRAM), json.dumps(given)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**helper_environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        )
    texts = [process.communicate(timeout=400)[0] for process in started]
    assert [process.returncode for process in started] == [0, 9], "\n".join(text[-3000:] for text in texts)
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)], folder


def test_bytes_of_any_length_reach_every_worker_as_they_were(talk):
    for worker in talk[0]:
        assert worker["exchanged"] == [True] * 5
        assert worker["told"] == "from 0"
    assert [worker["is_chief"] for worker in talk[0]] == [True, False]


def test_workers_that_would_not_do_the_same_all_say_why_and_do_not_begin(talk):
    (chief, other), folder = talk
    assert [text.replace("own1", "own0") for text in other["alike"]] == chief["alike"]
    same, directory, data, config = chief["alike"]
    assert same == ""
    assert directory.startswith("OSError")
    assert "worker 1 (" in directory
    assert "shared file system" in directory
    assert "1 files" in data
    assert "the same files must be on every host" in data
    assert "worker 1 (" in config
    assert "task.seed: " in config
    assert list((folder / "shared").iterdir()) == []


def test_a_worker_that_is_killed_does_not_leave_the_other_waiting(talk):
    (chief, _), _ = talk
    assert chief["alone"] in ("UnavailableError", "InternalError", "AbortedError", "CancelledError")
    assert chief["seconds"] < 60
