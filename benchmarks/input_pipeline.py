"""Time training's input pipeline for one image, against Model Garden's decoder and the plain way.

python benchmarks/input_pipeline.py [--images 100] [--photos "folder/*.jpg"]

Prints one JSON object. Both ways read the same record, take the paper's augmentation of colours and
give the network input, masks at the prototype grid and the class map. The plain way decodes with Model
Garden's `TfExampleDecoder`, resizes every full-size mask, and changes colours through `tf.image`; it
does not crop or expand. Milliseconds are those of the process, on one thread, and the two ways take
turns, each when nothing of the other is being made any more: a machine that does other things slows
both. What ours takes is also given by stage: the JPEG alone; record, draws and boxes; then with masks;
then all. `coverage_over_binary` is what ours takes with `mask_target: coverage` over what it takes without,
the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
import tensorflow as tf

from official.vision.dataloaders import tf_example_decoder
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import yolact_input
from official_yolact.ops import grids
from official_yolact.ops import preprocess
from official_yolact.records import mask_planes

Parse = Callable[[Any, Any], Any]

CASES = {
    "550 from 480x640, 7 instances": ((480, 640), 7, 550),
    "550 from 480x640, 30 instances": ((480, 640), 30, 550),
    "128 from 128x128, 5 instances": ((128, 128), 5, 128),
}
TURNS = 5
INSTANCES = 100
COMPILED = 300
"""So many images have been of every size class for which colours are compiled."""


def draw_photo(size: tuple[int, int]) -> bytes:
    """Draw noise with a photo's spectrum, in colours, as a JPEG of about a photo's size in bytes."""
    height, width = size
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width)
    planes = []
    for contrast in (50.0, 15.0, 15.0):
        spectrum = np.fft.rfft2(rng.normal(size=size)) / np.maximum(frequency, 1.0)
        plane = np.fft.irfft2(spectrum, size)
        planes.append(128 + contrast * (plane - plane.mean()) / plane.std())
    picture = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    picture = cv2.cvtColor(picture, cv2.COLOR_YCrCb2BGR)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes())


def make_record(photo: bytes, size: tuple[int, int], count: int) -> bytes:
    """Serialize a photo with ellipses of a fifth to a half of its sides."""
    height, width = size
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/encoded"].bytes_list.value.append(photo)
    feature["image/source_id"].bytes_list.value.append(b"1")
    feature["image/height"].int64_list.value.append(height)
    feature["image/width"].int64_list.value.append(width)
    planes = mask_planes.Planes(height, width)
    for _ in range(count):
        radius = rng.uniform(0.1, 0.25, 2) * size
        center = radius + rng.uniform(0, 1, 2) * (np.array(size) - 2 * radius)
        mask = ((rows - center[0]) / radius[0]) ** 2 + ((columns - center[1]) / radius[1]) ** 2 < 1
        top, left, bottom, right = np.concatenate([center - radius, center + radius]) / [*size, *size]
        for side, value in (("ymin", top), ("xmin", left), ("ymax", bottom), ("xmax", right)):
            feature[f"image/object/bbox/{side}"].float_list.value.append(value)
        feature["image/object/class/label"].int64_list.value.append(1)
        feature["image/object/is_crowd"].int64_list.value.append(0)
        feature["image/object/area"].float_list.value.append(float(mask.sum()))
        pixels = mask.astype(np.uint8)
        planes.add(pixels)
        feature["image/object/mask"].bytes_list.value.append(cv2.imencode(".png", pixels)[1].tobytes())
    feature["image/object/mask_planes"].bytes_list.value.append(planes.encode())
    serialized: bytes = example.SerializeToString()
    return serialized


def make_plain_parser(model: configs.YolactModel) -> Parse:
    """Build the plain way for a model section."""
    size = tuple(model.input_size)
    prototype, semantic = grids.prototype_size(size, model.min_level), grids.level_size(size, model.min_level)
    garden = tf_example_decoder.TfExampleDecoder(include_mask=True)

    def parse(serialized: Any, position: Any) -> Any:
        record = garden.decode(serialized)
        image = tf.cast(record["image"], tf.float32) / 255.0
        seed = tf.stack([0, tf.cast(position, tf.int32)])
        image = tf.image.stateless_random_brightness(image, 0.125, seed)
        image = tf.image.stateless_random_contrast(image, 0.5, 1.5, seed)
        image = tf.image.stateless_random_saturation(image, 0.5, 1.5, seed)
        image = tf.image.stateless_random_hue(image, 0.05, seed)
        mean, std = model.normalization.mean, model.normalization.std
        image = preprocess.preprocess_image(image * 255.0, size, mean, std)
        masks = tf.round(tf.image.resize(record["groundtruth_instance_masks"][..., tf.newaxis], size))
        cells = tf.image.resize(masks, prototype)[..., 0] > 0.5
        wide = tf.image.resize(masks, semantic) > 0.5
        classes = tf.one_hot(
            record["groundtruth_classes"] - 1, model.num_classes - 1, on_value=True, off_value=False
        )
        union = tf.reduce_any(wide & classes[:, tf.newaxis, tf.newaxis], axis=0)
        return image, tf.pad(cells, [[0, INSTANCES - tf.shape(cells)[0]], [0, 0], [0, 0]]), union

    return parse


def make_parser(model: configs.YolactModel, target: str = "binary") -> Parse:
    """Build ours: the paper's whole augmentation."""
    config = configs.Parser(
        augment=configs.Augment(preset="paper"), max_num_instances=INSTANCES, mask_target=target
    )
    parser = yolact_input.Parser(config, model, True)
    parse: Parse = parser.parse
    return parse


def make_stages(model: configs.YolactModel) -> dict[str, Parse]:
    """Build what ours does up to the end of each stage; what comes later is zeros."""
    config = configs.Parser(augment=configs.Augment(preset="paper"), max_num_instances=INSTANCES)
    size = tuple(model.input_size)
    prototype, semantic = grids.prototype_size(size, model.min_level), grids.level_size(size, model.min_level)

    class WithMasks(yolact_input.Parser):
        def _decode_part(self, *_: Any) -> Any:
            return None, None

        def _show_image(self, *_: Any) -> Any:
            return tf.zeros([*size, 3])

    class WithBoxes(WithMasks):
        def _show_masks(self, _: Any, rows: Any, *__: Any) -> Any:
            united = tf.zeros([*semantic, model.num_classes - 1], tf.bool)
            return tf.zeros([tf.size(rows), *prototype], tf.bool), united

    def decode(serialized: Any, position: Any) -> Any:
        features = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        encoded = tf.io.parse_single_example(serialized, features)["image/encoded"]
        return preprocess.decode_checked(encoded), position

    return {
        "jpeg": decode,
        "boxes": WithBoxes(config, model, True).parse,
        "boxes_and_masks": WithMasks(config, model, True).parse,
        "all": make_parser(model),
    }


def start(parse: Parse, serialized: list[bytes]) -> Iterator[Any]:
    """Run a parser without end on one thread."""
    dataset = tf.data.Dataset.from_tensor_slices(serialized).repeat().enumerate()
    convert = tf.autograph.experimental.do_not_convert(lambda position, record: parse(record, position))
    dataset = dataset.map(convert, num_parallel_calls=1)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    return iter(dataset.with_options(options))


def settle() -> float:
    """Wait until the process does nothing; gives its seconds of processor time."""
    before, now = -1.0, time.process_time()
    while now - before > 1e-3:
        time.sleep(0.02)
        before, now = now, time.process_time()
    return now


def measure(stream: Iterator[Any], images: int) -> float:
    """Take images; gives processor milliseconds of each.

    A parallel map is always an image ahead. So that all that are paid for are this stream's, and as many
    as are taken, both readings of the clock are made when it has come to rest.
    """
    processor = settle()
    for _ in range(images):
        next(stream)
    return 1e3 * (settle() - processor) / images


def compare(serialized: list[bytes], side: int, images: int) -> dict[str, Any]:
    """Time both ways in turns, after others to warm up and to compile; gives medians."""
    model = configs.YolactModel(input_size=[side, side])
    parsers = make_stages(model)
    parsers |= {"coverage": make_parser(model, "coverage"), "plain": make_plain_parser(model)}
    streams = {name: start(parse, serialized) for name, parse in parsers.items()}
    for name, stream in streams.items():
        measure(stream, COMPILED if name in ("all", "coverage") else max(1, images // TURNS))
    taken: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(TURNS):
        for name, stream in streams.items():
            taken[name].append(measure(stream, max(1, images // TURNS)))
    times = {name: statistics.median(values) for name, values in taken.items()}
    ours, plain = times["all"], times["plain"]
    ratios = [covered / binary for covered, binary in zip(taken["coverage"], taken["all"], strict=True)]
    return {
        "ours_cpu_ms": round(ours, 2),
        "plain_cpu_ms": round(plain, 2),
        "plain_over_ours": round(plain / ours, 2),
        "ours_best_turn_cpu_ms": round(min(taken["all"]), 2),
        "coverage_cpu_ms": round(times["coverage"], 2),
        "coverage_over_binary": round(statistics.median(ratios), 3),
        "stages_cpu_ms": {name: round(times[name], 2) for name in times if name not in ("coverage", "plain")},
        "images_per_second_and_core": round(1e3 / ours, 1),
    }


def list_cases(pattern: str | None) -> Iterator[tuple[str, list[bytes], int]]:
    """Give name, records and input side of what is timed."""
    for name, (size, count, side) in CASES.items():
        yield name, [make_record(draw_photo(size), size, count)], side
    if pattern:
        paths, photos = sorted(glob.glob(pattern)), []
        if not paths:
            raise SystemExit(f"--photos {pattern}: no such file")
        for path in paths:
            with open(path, "rb") as file:
                encoded = file.read()
            photos.append(make_record(encoded, tuple(tf.io.decode_image(encoded).shape[:2]), 7))
        yield f"550 from {len(photos)} photos of {pattern}, 7 instances", photos, 550


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=100)
    arguments.add_argument("--photos", help="a glob: time these too")
    options = arguments.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    results = {
        name: compare(serialized, side, options.images)
        for name, serialized, side in list_cases(options.photos)
    }
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    device = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads_used": 1,
    }
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
