"""Training on the share of each cell that a mask covers, as a user types it."""

import csv
import math
import pathlib

import forks
import small_network


def test_bfloat16_learns_from_shares_with_parts_of_a_batch_and_the_iou_branch(
    tiny_records: str, tmp_path: pathlib.Path
) -> None:
    words = [
        "train",
        "yolact_tiny_shapes",
        f"--model_dir={tmp_path}/run",
        f"task.train_data.input_path={tiny_records}/train-*.tfrecord",
        f"task.validation_data.input_path={tiny_records}/val-*.tfrecord",
        "task.train_data.parser.mask_target=coverage,task.validation_data.parser.mask_target=coverage",
        "task.model.mask_rescoring=true,task.losses.min_mask_iou_area=1,trainer.gradient_accumulation=2",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        "runtime.mixed_precision_dtype=bfloat16,runtime.distribution_strategy=one_device",
        small_network.TERMS,
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.train_steps=2,trainer.num_pictures=0",
        "trainer.checkpoint_interval=2,trainer.validation_interval=2,task.train_data.shuffle_buffer_size=8",
    ]
    process = forks.start(f"{tmp_path}/out", f"{tmp_path}/log", forks.run_command, *words)
    process.join()
    assert process.exitcode == 0, (tmp_path / "log").read_text()[-6000:]
    with open(tmp_path / "run" / "results.csv", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "train"]
    assert [line["step"] for line in lines] == ["2"]
    assert all(math.isfinite(float(lines[0][name])) for name in ("mask_loss", "mask_iou_loss", "total_loss"))
