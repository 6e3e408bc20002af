"""Time the input pipeline for one image, against doing every step at full size.

python benchmarks/input_pipeline.py [--images 200]

Prints one JSON object. The plain way decodes every mask, resizes it whole to the network input and
again to the two grids, and changes colours through `tf.image`; it does not crop or expand.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import yolact_input
from official_yolact.ops import grids
from official_yolact.ops import preprocess

CASES = {
    "550 from 480x640, 7 instances": ((480, 640), 7, 550),
    "128 from 128x128, 5 instances": ((128, 128), 5, 128),
}


def make_record(size: tuple[int, int], count: int) -> bytes:
    """Serialize a smooth picture with ellipses of a fifth to a half of its sides."""
    height, width = size
    rng = np.random.default_rng(0)
    picture = tf.image.resize(rng.uniform(0, 255, (12, 16, 3)), size).numpy().astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/encoded"].bytes_list.value.append(tf.io.encode_jpeg(picture).numpy())
    feature["image/source_id"].bytes_list.value.append(b"1")
    for _ in range(count):
        radius = rng.uniform(0.1, 0.25, 2) * size
        center = radius + rng.uniform(0, 1, 2) * (np.array(size) - 2 * radius)
        mask = ((rows - center[0]) / radius[0]) ** 2 + ((columns - center[1]) / radius[1]) ** 2 < 1
        top, left, bottom, right = np.concatenate([center - radius, center + radius]) / [*size, *size]
        for side, value in (("ymin", top), ("xmin", left), ("ymax", bottom), ("xmax", right)):
            feature[f"image/object/bbox/{side}"].float_list.value.append(value)
        feature["image/object/class/label"].int64_list.value.append(1)
        feature["image/object/is_crowd"].int64_list.value.append(0)
        png = tf.io.encode_png(mask[..., np.newaxis].astype(np.uint8)).numpy()
        feature["image/object/mask"].bytes_list.value.append(png)
    serialized: bytes = example.SerializeToString()
    return serialized


def plain_parser(model: configs.YolactModel, augment: bool) -> Callable[[Any, Any], Any]:
    """Build the plain way for a model section."""
    size = tuple(model.input_size)
    prototype, semantic = grids.prototype_size(size, model.min_level), grids.level_size(size, model.min_level)

    def parse(serialized: Any, position: Any) -> Any:
        record = decoder.decode_record(serialized, model.num_classes)
        image = tf.cast(record["image"], tf.float32) / 255.0
        if augment:
            seed = tf.stack([0, tf.cast(position, tf.int32)])
            image = tf.image.stateless_random_brightness(image, 0.125, seed)
            image = tf.image.stateless_random_contrast(image, 0.5, 1.5, seed)
            image = tf.image.stateless_random_saturation(image, 0.5, 1.5, seed)
            image = tf.image.stateless_random_hue(image, 0.05, seed)
        mean, std = model.normalization.mean, model.normalization.std
        image = preprocess.preprocess_image(image * 255.0, size, mean, std)
        masks = tf.map_fn(
            lambda png: tf.io.decode_png(png, channels=1),
            record["masks"],
            fn_output_signature=tf.TensorSpec([None, None, 1], tf.uint8),
        )
        masks = tf.round(tf.image.resize(masks, size))
        cells = tf.image.resize(masks, prototype)[..., 0] > 0.5
        wide = tf.image.resize(masks, semantic) > 0.5
        classes = tf.one_hot(record["classes"] - 1, model.num_classes - 1, on_value=True, off_value=False)
        union = tf.reduce_any(wide & classes[:, tf.newaxis, tf.newaxis], axis=0)
        return image, tf.pad(cells, [[0, 100 - tf.shape(cells)[0]], [0, 0], [0, 0]]), union

    return parse


def measure(parse: Callable[[Any, Any], Any], serialized: bytes, images: int) -> dict[str, float]:
    """Time a parser on one thread, after the first image: wall and processor milliseconds an image."""
    dataset = tf.data.Dataset.from_tensors(serialized).repeat(images + 1).enumerate()
    convert = tf.autograph.experimental.do_not_convert(lambda position, record: parse(record, position))
    dataset = dataset.map(convert, num_parallel_calls=1)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    stream = iter(dataset.with_options(options))
    next(stream)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in stream:
        pass
    return {
        "wall_ms": round(1e3 * (time.perf_counter() - wall) / images, 2),
        "cpu_ms": round(1e3 * (time.process_time() - processor) / images, 2),
    }


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=200)
    images = arguments.parse_args().images
    results: dict[str, Any] = {}
    for name, (size, count, side) in CASES.items():
        record = make_record(size, count)
        model = configs.YolactModel(input_size=[side, side])
        for preset in ("none", "default", "paper"):
            config = configs.Parser(augment=configs.Augment(preset=preset))
            ours = measure(yolact_input.Parser(config, model, True).parse, record, images)
            plain = measure(plain_parser(model, preset != "none"), record, images)
            ratio = round(plain["cpu_ms"] / ours["cpu_ms"], 2)
            results[f"{name}, {preset}"] = {"ours": ours, "plain": plain, "plain_over_ours_cpu": ratio}
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    device = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads_used": 1,
    }
    print(json.dumps({"versions": versions, "device": device, "results": results}, indent=1))


if __name__ == "__main__":
    main()
