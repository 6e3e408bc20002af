"""The main job in small: shapes, TFRecords, training, COCO AP, pictures."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable

from official_yolact.configs import loading
from official_yolact.data.conversion import convert
from official_yolact.data.sets import shapes
from official_yolact.drawing import sheets
from official_yolact.evaluation import table
from official_yolact.reporting import contestants
from official_yolact.reporting import html_page
from official_yolact.serving import loading as serving
from official_yolact.training import run as training
from official_yolact_runtime.files import outputs

CONFIG = "yolact_next_shapes_cpu.yaml"
METRICS = ("box_AP", "box_AP50", "mask_AP", "mask_AP50")
_SHEET = "all.png"

Say = Callable[[str], None]


def run_demo(
    output: str,
    say: Say,
    *,
    num_train: int = 2000,
    num_val: int = 250,
    num_pictures: int = 12,
    overrides: tuple[str, ...] = (),
    force: bool = False,
) -> dict[str, float]:
    """Make the shapes data set, convert it, train on it, evaluate, and draw predictions.

    Args:
      output: directory for everything: `shapes/`, `records/`, `model/`, `pictures/`, `metrics.json`.
      say: takes each line of progress.
      num_train: training images.
      num_val: held-out images, on which the numbers are.
      num_pictures: held-out images that are drawn.
      overrides: `key=value` terms on top of the demo's configuration.
      force: replace files that this program did not write.

    Returns:
      Every number of the evaluation; `metrics.json` holds them too.
    """
    started = time.monotonic()
    data, records, model_dir = (os.path.join(output, name) for name in ("shapes", "records", "model"))
    numbers, pictures = os.path.join(output, "metrics.json"), os.path.join(output, "pictures")
    # Not after minutes of training.
    count = min(num_val, num_pictures)
    drawn = [_name_picture(shapes.name_image(index)) for index in range(1, count + 1)]
    for path in (numbers, *(os.path.join(pictures, name) for name in (*drawn, _SHEET))):
        outputs.check(path, force=force)
    say(f"making {num_train} training and {num_val} held-out images of shapes in {data}")
    shapes.write_shapes(data, num_train, num_val, force=force)
    for split in ("train", "val"):
        source = os.path.join(data, f"instances_{split}.json")
        convert.convert_coco(source, os.path.join(data, split), records, split, force=force)
    say(f"wrote TFRecords to {records} ({time.monotonic() - started:.0f} s); training in {model_dir}")
    terms = [
        f"task.train_data.input_path={records}/train-*.tfrecord",
        f"task.validation_data.input_path={records}/val-*.tfrecord",
        "task.report=true",
    ]
    params = loading.load_config(CONFIG, [*terms, *overrides])
    logs = training.run(params, "train_and_post_eval", model_dir)
    metrics = {name: float(value) for name, value in logs.items() if name.startswith(("box_", "mask_"))}
    say(table.format_table(metrics))
    draw_predictions(model_dir, os.path.join(data, "val"), pictures, num_pictures, force)
    metrics["seconds"] = round(time.monotonic() - started, 1)
    outputs.write_json(numbers, metrics, indent=1, force=force)
    report = os.path.join(model_dir, contestants.REPORT_FOLDER, html_page.FILE_NAME)
    say(f"pictures: {pictures}; numbers: {numbers}; report: {report} ({metrics['seconds']:.0f} s in all)")
    return metrics


def draw_predictions(
    model_dir: str, images_dir: str, output: str, count: int, force: bool = False
) -> list[str]:
    """Draw what a model finds on the first images of a folder, one by one and side by side.

    Args:
      model_dir: what `official_yolact.load` takes.
      images_dir: folder of JPEG files.
      output: folder for `NAME.png` and `all.png`.
      count: images to draw, at most.
      force: replace files that this program did not write.

    Returns:
      The pictures' paths, without `all.png`.
    """
    predictor = serving.load(model_dir)
    drawn, paths = [], []
    for path in sorted(glob.glob(os.path.join(images_dir, "*.jpg")))[:count]:
        paths.append(os.path.join(output, _name_picture(os.path.basename(path))))
        drawn.append(predictor(path).draw(zoom=4))
        outputs.write(paths[-1], sheets.encode_png(drawn[-1]), force=force)
    sheet = sheets.encode_png(sheets.tile(drawn, columns=4))
    outputs.write(os.path.join(output, _SHEET), sheet, force=force)
    return paths


def _name_picture(image_name: str) -> str:
    return os.path.splitext(image_name)[0] + ".png"
