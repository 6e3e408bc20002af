"""Which format a file has that is no COCO instances file, by its content, and what helps.

Only the start of a file is looked at, save of COCO's relatives, whose lists are read one entry at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from official_yolact.coco import stream
from official_yolact_runtime.files import inputs

_HEAD_BYTES = 1 << 18
_MOST_DEEP = 100
_MOST_NAMES = 1000
_SECTIONS = ("images", "annotations", "categories")
_TOKEN = re.compile(r'([{}\[\]])|("(?:[^"\\]|\\.)*")|([^\s{}\[\]:,"]+)', re.DOTALL)
_YOLO_LINE = re.compile(r"[0-9]+(\.0)?([ \t]+[-+0-9.eE]+){4,}[ \t]*")
_YAML_KEY = re.compile(r"^(names|nc|train|val|path)[ \t]*:", re.MULTILINE)
_LABELS = re.compile(r"(polygon|brush|rectangle|ellipse|keypoint)labels")

_EXPORT_AS_COCO = "export the annotations as COCO there, with polygons or masks"
_JOIN = "make one COCO file of all, with a list of images and with categories"


def recognise(path: str) -> str:
    """Name the format of a file that is no COCO instances file, and what helps.

    Args:
      path: of a file, or a folder, that a command for COCO instances files cannot use.

    Returns:
      Such as `a file of labelme: yolact data labelme reads the folder of such files`; empty where the content
      is that of no known format.
    """
    if os.path.isdir(path):
        return _recognise_folder(path)
    try:
        with inputs.open_input(path) as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError):
        return ""
    binary = next((name for start, name in _BINARIES.items() if head.startswith(start)), "")
    return binary or _recognise_start(head, path)


def _recognise_start(head: bytes, path: str) -> str:
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text.startswith("<"):
        return _recognise_xml(text)
    if text.startswith(("{", "[")):
        content = read_start(text)
        if isinstance(content, dict) and isinstance(content.get("images"), list):
            return _recognise_relative(path)
        return _find(_LISTS if isinstance(content, list) else _OBJECTS, content)
    return _recognise_text(text)


@contextlib.contextmanager
def named(path: str) -> Iterator[None]:
    """Let an error of reading a COCO file name the format that the file has instead, where it is known.

    Raises:
      ValueError: in place of an error that the body raises; names the file, its format and what helps.
    """
    try:
        yield
    except (IsADirectoryError, ValueError):
        refuse(path)
        raise


def describe(path: str) -> str:
    """Name the format of a file as `recognise` does, or that it is COCO's, for readers of other formats."""
    found = recognise(path)
    if found or os.path.isdir(path):
        return found
    with inputs.open_input(path) as file:
        text = file.read(_HEAD_BYTES).decode("utf-8-sig", "replace").lstrip()
    content = read_start(text) if text.startswith("{") else None
    is_coco = isinstance(content, dict) and {"images", "annotations", "categories"} & content.keys()
    return "a COCO file: yolact data check and convert read it" if is_coco else ""


def refuse(path: str) -> None:
    """Refuse a file of another format that is known.

    Raises:
      ValueError: names the file, its format and what helps.
    """
    if found := recognise(path):
        raise ValueError(f"{path}: no COCO instances file, but {found}")


def read_start(text: str) -> Any:
    """Read JSON that may be cut off anywhere; what is damaged is passed over.

    Args:
      text: begins with a bracket.

    Returns:
      The value, as far as it goes.
    """
    stack: list[Any] = [[]]
    keys: list[str | None] = [None]
    for bracket, string, other in _TOKEN.findall(text):
        inside = stack[-1]
        if bracket and bracket in "}]":
            if len(stack) > 1:
                del stack[-1], keys[-1]
            continue
        value: Any = {} if bracket == "{" else [] if bracket else None
        if value is None:
            with contextlib.suppress(ValueError):
                value = json.loads(string or other)
        if isinstance(inside, list):
            inside.append(value)
        elif keys[-1] is None:
            keys[-1] = value if isinstance(value, str) else str(value)
        else:
            inside[keys[-1]], keys[-1] = value, None
        if bracket:
            if len(stack) > _MOST_DEEP:
                break
            stack.append(value)
            keys.append(None)
    return stack[0][0] if stack[0] else None


def _recognise_folder(path: str) -> str:
    names = sorted(os.listdir(path))[:_MOST_NAMES]
    if {"data.yaml", "dataset.yaml"} & set(names):
        return "a folder of YOLO: yolact data yolo reads it"
    for name in [name for name in names if name.lower().endswith((".json", ".xml"))][:1]:
        found = recognise(os.path.join(path, name))
        return f"a folder whose {name} is {found}" if found else ""
    return ""


def _recognise_xml(text: str) -> str:
    if re.search(r"<annotations>", text) and re.search(r"<(image|track|meta|version)\b", text):
        return "XML of CVAT: export the task again, as `COCO 1.0`"
    if re.search(r"<annotation\b", text) and re.search(r"<(object|filename|size)>", text):
        return "XML of Pascal VOC, of boxes: yolact data masks reads the PNGs of SegmentationObject"
    return ""


def _recognise_text(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    if "region_shape_attributes" in first and "filename" in first:
        return "CSV of the VGG Image Annotator (VIA): yolact data via reads it"
    if _YOLO_LINE.fullmatch(first):
        return "labels of YOLO: yolact data yolo reads the folder of images and labels, or its data.yaml"
    if len(set(_YAML_KEY.findall(text))) >= 2:
        return "data.yaml of YOLO: yolact data yolo reads it"
    return ""


def _recognise_relative(path: str) -> str:
    """Recognise what has lists as a COCO instances file, by the entries."""
    has_keypoints, without_name = False, False
    try:
        with inputs.open_input(path) as file:
            for key, entry, _, _ in stream.ListReader(file, path, _SECTIONS):
                if key == "categories" or not isinstance(entry, dict):
                    continue
                if key == "images":
                    without_name |= "file_name" not in entry
                elif "segments_info" in entry:
                    return _PANOPTIC
                elif "caption" in entry and "category_id" not in entry:
                    return (
                        "captions of COCO, which have no objects: take the instances file of the same images"
                    )
                elif entry.get("segmentation") not in (None, [], {}, [[]], ""):
                    return ""
                else:
                    has_keypoints |= bool(entry.get("keypoints"))
    except ValueError:
        return ""
    return _KEYPOINTS if has_keypoints else ""


def _find(known: dict[str, Callable[[Any], bool]], content: Any) -> str:
    for name, fits in known.items():
        try:
            if fits(content):
                return name
        except (AttributeError, IndexError, KeyError, StopIteration, TypeError):
            continue
    return ""


def _is_via(content: dict[str, Any]) -> bool:
    if "_via_img_metadata" in content or "_via_settings" in content:
        return True
    first = next(iter(content.values()))
    return isinstance(first, dict) and {"filename", "regions"} <= first.keys()


def _is_labelstudio(content: list[Any]) -> bool:
    return any(isinstance(task, dict) and _is_task(task) for task in content[:_MOST_NAMES])


def _is_task(task: dict[str, Any]) -> bool:
    if "data" in task and {"annotations", "predictions", "completions"} & task.keys():
        return True
    return {"annotator", "annotation_id"} <= task.keys() or any(map(_has_labels, task.values()))


def _has_labels(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(shape, dict) and any(_LABELS.fullmatch(key) for key in shape) for shape in value
    )


def _is_of_segment_anything(entry: dict[str, Any]) -> bool:
    return "segmentation" in entry and ("predicted_iou" in entry or "stability_score" in entry)


_PANOPTIC = (
    "panoptic annotations of COCO, whose masks are in PNG files: take the instances file of the same images,"
    " or let panopticapi's panoptic2detection_coco_format.py write one"
)
_KEYPOINTS = (
    "keypoints of COCO without a mask: take the instances file of the same images, or draw the masks; yolact"
    " data convert --missing-masks=box takes the boxes for masks"
)
_SEGMENT_ANYTHING = f"masks of Segment Anything for one image, without classes: {_JOIN}"

_BINARIES = {
    b"PK\x03\x04": "a ZIP archive: unpack it and name the JSON file in it",
    b"\x1f\x8b": "a gzip archive: unpack it and name the JSON file in it",
    b"\x89PNG": "a picture: yolact data masks reads folders of masks",
    b"\xff\xd8\xff": "a picture: name the JSON file of the annotations",
}

_OBJECTS: dict[str, Callable[[Any], bool]] = {
    "a project of VIA 3: open it in VIA 2, or draw the outlines again; yolact data via reads VIA 1 and 2": (
        lambda content: {"attribute", "file", "metadata", "view"} <= content.keys()
    ),
    "an export of Label Studio: yolact data labelstudio reads it": _is_task,
    "of the VGG Image Annotator (VIA): yolact data via reads it": _is_via,
    "a file of labelme: yolact data labelme reads the folder of such files": lambda content: (
        {"shapes", "imagePath"} <= content.keys() or {"shapes", "imageData"} <= content.keys()
    ),
    _SEGMENT_ANYTHING: lambda content: (
        isinstance(content["image"], dict) and _is_of_segment_anything(content["annotations"][0])
    ),
    f"a file of Supervisely: {_EXPORT_AS_COCO}": lambda content: (
        isinstance(content["objects"], list) and isinstance(content["size"], dict)
    ),
    "polygons of Cityscapes: yolact data masks --mask-suffix=_gtFine_instanceIds reads its label maps": (
        lambda content: {"imgHeight", "imgWidth", "objects"} <= content.keys()
    ),
    "GeoJSON, whose coordinates are no pixels: turn them into pixels of the image first": lambda content: (
        content["type"] == "FeatureCollection" and "features" in content
    ),
    "a list of panoptic segments: " + _PANOPTIC: lambda content: "segments_info" in content["annotations"][0],
}

_LISTS: dict[str, Callable[[Any], bool]] = {
    "an export of Label Studio: yolact data labelstudio reads it": _is_labelstudio,
    _SEGMENT_ANYTHING: lambda content: _is_of_segment_anything(content[0]),
    "detections (COCO results): yolact eval --detections reads them beside an annotation file": (
        lambda content: {"image_id", "category_id", "score"} <= content[0].keys()
    ),
    "the annotations of a COCO file alone: give the whole file, with images and categories": lambda content: (
        {"image_id", "category_id"} <= content[0].keys()
    ),
    f"boxes of CreateML: {_EXPORT_AS_COCO}": lambda content: "coordinates" in content[0]["annotations"][0],
}
