"""The published files of Pascal SBD into COCO JSON.

SBD (Semantic Boundaries Dataset) annotates 11,355 photos of PASCAL VOC 2012: `inst/ID.mat` has the
instances of `img/ID.jpg`, and `train.txt` and `val.txt` list ids.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import summary as summary_lib
from official_yolact.data.sets import mat_files
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import reading

_ID = re.compile(r"[0-9]{4}_[0-9]{6}")
_VOID = 255


def write_coco(
    folder: str,
    list_file: str,
    output: str,
    progress: Callable[[int, int], None] | None = None,
    *,
    force: bool = False,
) -> summary_lib.Summary:
    """Write a COCO instances file of the images that a list names.

    Image ids are the published ids without the underscore, 2008_000002 is 2008000002: the same in
    every list. Annotations are numbered from 1 in the order of the list.

    Args:
      folder: `dataset` of the unpacked archive, with `inst` and `img`.
      list_file: text file with an id on each line.
      output: JSON file; appears when it is complete. Its folder is made.
      progress: is called with the images done and their total.
      force: replace a file at `output` that this program did not write.

    Returns:
      What was written. An instance without pixels is left out and counted.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, what is wrong in it and the cure.

    Source: the original's converter numbers images by their position in the lists, and its boxes are
      the mask's last pixel minus the first, a pixel short in width and height; here they hold the
      whole mask.
    """
    for name in ("inst", "img"):
        if not os.path.isdir(os.path.join(folder, name)):
            raise NotADirectoryError(
                f"{os.path.join(folder, name)}: no such folder: name the folder of the unpacked archive"
                " that has inst and img in it (benchmark_RELEASE/dataset)"
            )
    outputs.check(output, inputs=[list_file], force=force)
    names = _read_list(list_file)
    builder = coco_builder.CocoBuilder()
    builder.read.append(list_file)
    for done, name in enumerate(names, start=1):
        _add_image(builder, folder, name)
        if progress:
            progress(done, len(names))
    images_dir = os.path.join(folder, "img")
    return builder.write(output, categories_lib.PASCAL.name_of(), images_dir, force, source=list_file)


def read_instances(path: str) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Read the instances of one image.

    Args:
      path: `inst/ID.mat`.

    Returns:
      uint8 [height, width], 0 where there is no object, n where the n-th is; and the category id of
      each object, 1 to 20. Void pixels (255, as in Pascal VOC) are 0.

    Raises:
      OSError: the file cannot be read.
      ValueError: names the file, the field, its value and the cure.
    """
    fields = mat_files.read_struct(path, "GTinst", ("Segmentation", "Categories"))
    segmentation, categories = fields["Segmentation"], fields["Categories"].ravel()
    if segmentation.ndim != 2 or segmentation.dtype != np.uint8:
        raise ValueError(
            f"{path}: GTinst.Segmentation is {segmentation.dtype} of shape {segmentation.shape}:"
            " uint8 [height, width] with the number of the object at each pixel is expected"
        )
    allowed = np.isin(categories, categories_lib.PASCAL.ids)
    if not allowed.all():
        raise ValueError(
            f"{path}: GTinst.Categories has {categories[~allowed][0]}:"
            f" 1 to {categories_lib.PASCAL.ids[-1]} are expected"
        )
    if len(categories) < _VOID:
        segmentation = np.where(segmentation == _VOID, np.uint8(0), segmentation)
    largest = int(segmentation.max(initial=0))
    if largest > len(categories):
        raise ValueError(
            f"{path}: GTinst.Segmentation has an object {largest}, but GTinst.Categories only"
            f" {len(categories)} entries: one is expected for each object"
        )
    return segmentation, [int(category) for category in categories]


def _read_list(path: str) -> list[str]:
    # What is not text fails as an id, with its line.
    with io.TextIOWrapper(inputs.open_input(path), encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file]
    first: dict[str, int] = {}
    for number, name in enumerate(lines, start=1):
        if not name:
            continue
        if not _ID.fullmatch(name):
            raise ValueError(
                f"{path}: line {number} is {values.shorten(name)}: an id such as 2008_000002 is expected"
            )
        if name in first:
            raise ValueError(f"{path}: {name} is in line {first[name]} and in line {number}: list it once")
        first[name] = number
    if not first:
        raise ValueError(f"{path}: the list is empty: there is nothing to convert")
    return list(first)


def _add_image(builder: coco_builder.CocoBuilder, folder: str, name: str) -> None:
    path = os.path.join(folder, "inst", f"{name}.mat")
    segmentation, categories = read_instances(path)
    height, width = segmentation.shape
    image_path = os.path.join(folder, "img", f"{name}.jpg")
    size = reading.read_header(image_path, "unpack the archive again").stored
    if size != (height, width):
        raise ValueError(
            f"{path}: GTinst.Segmentation has {height}x{width} pixels (height x width), but {image_path}"
            f" has {size[0]}x{size[1]}: the two do not belong together"
        )
    builder.read.append(path)
    builder.add_image(f"{name}.jpg", height, width, int(name.replace("_", "")))
    for number, category in enumerate(categories, start=1):
        builder.add_mask(category, segmentation == number)
