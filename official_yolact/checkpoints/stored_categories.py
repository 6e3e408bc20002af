"""The class list in a model directory, on a disk or in a bucket."""

from __future__ import annotations

import os

import tensorflow as tf

from official_yolact.files import storage
from official_yolact_runtime import categories as categories_lib


def find(directory: str) -> categories_lib.Categories | None:
    """Read the classes of a model directory; None if it has no list.

    Raises:
      ValueError: the file does not hold a list of categories.
    """
    path = os.path.join(directory, categories_lib.FILE_NAME)
    if not tf.io.gfile.exists(path):
        return None
    return categories_lib.Categories.parse(storage.read_text(path), path)


def save(categories: categories_lib.Categories, directory: str) -> None:
    """Write the classes into a model directory, in one step.

    Args:
      categories: the classes.
      directory: which exists.

    Raises:
      OSError: the file cannot be written.
    """
    storage.store(os.path.join(directory, categories_lib.FILE_NAME), categories.to_json())
