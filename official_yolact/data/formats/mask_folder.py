"""Folders of mask PNGs into COCO JSON.

The masks of the image `a.jpg` are one of
- `a.png`, a label map: 0 is the background, each other value is an object;
- `a_*.png` or `a/*.png`, a binary mask for each object: 0, and one other value.
With a suffix for masks there are label maps only, and files without it are passed over.
Without classes every object is of one class. With classes the values of label maps are class × 1000 +
number of the object, as in Cityscapes' instance ids; a value below 1000 is a class without separate
objects and becomes a crowd.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Container
from typing import Any

import numpy as np
import numpy.typing as npt

from official_yolact.data.formats import class_lists
from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import pairing
from official_yolact.data.formats import summary
from official_yolact.data.formats import value_maps
from official_yolact.images import image_folders
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import formats as image_formats
from official_yolact_runtime.images import reading

CLASS_STEP = 1000
"""A value of a label map with classes is class × 1000 + number of the object."""

MAX_OBJECTS = 5000
"""A label map with more values is a picture."""

_ONLY_CLASS = 1
_SMOOTH = (
    "as smoothed edges or a copy in JPEG have: save the mask without smoothing, resized without interpolation"
    " and as PNG from the start; of one object, with 255 for what is at least 128 and 0 for the rest"
)


@dataclasses.dataclass(frozen=True)
class _Image:
    """An image and the paths of its masks, perhaps none."""

    file_name: str
    path: str
    masks: list[str]
    is_label_map: bool


def write_coco(
    images_dir: str,
    masks_dir: str,
    output: str,
    *,
    classes_file: str | None = None,
    class_name: str = "object",
    image_suffix: str = "",
    mask_suffix: str = "",
    allow_most: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> summary.Summary:
    """Write a COCO instances file of images and the PNGs of their masks.

    Images are numbered from 1 by their sorted file names. Images without masks, and masks without an
    image, are left out and counted; an image without objects has a label map of zeros or an empty folder.

    Args:
      images_dir: images, also in folders.
      masks_dir: masks, in the same folders.
      output: JSON file; appears when it is complete.
      classes_file: text or YAML with the class names by number, from 1. None: there is one class.
      class_name: of the one class.
      image_suffix: end of the images' names that the masks' do not have, `_leftImg8bit`.
      mask_suffix: end of the label maps' names that the images' do not have, `_gtFine_instanceIds`.
      allow_most: go on where most masks have no image, or most images no mask.
      force: replace a file at `output` that this program did not write.
      progress: is called with the images done and their total.

    Returns:
      What was written.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, its value and the cure.
    """
    if not class_name.strip():
        raise ValueError(f"class_name (--name) is {class_name!r}: give the name of the class")
    json_text.refuse_control(class_name, "class_name (--name)")
    names = class_lists.read(classes_file, 1) if classes_file else {_ONLY_CLASS: class_name}
    if 0 in names:
        raise ValueError(f"{classes_file}: class 0 is {names[0]!r}, but the value 0 is the background")
    images = _index_images(images_dir, image_suffix)
    outputs.check(output, force=force)
    builder = coco_builder.CocoBuilder()
    builder.read += [classes_file, *(os.path.join(images_dir, path) for path in images.values())]
    masks, unused = _match_masks(masks_dir, mask_suffix, images)
    builder.read += [os.path.join(masks_dir, path) for path in unused]
    if not masks:
        raise ValueError(
            f"{masks_dir}: no mask of one of the {len(images)} images in {images_dir}: the masks of a.jpg"
            " are a.png, a_*.png or a/*.png; endings are named with --image-suffix and --mask-suffix"
        )
    if not allow_most:
        _refuse_most(masks_dir, images, masks, unused)
    if unused:
        builder.skipped["mask_without_image"] = len(unused)
    for done, (key, image) in enumerate(images.items(), start=1):
        if key in masks:
            paths = [os.path.join(masks_dir, path) for path in masks[key]]
            builder.read += paths
            is_label_map = [_form(path, key, mask_suffix) for path in masks[key]] == ["label map"]
            item = _Image(image, os.path.join(images_dir, image), paths, is_label_map)
            _add_image(builder, item, names, classes_file)
        else:
            builder.skipped["image_without_masks"] += 1
        if progress:
            progress(done, len(images))
    return builder.write(output, names, images_dir, force)


def _refuse_most(
    masks_dir: str, images: dict[str, str], masks: dict[str, list[str]], unused: list[str]
) -> None:
    """Refuse folders in which most masks have no image, or most images no mask."""
    num_used = sum(map(len, masks.values()))
    bare = [image for key, image in images.items() if key not in masks]
    cure = "name their endings with --image-suffix and --mask-suffix"
    pairing.refuse_most(masks_dir, num_used + len(unused), len(images), unused, bare, cure)


def _index_images(images_dir: str, suffix: str) -> dict[str, str]:
    """Map what masks are named after to the image's path; in the order of paths."""
    result: dict[str, str] = {}
    for path in image_folders.find_files(images_dir):
        key = os.path.splitext(path)[0]
        if not key.endswith(suffix) or len(key) == len(suffix):
            continue
        key = key[: len(key) - len(suffix)]
        if key in result:
            raise ValueError(
                f"{images_dir}: {result[key]} and {path} would have the same masks: rename one of them"
            )
        result[key] = path
    if not result:
        ending = f" whose name ends in {suffix}" if suffix else ""
        unread = image_folders.describe_unread(images_dir)
        known = ", ".join(image_formats.EXTENSIONS) + (f"; {unread}" if unread else "")
        raise ValueError(f"{images_dir}: no image{ending}; known are {known}")
    return result


def _match_masks(
    masks_dir: str, suffix: str, images: dict[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Map images' keys to the paths of their masks, exact names first; list the masks of no image."""
    result: dict[str, list[str]] = {}
    unused: list[str] = []
    paths = image_folders.find_files(masks_dir, (f"{suffix.lower()}.png",))
    keys = {path: _find_key(os.path.splitext(path)[0], suffix, images) for path in paths}
    folded = pairing.group(images)
    label_maps = {key for path, key in keys.items() if key and _form(path, key, suffix) == "label map"}
    for path in paths:
        key = keys[path] or _find_alike(masks_dir, path, suffix, folded, label_maps)
        if key is None:
            unused.append(path)
        else:
            result.setdefault(key, []).append(path)
    for key in images:
        if not suffix and key not in result and os.path.isdir(os.path.join(masks_dir, key)):
            result[key] = []
    for key, listed in result.items():
        forms = [_form(path, key, suffix) for path in listed]
        if len(set(forms)) > 1 or forms.count("label map") > 1:
            raise ValueError(
                f"{masks_dir}: {listed[0]} and {listed[-1]} are both masks of {images[key]}: keep the label"
                " map or the binary masks"
            )
    return result, unused


def _find_alike(
    masks_dir: str, path: str, suffix: str, folded: dict[str, list[str]], label_maps: set[str]
) -> str | None:
    """Find the key of a mask whose name differs in case or Unicode form; not one that has its label map."""
    stem = image_folders.fold(os.path.splitext(path)[0])
    found = _find_key(stem, image_folders.fold(suffix) if suffix else "", folded)
    if found is None:
        return None
    if len(folded[found]) > 1:
        first, second, *_ = folded[found]
        raise ValueError(
            f"{masks_dir}: {path} fits {first} and {second} but for case or Unicode form: give mask and image"
            " the same name"
        )
    return None if folded[found][0] in label_maps else folded[found][0]


def _find_key(stem: str, suffix: str, images: Container[str]) -> str | None:
    if stem.endswith(suffix) and stem[: len(stem) - len(suffix)] in images:
        return stem[: len(stem) - len(suffix)]
    if suffix:
        return None
    folder, name = os.path.split(stem)
    if folder in images:
        return folder
    while "_" in name:
        name = name[: name.rindex("_")]
        key = f"{folder}/{name}" if folder else name
        if key in images:
            return key
    return None


def _form(path: str, key: str, suffix: str) -> str:
    stem, key = image_folders.fold(os.path.splitext(path)[0]), image_folders.fold(key)
    if stem == image_folders.fold(f"{key}{suffix}"):
        return "label map"
    return "folder" if os.path.dirname(stem) == key else "binary"


def _read(path: str, sizes: tuple[tuple[int, int], ...]) -> npt.NDArray[np.integer[Any]]:
    try:
        return value_maps.read(path, *sizes)
    except (OSError, ValueError) as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(f"{path}: cannot be used as a mask ({reason}): save it anew") from error


def _add_image(
    builder: coco_builder.CocoBuilder, image: _Image, names: dict[int, str], classes_file: str | None
) -> None:
    # A mask fits the image as it is stored or as it is to be shown; the first decides for all.
    header = reading.read_header(image.path)
    sizes = header.stored, header.upright
    if not image.masks:
        builder.add_image(image.file_name, *header.upright)
    for at, path in enumerate(image.masks):
        values = _read(path, sizes)
        if not at:
            sizes = (values.shape[0], values.shape[1]), (values.shape[0], values.shape[1])
            builder.add_image(image.file_name, *sizes[0])
        if image.is_label_map:
            _add_label_map(builder, values, path, names if classes_file else None)
        else:
            _add_binary(builder, values, path, names)


def _add_label_map(
    builder: coco_builder.CocoBuilder,
    values: npt.NDArray[np.integer[Any]],
    path: str,
    names: dict[int, str] | None,
) -> None:
    objects = [int(value) for value in np.unique(values) if value]
    if len(objects) > MAX_OBJECTS:
        raise ValueError(
            f"{path}: {len(objects)} values, more than {MAX_OBJECTS} objects: give each object one value"
        )
    if levels := value_maps.count_grey_levels(values):
        raise ValueError(
            f"{path}: {levels} of its {len(objects)} values are no objects but grey levels, {_SMOOTH}"
        )
    for value in objects:
        if names is None:
            builder.add_mask(_ONLY_CLASS, values == value)
            continue
        number = value if value < CLASS_STEP else value // CLASS_STEP
        if number in names:
            builder.add_mask(number, values == value, is_crowd=value < CLASS_STEP)
        else:
            builder.skipped["value_of_no_listed_class"] += 1


def _add_binary(
    builder: coco_builder.CocoBuilder, values: npt.NDArray[np.integer[Any]], path: str, names: dict[int, str]
) -> None:
    if len(names) > 1:
        raise ValueError(
            f"{path}: a binary mask does not say which of the {len(names)} classes it has: use label maps"
        )
    found = np.unique(values)
    if len(found) > 3 and value_maps.count_grey_levels(values):
        raise ValueError(
            f"{path}: {len(found)} values from {found[0]} to {found[-1]} are grey levels, {_SMOOTH}"
        )
    if len(found) > 2 or (len(found) == 2 and found[0]):
        raise ValueError(
            f"{path}: {len(found)} values from {found[0]} to {found[-1]}: a binary mask has 0 and one other"
            " value; a label map has the name of its image"
        )
    builder.add_mask(next(iter(names)), values)
