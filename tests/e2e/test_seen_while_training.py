"""What `yolact train` shows on a terminal and in a plain log, and what is in the file of its run alone."""

from __future__ import annotations

import os
import pathlib
import re
import select

import forks
import pytest
import small_network

OF_OTHERS = (
    "Sharding callback",
    "The dataset iterator is exhausted",
    "did not report validation loss",
    "Running default trainer",
    "best so far",
)


@pytest.fixture(scope="module")
def seen(tiny_records: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str, str]:
    """Directory of a run, what its first steps showed on a terminal, and what the others showed in a file."""
    folder = tmp_path_factory.mktemp("seen")
    words = [
        "train",
        "yolact_tiny_shapes",
        f"--model_dir={folder}/run",
        f"task.train_data.input_path={tiny_records}/train-*.tfrecord",
        f"task.validation_data.input_path={tiny_records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "runtime.mixed_precision_dtype=float32",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.checkpoint_interval=4",
        "trainer.validation_interval=4,runtime.distribution_strategy=one_device,trainer.num_pictures=1",
        "task.train_data.shuffle_buffer_size=8,trainer.optimizer_config.warmup.linear.warmup_steps=2",
    ]
    master, slave = os.openpty()
    terminal, steps = os.ttyname(slave), "trainer.train_steps=4"
    process = forks.start(
        f"{folder}/out", terminal, forks.run_command, *words, steps, TF_CPP_MIN_LOG_LEVEL="0"
    )
    shown = b""
    while process.is_alive() or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.2)[0]:
            shown += os.read(master, 65536)
    os.close(slave)  # Before, or while nobody has it open, its other end could not be read.
    os.close(master)
    assert process.exitcode == 0, shown
    process = forks.start(
        f"{folder}/out", f"{folder}/plain", forks.run_command, *words, "trainer.train_steps=6"
    )
    process.join()
    plain = (folder / "plain").read_text()
    assert process.exitcode == 0, plain
    assert (folder / "out").read_text() == ""
    return folder / "run", shown.decode(), plain


def test_a_terminal_has_one_line_of_progress_and_a_table(seen):
    _, shown, _ = seen
    # What `\r` begins is in place; all else stays.
    in_place = [piece.split("\x1b[K")[0] for piece in shown.split("\r") if "\x1b[K" in piece]
    assert any(re.match(r"step 4/4 \| loss [\d.]+ \| [\d.]+ images/s \| left 0:", line) for line in in_place)
    assert {"compiling the training step ...", "evaluating step 4 ..."} <= set(in_place)
    assert all(len(line) < 80 for line in in_place)
    stays = re.sub(r"\r[^\n]*?\x1b\[K", "", shown).replace("\r", "").splitlines()
    heading, row = (line for line in stays if line.startswith("     step ") or re.match(r" +4 +1\.33 ", line))
    assert len(heading) == len(row) < 80
    assert not [line for line in stays if line.startswith(("step ", "saved ", "compil", "evaluating"))]
    assert any(line.startswith("evaluation of step 4 | box AP ") for line in stays)
    assert any(re.match(r"\d of \d classes have mask AP 0: ", line) for line in stays)


def test_a_plain_log_has_lines_without_a_prefix(seen):
    _, _, plain = seen
    lines = plain.splitlines()
    assert not re.search(r"[\r\x1b]|^[IWEF]\d{4} |\d{10,}", plain, re.M)
    assert any(line.startswith("step 6/6 | epoch 2.00 | loss ") for line in lines)
    assert any(line.startswith("restored ") for line in lines)
    assert any(line.startswith("evaluation of step 6 | ") for line in lines)
    assert "this run:" in lines


def test_lines_that_help_nobody_are_in_the_file_of_the_run_alone(seen):
    folder, shown, plain = seen
    log = (folder / "log.txt").read_text()
    for text in OF_OTHERS:
        assert text in log
        assert text not in shown
        assert text not in plain
    assert "nan" not in shown + plain
    assert log.count("===== ") == 2
    for line in plain.splitlines()[2:]:
        assert line.removeprefix("warning: ") in log
    assert {path.name for path in folder.iterdir()} >= {"log.txt", "metrics.json", "results.csv"}


def test_the_evaluation_says_how_far_it_is(seen):
    _, shown, _ = seen
    assert re.search(r"\revaluating: \d/7 images \| left 0:\d\d\x1b\[K", shown)
