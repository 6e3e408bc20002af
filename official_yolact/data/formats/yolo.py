"""Text files of YOLO segmentation, one beside each image, into COCO JSON.

Each line is a class and the points of one polygon as fractions of the image: `0 x1 y1 x2 y2 x3 y3 ...`.
A line of five numbers is a class and a box, which has no mask.

Source: the format is that of https://docs.ultralytics.com/datasets/segment.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Callable
from typing import Any

from official_yolact.coco import segmentations
from official_yolact.data.formats import class_lists
from official_yolact.data.formats import coco_builder
from official_yolact.data.formats import pairing
from official_yolact.data.formats import summary
from official_yolact.images import image_folders
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import formats as image_formats
from official_yolact_runtime.images import reading

BOXES = ("skip", "fill")
"""What becomes of a box without a mask: it is left out, or its inside is the mask."""

_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml")
_CLASS_FILES = ("classes.txt", "labels/classes.txt")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_NUMBERS_OF_BOX = 4
_MIN_NUMBERS_OF_POLYGON = 6
_OVERHANG = 0.01
_DECIMALS = 2
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where things are: images relative to the root, class names from 0, lists of images that were read."""

    root: str
    images: list[str]
    names: dict[int, str]
    named_in: str
    lists: tuple[str, ...] = ()


def write_coco(
    source: str,
    output: str,
    *,
    split: str | None = None,
    root: str | None = None,
    classes_file: str | None = None,
    boxes: str = "skip",
    allow_most: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> summary.Summary:
    """Write a COCO instances file of one split of a YOLO segmentation data set.

    The labels of `images/a.jpg` are in `labels/a.txt`; of an image in no folder `images`, beside it; an
    exact name comes first, then one that differs in case or Unicode form. An image without labels has no
    objects and is counted, as labels without an image are. Class n has category id n + 1. Images are
    numbered from 1 by their sorted file names.

    Args:
      source: data.yaml, or the folder with it, or a folder with classes.txt.
      output: JSON file; appears when it is complete.
      split: a key of data.yaml (without one: train), or a folder of that name.
      root: folder that the paths in data.yaml are relative to. None: what it says itself.
      classes_file: text or YAML with the class names. None: data.yaml or classes.txt.
      boxes: one of `BOXES`.
      allow_most: go on where most labels have no image, or most images no label.
      force: replace a file at `output` that this program did not write.
      progress: is called with the images done and their total.

    Returns:
      What was written; `images_dir` is the root.

    Raises:
      OSError: a file cannot be read or written.
      ValueError: names the file, the line, its value and the cure.
    """
    if boxes not in BOXES:
        raise ValueError(f"boxes is {boxes!r}: one of {', '.join(BOXES)}")
    layout = _find_layout(source, split, root, classes_file)
    outputs.check(output, force=force)
    builder = coco_builder.CocoBuilder()
    builder.read += [
        classes_file,
        source,
        *layout.lists,
        *(os.path.join(source, name) for name in (*_YAML_NAMES, *_CLASS_FILES)),
    ]
    labels_of = _pair(layout, builder, source, allow_most)
    for done, name in enumerate(layout.images, start=1):
        height, width = reading.read_header(os.path.join(layout.root, name)).upright
        builder.add_image(name, height, width)
        if name in labels_of:
            labels = os.path.join(layout.root, labels_of[name])
            image_folders.refuse_outside(labels, layout.root)
            _add_labels(builder, labels, height, width, layout, boxes)
        if progress:
            progress(done, len(layout.images))
    return builder.write(
        output, {number + 1: name for number, name in layout.names.items()}, layout.root, force
    )


def label_path(image: str) -> str:
    """Give the path of an image's labels: the last folder `images` in any case becomes `labels`."""
    *folders, name = image.split("/")
    lower = [folder.lower() for folder in folders]
    if "images" in lower:
        folders[len(folders) - 1 - lower[::-1].index("images")] = "labels"
    return "/".join([*folders, f"{os.path.splitext(name)[0]}.txt"])


def _pair(
    layout: _Layout, builder: coco_builder.CocoBuilder, source: str, allow_most: bool
) -> dict[str, str]:
    """Give each image that has labels their path; both are relative to the root."""
    wanted = {image: label_path(image) for image in layout.images}
    there = sorted(
        name
        for folder in {os.path.dirname(name) for name in wanted.values()}
        for name in _list_texts(layout.root, folder)
    )
    builder.read += [os.path.join(layout.root, name) for name in there]
    found = pairing.match(wanted, there, layout.root)
    if not found:
        raise FileNotFoundError(
            f"{os.path.join(layout.root, wanted[layout.images[0]])}: no such file, nor labels of another"
            f" of the {len(layout.images)} images: labels are expected in a folder `labels` beside `images`"
        )
    used = set(found.values())
    unused = _find_unused(layout, [name for name in there if name not in used])
    bare = [image for image in layout.images if image not in found]
    if not allow_most:
        labels = len(used) + len(unused)
        cure = "an image without objects has an empty label file"
        pairing.refuse_most(source, labels, len(layout.images), unused, bare, cure)
    builder.note("label_without_image", len(unused))
    builder.note("image_without_label", len(bare))
    return found


def _find_unused(layout: _Layout, names: list[str]) -> list[str]:
    """List the labels that no picture has, of this split or not, in the folders of the images."""
    pictured = set()
    for folder in {os.path.dirname(image) for image in layout.images}:
        place = os.path.join(layout.root, folder)
        names_there = os.listdir(place) if os.path.isdir(place) else []
        pictures = [f"{folder}/{name}" for name in names_there if image_folders.is_picture(name)]
        pictured |= {image_folders.fold(label_path(picture.lstrip("/"))) for picture in pictures}
    free = [name for name in names if image_folders.fold(name) not in pictured]
    return [name for name in free if _is_label(os.path.join(layout.root, name))]


def _list_texts(root: str, folder: str) -> list[str]:
    """List what is named .txt in a folder, whose name may be written otherwise but for its letters."""
    actual = ""
    for part in folder.split("/") if folder else []:
        exact = os.path.join(actual, part)
        if not os.path.isdir(os.path.join(root, exact)):
            above = os.path.join(root, actual)
            alike = [n for n in os.listdir(above) if image_folders.fold(n) == image_folders.fold(part)]
            if len(alike) != 1 or not os.path.isdir(os.path.join(above, alike[0])):
                return []
            exact = os.path.join(actual, alike[0])
        actual = exact
    names = os.listdir(os.path.join(root, actual) if actual else root)
    return [f"{actual}/{name}" if actual else name for name in names if name.lower().endswith(".txt")]


def _is_label(path: str) -> bool:
    """Tell labels from class lists and notes, which lie beside them, by the first line."""
    if os.path.basename(path) in _CLASS_FILES or os.path.isdir(path):
        return False
    with io.TextIOWrapper(inputs.open_input(path), encoding="utf-8-sig", errors="replace") as file:
        first = next((line.split() for line in file if line.strip()), ["0"])
    return all(_NUMBER.fullmatch(word) for word in first)


def _find_layout(source: str, split: str | None, root: str | None, classes_file: str | None) -> _Layout:
    yaml_path = source
    if os.path.isdir(source):
        there = [name for name in _YAML_NAMES if os.path.lexists(os.path.join(source, name))]
        if not there:
            return _find_in_folder(source, split, classes_file)
        yaml_path = os.path.join(source, there[0])
    elif not os.path.exists(source):
        raise FileNotFoundError(f"{source}: no such data.yaml or folder{inputs.hint(source)}")
    content = class_lists.read_yaml(yaml_path, ("path", split or "train"))
    if not isinstance(content, dict):
        raise ValueError(f"{yaml_path}: {values.shorten(content)}: give train, val and names")
    split = split or "train"
    names = (
        class_lists.read(classes_file, 0)
        if classes_file
        else class_lists.check(yaml_path, content.get("names"), 0)
    )
    root = root or _find_root(yaml_path, content)
    entries = content.get(split)
    entries = entries if isinstance(entries, list) else [entries]
    if not entries or not all(isinstance(entry, str) and entry for entry in entries):
        raise ValueError(f"{yaml_path}: {split} is {values.shorten(content.get(split))}: name its folder")
    places = [_find_place(f"{yaml_path}: {split}", root, entry) for entry in entries]
    images = sorted({name for place in places for name in _list_images(place, root)})
    _refuse_none(images, f"{yaml_path}: {split}")
    lists = tuple(place for place in places if not os.path.isdir(place))
    return _Layout(root, images, names, classes_file or yaml_path, lists)


def _find_root(yaml_path: str, content: dict[str, Any]) -> str:
    folder = os.path.dirname(yaml_path) or "."
    stated = content.get("path")
    if stated is None:
        return folder
    if not isinstance(stated, str) or "\0" in stated:
        raise ValueError(f"{yaml_path}: path is {values.shorten(stated)}: name a folder")
    root = os.path.join(folder, stated)
    if not inputs.is_inside(root, folder):
        raise ValueError(
            f"{yaml_path}: path is {stated!r}, which leads out of {folder}: name that folder with --root"
        )
    return os.path.normpath(root)


def _find_place(where: str, root: str, entry: str) -> str:
    """Find what an entry of data.yaml names: a folder, or a text file of paths."""
    path = os.path.join(root, entry)
    if not os.path.exists(path) or not inputs.is_inside(path, root):
        # Some exports write ../train/images for a folder that lies beside data.yaml.
        path = os.path.join(root, re.sub(r"^(\.\./)+", "", entry))
    if "\0" in entry or not inputs.is_inside(path, root):
        raise ValueError(f"{where} is {entry!r}, which leads out of {root}: name the folder with --root")
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise FileNotFoundError(f"{where} is {entry!r}, but there is no {path}")
    return path


def _list_images(path: str, root: str) -> list[str]:
    if os.path.isdir(path):
        return [_relative(os.path.join(path, name), root) for name in image_folders.find_files(path)]
    read = io.StringIO(inputs.read_text(path), newline=None)
    lines = [(number, line.strip()) for number, line in enumerate(read, start=1) if line.strip()]
    result = []
    for number, line in lines:
        image = os.path.join(root, line)
        if "\0" in line or not inputs.is_inside(image, root):
            raise ValueError(f"{path}: line {number} is {values.shorten(line)}, which leads out of {root}")
        result.append(_find_image(f"{path}: line {number}", _relative(image, root), root))
    return result


def _find_image(where: str, name: str, root: str) -> str:
    if os.path.isfile(os.path.join(root, name)):
        return name
    match = image_folders.open_folder(root).find(name)
    if match.reason:
        raise ValueError(f"{where}: {name!r} {match.reason}")
    return match.name or name


def _find_in_folder(folder: str, split: str | None, classes_file: str | None) -> _Layout:
    """Find things by the names of folders, where there is no data.yaml."""
    there = [name for name in _CLASS_FILES if os.path.isfile(os.path.join(folder, name))]
    if not classes_file and not there:
        raise FileNotFoundError(
            f"{folder}: neither {_YAML_NAMES[0]} nor {_CLASS_FILES[0]}: name the classes with --classes FILE"
        )
    named_in = classes_file or os.path.join(folder, there[0])
    tried = [f"images/{split}", f"{split}/images", split] if split else ["images", ""]
    for name in tried:
        path = os.path.join(folder, name)
        if os.path.isdir(path) and inputs.is_inside(path, folder):
            images = _refuse_none(_list_images(path, folder), path)
            return _Layout(folder, images, class_lists.read(named_in, 0), named_in)
    raise NotADirectoryError(
        f"{folder}: split is {split!r}, but there is no folder {' or '.join(tried)} in it"
    )


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _refuse_none(images: list[str], where: str) -> list[str]:
    if not images:
        unread = image_folders.describe_unread(where) if os.path.isdir(where) else ""
        more = f"; {unread}" if unread else ""
        raise ValueError(f"{where}: no image there; known are {', '.join(image_formats.EXTENSIONS)}{more}")
    return images


def _add_labels(
    builder: coco_builder.CocoBuilder, path: str, height: int, width: int, layout: _Layout, boxes: str
) -> None:
    data = inputs.read(path)
    inputs.refuse_utf16(data, path)
    # What is not text fails as a number, with its line.
    text = data.decode("utf-8-sig", "replace")
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path}: line {number}"
        label = _parse_class(where, words[0], layout)
        points = _parse_points(where, words[1:])
        if len(points) == _NUMBERS_OF_BOX:
            points = _box_to_polygon(where, points)
            if boxes == "skip":
                builder.skipped["box_without_mask"] += 1
                continue
        pixels = _to_pixels(points, words[1:], height, width)
        polygons, _ = segmentations.clean_segmentation([pixels], height, width, where)
        assert isinstance(polygons, list)
        builder.add_polygons(label + 1, polygons)


def _to_pixels(points: list[float], words: list[str], height: int, width: int) -> list[float]:
    """Undo the division by the sides, and what writing so many digits lost.

    Many annotations have two decimals in pixels. A number that is as near to one of those as the digits can
    tell is taken for it: otherwise whole edges that lie exactly between two pixels would move.
    """
    digits = max(len(word.partition(".")[2]) for word in words)
    lost = 0.51 * 10.0**-digits + _ROUNDING
    result = []
    for value, side in zip(points, [width, height] * (len(points) // 2), strict=True):
        pixels = value * side
        near = round(pixels, _DECIMALS)
        result.append(near if abs(near - pixels) <= lost * side else pixels)
    return result


def _parse_class(where: str, word: str, layout: _Layout) -> int:
    # Some tools write the class as 0.0.
    match = re.fullmatch(r"([0-9]{1,9})(\.0*)?", word)
    if not match:
        raise ValueError(f"{where}: class is {values.shorten(word)}: give its number, from 0")
    if int(match[1]) not in layout.names:
        raise ValueError(
            f"{where}: class is {match[1]}, but {layout.named_in} has {len(layout.names)} classes, numbered"
            f" {min(layout.names)} to {max(layout.names)}: add the class or correct the number"
        )
    return int(match[1])


def _parse_points(where: str, words: list[str]) -> list[float]:
    if len(words) != _NUMBERS_OF_BOX and (len(words) < _MIN_NUMBERS_OF_POLYGON or len(words) % 2):
        raise ValueError(
            f"{where}: {len(words)} numbers after the class: a polygon has x and y of 3 points or more"
        )
    for at, word in enumerate(words, start=1):
        if not _NUMBER.fullmatch(word) or not -_OVERHANG <= float(word) <= 1 + _OVERHANG:
            raise ValueError(
                f"{where}: number {at} is {values.shorten(word)}: give fractions of the image, 0 to 1"
            )
    return [float(word) for word in words]


def _box_to_polygon(where: str, box: list[float]) -> list[float]:
    x, y, width, height = box
    if width <= 0 or height <= 0:
        raise ValueError(f"{where}: the box is {width} wide and {height} high: give a box with an inside")
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return [left, top, right, top, right, bottom, left, bottom]
