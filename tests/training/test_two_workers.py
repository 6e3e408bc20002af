"""Two processes of MultiWorkerMirroredStrategy do what one process does."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import free_ports
import numpy as np
import pytest
import small_network
import tensorflow as tf

PROGRAM = pathlib.Path(__file__).with_name("two_workers.py")
pytestmark = pytest.mark.slow


def configure(records, steps, *more):
    return [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "task.model.freeze_bn=true,runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.checkpoint_interval=2",
        f"trainer.train_steps={steps},trainer.validation_interval=4,task.train_data.shuffle_buffer_size=8",
        "task.model.detection_generator.score_threshold=0.0,trainer.num_pictures=0",
        "{trainer: {optimizer_config: {optimizer: {type: torch_sgd}, warmup: {type: null},"
        " learning_rate: {type: constant, constant: {learning_rate: 0.005}}, ema: {average_decay: 0.9}}}}",
        *more,
    ]


def start(environment, jobs, out, **more):
    arguments = json.dumps({"jobs": jobs, "out": str(out), **more})
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": str(pathlib.Path(out).parent)},
    )


def finish(process, out, timeout=900):
    text, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, text[-6000:]
    return json.loads(pathlib.Path(out).read_text())


def start_workers(environment, folder, overrides, mode, model_dirs, die_at_step=None):
    hosts = [f"localhost:{port}" for port in free_ports.find_ports(2)]
    started = []
    for index, model_dir in enumerate(model_dirs):
        out = folder / f"worker{index}.json"
        runtime = (
            f"{{runtime: {{distribution_strategy: multi_worker_mirrored, worker_hosts: '{','.join(hosts)}',"
            f" task_index: {index}}}}}"
        )
        jobs = [{"overrides": [*overrides, runtime], "mode": mode, "model_dir": str(model_dir)}]
        more = {"die_at_step": die_at_step} if die_at_step and index else {}
        started.append((start(environment, jobs, out, **more), out))
    return started


def link_files(source, view):
    """Link what is in a folder into another; links to what is gone go too."""
    for link in list_entries(view):
        if link.is_symlink() and not link.exists():
            link.unlink()
    for path in list_entries(source):
        shown = view / path.relative_to(source)
        with contextlib.suppress(OSError):  # it is there, or gone again
            shown.mkdir() if path.is_dir() else shown.symlink_to(path)


def list_entries(folder):
    return sorted(
        pathlib.Path(top, name) for top, folders, files in os.walk(folder) for name in folders + files
    )


@contextlib.contextmanager
def showing(source, view):
    """Show a folder in another, where whatever is no link has been written by those who see that one."""
    end = threading.Event()

    def follow():
        while not end.wait(0.02):
            link_files(source, view)

    view.mkdir(exist_ok=True)
    link_files(source, view)
    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        end.set()
        follower.join()


def weights(model_dir, step):
    reader = tf.train.load_checkpoint(os.path.join(model_dir, f"ckpt-{step}"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE") and not name.startswith("save_counter")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def trained(tiny_records, helper_environment, folder):
    """Two workers train 4 steps and are started again for 2 more; each pair's records.

    The second sees the files of the chief under another name.
    """
    found, folders = [], [folder / "two", folder / "view"]
    for steps in (4, 6):
        overrides = configure(tiny_records, steps)
        with showing(*folders):
            started = start_workers(helper_environment, folder, overrides, "train_and_eval", folders)
            found.append([finish(*one) for one in started])
    return found


@pytest.fixture(scope="module")
def alone(tiny_records, helper_environment, folder, trained):
    """One process trains 6 steps without a stop, and evaluates what the two have trained."""
    shutil.copytree(folder / "two", folder / "copy")
    overrides = configure(tiny_records, 6, "runtime.distribution_strategy=one_device")
    jobs = [
        {"overrides": overrides, "mode": "train_and_eval", "model_dir": str(folder / "one")},
        {"overrides": overrides, "mode": "eval", "model_dir": str(folder / "copy")},
    ]
    out = folder / "alone.json"
    return finish(start(helper_environment, jobs, out), out)["jobs"]


def test_two_workers_take_the_images_of_one_process_at_each_step(trained, alone):
    first, second = ([job["jobs"][0]["steps"] for job in pair] for pair in trained)
    assert [len(worker) for worker in first + second] == [4, 4, 2, 2]
    together = [sorted(a + b) for a, b in zip(first[0] + second[0], first[1] + second[1], strict=True)]
    assert together == alone[0]["steps"]
    assert all(len(ids) == 4 for ids in together)


@pytest.mark.parametrize("step", [4, 6])
def test_two_workers_end_at_the_weights_of_one_process(folder, trained, alone, step):
    """Up to the order in which floats are added: the largest difference is a few millionths."""
    two, one = weights(folder / "two", step), weights(folder / "one", step)
    assert two.keys() == one.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_every_worker_reports_the_metrics_of_one_process(trained, alone):
    """The detections too: after six steps nearly all metrics are 0."""
    chief, other = (worker["jobs"][0] for worker in trained[1])
    assert chief["metrics"][-1] == other["metrics"][-1]
    assert other["measured"] == []
    (one,) = alone[1]["metrics"]
    assert chief["metrics"][-1].keys() == one.keys()
    for name, value in one.items():
        assert chief["metrics"][-1][name] == pytest.approx(value, abs=1e-6), name
    ours, theirs = chief["measured"][-1], alone[1]["measured"][-1]
    assert ours["ids"] == theirs["ids"]
    assert len(ours["ids"]) == 7
    assert len(ours["boxes"]) == len(theirs["boxes"]) > 50


def test_only_the_chief_writes(folder, trained):
    """TensorFlow's own files are seen as what is no link in the other's view, Python's as what it opened."""
    two, view = folder / "two", folder / "view"
    written = [path for path in list_entries(view) if not (path.is_symlink() or path.is_dir())]
    assert written == []
    for pair in trained:
        chief, other = (
            [path for path in worker["written"] if path.startswith((f"{two}/", f"{view}/"))]
            for worker in pair
        )
        assert other == []
        assert chief
    assert not [path for path in (*two.iterdir(), *view.iterdir()) if path.name == "ema_checkpoints"]
    assert list(folder.glob("yolact-*")) == []  # where the other saves
    for part in ("train", "validation"):
        assert len(list((folder / "two" / part).glob("*tfevents*"))) == len(trained)
    assert sorted(path.name for path in (folder / "two").glob("ckpt-*.index")) == [
        f"ckpt-{step}.index" for step in (2, 4, 6)
    ]
