"""Conversions that are killed, interrupted or out of room, and what is there afterwards."""

from __future__ import annotations

import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest

from official_yolact.data.conversion import convert

COUNT, SHARDS, KILLS = 500, 24, 6
TOKEN = "CONVERSION_UNDER_TEST"


def make_set(folder: pathlib.Path, count: int) -> None:
    """Write photos of 24x32 and annotations.json."""
    rng = np.random.default_rng(7)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        name = f"{number:05d}.jpg"
        pixels = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "height": 24, "width": 32})
        for part in range(3):
            x, y = (int(v) for v in rng.integers(0, 12, 2))
            polygon = [x, y, x + 9, y, x + 9, y + 8, x, y + 8]
            annotations.append(
                {
                    "id": 3 * number + part,
                    "image_id": number,
                    "category_id": 1 + part % 2,
                    "segmentation": [polygon],
                    "bbox": [x, y, 9, 8],
                    "iscrowd": 0,
                    "area": 72,
                }
            )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "bolt"}],
    }
    (folder / "annotations.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("stops")
    make_set(folder, COUNT)
    return folder


@pytest.fixture(scope="module")
def reference(data: pathlib.Path) -> dict[str, bytes]:
    output = data / "reference"
    convert.convert_coco(
        str(data / "annotations.json"), str(data / "images"), str(output), "train", num_shards=SHARDS
    )
    return {path.name: path.read_bytes() for path in output.iterdir()}


def listen_to_interrupts() -> None:
    """Take back what a shell that runs the tests in the background does: it makes children deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(data: pathlib.Path, output: pathlib.Path, workers: int = 2, **options: Any) -> Any:
    token = uuid.uuid4().hex
    command = [sys.executable, "-m", "official_yolact", "data", "convert", str(data / "annotations.json")]
    command += ["--images", str(data / "images"), "--output", str(output), "--split", "train"]
    command += ["--shards", str(SHARDS), "--workers", str(workers)]
    process = subprocess.Popen(
        command,
        env={**os.environ, TOKEN: token},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        **{"preexec_fn": listen_to_interrupts, **options},
    )
    return process, token


def processes_of(token: str) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                zombie = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                continue
            if token.encode() in environment and not zombie:
                found.append(int(entry.name))
    return found


def check_no_process_is_left(token: str) -> None:
    end = time.monotonic() + 5
    while processes_of(token):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.01)


class Watch:
    """Looks all the time whether what has a final name is whole."""

    def __init__(self, output: pathlib.Path, reference: dict[str, bytes]) -> None:
        self.output, self.reference = output, reference
        self.faults: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def look(self) -> None:
        for name in sorted(os.listdir(self.output)) if self.output.exists() else []:
            if name.startswith("."):
                continue
            path = self.output / name
            if name not in self.reference or path.stat().st_size != len(self.reference[name]):
                self.faults.append(name)
        if (self.output / "manifest-train.json").exists():
            missing = set(self.reference) - set(os.listdir(self.output))
            self.faults.extend(f"{name} is missing under a manifest" for name in missing)

    def run(self) -> None:
        while not self.stop.wait(0.005):
            self.look()

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def check_done(output: pathlib.Path, reference: dict[str, bytes]) -> None:
    assert {path.name: path.read_bytes() for path in output.iterdir()} == reference


def test_a_conversion_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    data: pathlib.Path, reference: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    rng = np.random.default_rng(int(os.environ.get("OFFICIAL_YOLACT_KILL_SEED", "0")))
    wanted = int(os.environ.get("OFFICIAL_YOLACT_KILLS", KILLS))
    kills, run, longest = 0, 0, 2.5
    while kills < wanted:
        output = tmp_path / str(run)
        run += 1
        finished = False
        with Watch(output, reference) as watch:
            while not finished and kills < wanted:
                process, token = start(data, output)
                started = time.monotonic()
                try:
                    _, error = process.communicate(timeout=float(rng.uniform(0.3, longest)))
                    finished = True
                    longest = max(0.6, time.monotonic() - started)
                    assert process.returncode == 0, error
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    kills += 1
                check_no_process_is_left(token)
            if not finished:
                process, token = start(data, output)
                assert process.communicate()[1] is not None
                assert process.returncode == 0
                check_no_process_is_left(token)
        watch.look()
        assert watch.faults == []
        check_done(output, reference)


def test_what_was_complete_is_not_written_again(
    data: pathlib.Path, reference: dict[str, bytes], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from official_yolact.data.conversion import shard_writer

    written: list[str] = []
    write = shard_writer.ShardWriter.write

    def note(self: Any, job: shard_writer.ShardJob, count: Any) -> str:
        if len(written) == 10:
            raise KeyboardInterrupt
        written.append(job.name)
        return write(self, job, count)

    monkeypatch.setattr(shard_writer.ShardWriter, "write", note)
    source = (str(data / "annotations.json"), str(data / "images"), str(tmp_path / "out"), "train")
    for expected in (10, 20):
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            convert.convert_coco(*source, num_shards=SHARDS)
        assert len(list((tmp_path / "out" / ".train.incomplete").glob("*.tfrecord.json"))) == expected
    work = tmp_path / "out" / ".train.incomplete"
    damaged = work / "train-00003-of-00024.tfrecord"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    (work / "train-00005-of-00024.tfrecord.entries").write_bytes(b"")
    written.clear()
    convert.convert_coco(*source, num_shards=SHARDS)
    assert sorted(int(name[6:11]) for name in written) == [3, 5, 20, 21, 22, 23]
    check_done(tmp_path / "out", reference)


def test_only_the_shard_of_a_photo_that_changed_is_written_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_set(tmp_path, 12)
    bad = tmp_path / "images" / "00012.jpg"
    good = bad.read_bytes()
    bad.write_bytes(b"no photo")
    source = (str(tmp_path / "annotations.json"), str(tmp_path / "images"), str(tmp_path / "out"), "train")
    with pytest.raises(ValueError, match="image 12"):
        convert.convert_coco(*source, num_shards=4)
    done = {path.name: path.stat().st_ino for path in (tmp_path / "out" / ".train.incomplete").iterdir()}
    assert len([name for name in done if name.endswith(".tfrecord")]) == 3
    bad.write_bytes(good)
    convert.convert_coco(*source, num_shards=4)
    for index in range(3):
        name = f"train-{index:05d}-of-00004.tfrecord"
        assert (tmp_path / "out" / name).stat().st_ino == done[name]


@pytest.fixture
def small_files() -> Iterator[Any]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    return limit


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_one_line_and_the_same_command_continues(
    workers: int,
    data: pathlib.Path,
    reference: dict[str, bytes],
    tmp_path: pathlib.Path,
    small_files: Any,
) -> None:
    process, token = start(data, tmp_path / "out", workers, preexec_fn=small_files)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.splitlines()[-1].startswith("yolact: error: ")
    assert "cannot be written: File too large" in error.splitlines()[-1]
    assert "Traceback" not in error
    check_no_process_is_left(token)
    assert [name for name in os.listdir(tmp_path / "out") if not name.startswith(".")] == []
    process, _ = start(data, tmp_path / "out", workers)
    process.communicate(timeout=60)
    assert process.returncode == 0
    check_done(tmp_path / "out", reference)


@pytest.mark.parametrize("workers", [1, 2])
def test_control_c_is_one_line_and_the_same_command_continues(
    workers: int, data: pathlib.Path, reference: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "out"
    process, token = start(data, output, workers, start_new_session=True)
    end = time.monotonic() + 30
    while not list(output.glob(".train.incomplete/*.tfrecord.json")):
        assert time.monotonic() < end
        time.sleep(0.005)
    # As a terminal does: to every process of the group.
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    # On a machine under load the conversion lasts long enough to tell how far it is.
    said = [line for line in error.splitlines() if not re.fullmatch(r"\d+/500 images, .* left", line)]
    assert said == ["yolact: interrupted; the same command continues where this one stopped"]
    check_no_process_is_left(token)
    process, _ = start(data, output, workers)
    process.communicate(timeout=60)
    check_done(output, reference)


def test_a_worker_that_is_killed_is_named(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    process, token = start(data, tmp_path / "out")
    end = time.monotonic() + 30
    while len(workers := [pid for pid in processes_of(token) if b"spawn_main" in command_of(pid)]) < 2:
        assert time.monotonic() < end
    os.kill(workers[0], signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "a worker process ended with exit code -9" in error
    check_no_process_is_left(token)


def command_of(pid: int) -> bytes:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_output_that_cannot_be_written_is_one_line(data: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    process, _ = start(data, tmp_path / "file" / "out")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(error.splitlines()) == 1
    assert f"{tmp_path}/file" in error


def test_two_conversions_into_one_place_do_not_mix(
    data: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from official_yolact.data.conversion import work_folder

    monkeypatch.setattr(work_folder, "_LOCK_SECONDS", 0.2)
    with (
        work_folder.hold(work_folder.path_of(str(tmp_path), "train")),
        pytest.raises(OSError, match=r"\.train\.incomplete: another conversion of this split is running"),
    ):
        convert.convert_coco(str(data / "annotations.json"), str(data / "images"), str(tmp_path), "train")
