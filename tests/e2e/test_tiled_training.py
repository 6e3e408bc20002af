"""A model that is trained on tiles of large photos searches large photos in such tiles, as docs/prediction.md types it."""

import json
import pathlib

import forks
import small_network

SIZE, TILE = 256, 96


def test_the_commands_lead_from_large_photos_to_predictions_in_tiles(tmp_path: pathlib.Path) -> None:
    def run(*words: str) -> None:
        process = forks.start(f"{tmp_path}/out", f"{tmp_path}/log", forks.run_command, *words)
        process.join()
        assert process.exitcode == 0, (tmp_path / "log").read_text()[-6000:]

    photos, records = tmp_path / "large", str(tmp_path / "records")
    run("data", "shapes", "--output", str(photos), *f"--size {SIZE} --cell 64 --train 2 --val 1".split())
    for split in ("train", "val"):
        annotations, tiles = str(photos / f"instances_{split}.json"), tmp_path / "tiles" / split
        images = ["--images", str(photos / split)]
        run("data", "tile", annotations, *images, "--output", str(tiles), "--tile", str(TILE))
        images = ["--images", str(tiles / "images")]
        run("data", "convert", str(tiles / "instances.json"), *images, "--output", records, "--split", split)
    run(
        "train",
        "yolact_next_shapes_cpu.yaml",
        f"--model_dir={tmp_path}/run",
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.train_data.global_batch_size=4,task.validation_data.global_batch_size=4",
        f"{small_network.TERMS},task.model.detection_generator.score_threshold=0",
        "trainer.steps_per_loop=2,trainer.summary_interval=2,trainer.train_steps=2,trainer.num_pictures=0",
        "trainer.checkpoint_interval=2,trainer.validation_interval=2,task.train_data.shuffle_buffer_size=8",
    )
    (photo,) = (photos / "val").iterdir()
    search = ["--tile", str(TILE), "--score-threshold", "0"]
    run("predict", f"{tmp_path}/run", str(photo), "--output", f"{tmp_path}/found", *search)
    found = json.loads((tmp_path / "found" / "predictions.json").read_text())
    boxes = [each["bbox"] for each in found]
    # In the frame of the photo, and in all four quarters of it.
    assert all(
        0 <= x <= x + width < SIZE + 0.01 and 0 <= y <= y + height < SIZE + 0.01
        for x, y, width, height in boxes
    )
    middles = {(x + width / 2 > SIZE / 2, y + height / 2 > SIZE / 2) for x, y, width, height in boxes}
    assert len(middles) == 4
