"""Small records in Model Garden's schema."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from official_yolact.configs import yolact as configs


def encode(image: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def _feature(values: list[Any]) -> Any:
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def build_record(
    image_id: int = 1,
    boxes: Any = ((8, 10, 24, 40),),
    classes: Any = None,
    crowds: Any = None,
    size: tuple[int, int] = (48, 64),
    drop: Any = (),
    **replaced: Any,
) -> bytes:
    """Serialize a record; boxes are yxyx pixels and each mask fills its box."""
    height, width = size
    rng = np.random.default_rng(image_id)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    masks = []
    for top, left, bottom, right in np.asarray(boxes, np.int64).reshape(-1, 4).clip(0):
        mask = np.zeros(size, np.uint8)
        mask[top:bottom, left:right] = 1
        masks.append(encode(mask))
    columns = (np.asarray(boxes, np.float64).reshape(-1, 4) / [height, width, height, width]).T
    values: dict[str, Any] = {
        "image/encoded": [encode(image)],
        "image/height": [height],
        "image/width": [width],
        "image/source_id": [str(image_id).encode()],
        "image/object/class/label": list(classes or [1] * len(masks)),
        "image/object/is_crowd": list(crowds or [0] * len(masks)),
        "image/object/mask": masks,
    }
    for name, column in zip(("ymin", "xmin", "ymax", "xmax"), columns, strict=True):
        values[f"image/object/bbox/{name}"] = [float(value) for value in column]
    values.update({key.replace("__", "/"): value for key, value in replaced.items()})
    features = {key: _feature(value) for key, value in values.items() if key not in drop}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()  # type: ignore[no-any-return]


@pytest.fixture
def record() -> Callable[..., bytes]:
    return build_record


@pytest.fixture
def write_shards(tmp_path: pathlib.Path) -> Callable[..., str]:
    """Write lists of records as shards; gives their glob."""

    def write(*shards: list[bytes], name: str = "train") -> str:
        for index, records in enumerate(shards):
            path = tmp_path / f"{name}-{index:05d}-of-{len(shards):05d}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for serialized in records:
                    writer.write(serialized)
        return str(tmp_path / f"{name}-*.tfrecord")

    return write


@pytest.fixture
def model() -> configs.YolactModel:
    return configs.YolactModel(num_classes=4, input_size=[64, 96])
