"""Checks of segmentations, boxes and areas against one another and against the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from official_yolact.coco import annotations as coco_annotations
from official_yolact.coco import box_forms
from official_yolact.coco import segmentations
from official_yolact.data.checking import columns
from official_yolact.data.checking import findings
from official_yolact.data.checking import masks
from official_yolact.data.checking import outlines
from official_yolact.data.checking import view as view_lib

Findings = Iterator[findings.Finding]
Marks = NDArray[np.bool_]

SMALL_OVERHANG = 2.0
"""Boxes this many pixels over the border come from rounding."""

MAX_DRAWN = 20_000
"""When more boxes or areas than this disagree with the points, all of them are believed."""

_SAME_AREA = 0.005
_LESS_AREA = 0.9
_AREA_FACTOR = 2.0
_AREA_SLACK = 8.0
_SEGMENTATION = "segmentation"


def check_segmentation(view: view_lib.View) -> Findings:
    """Find segmentations that are none, and polygons written another way."""
    shape = view.outlines
    none = shape.kind == outlines.NONE
    only_keypoints = bool(none.all()) and any(view.values("annotations", "keypoints"))
    detail = "keypoints alone: COCO's instances file of these images has masks" if only_keypoints else ""
    yield from _where("D03", none, _SEGMENTATION, detail)
    yield from _where("D60", (shape.kind == outlines.MALFORMED) | (shape.bad_parts > 0), _SEGMENTATION)
    yield from _where("D65", (shape.short_parts > 0) & ~shape.flat, _SEGMENTATION)
    yield from _where("D65", (shape.short_parts > 0) & shape.flat, _SEGMENTATION, "flat lists")
    whole = (shape.bad_parts == 0) & (shape.short_parts == 0)
    yield from _where("D66", (shape.flat | shape.pairs) & whole, _SEGMENTATION)


def check_run_lengths(view: view_lib.View) -> Findings:
    """Find run-length codes that do not fit the image or themselves."""
    shape = view.outlines
    code = shape.kind == outlines.RLE
    yield from _where("D23", shape.cast, _SEGMENTATION)
    stated = ~np.isnan(view.canvas).any(axis=1)
    yield from _where(
        "D67",
        code & ((shape.size[:, 0] < 0) | (stated & (shape.size != view.canvas).any(axis=1))),
        _SEGMENTATION,
    )
    yield from _where("D68", code & shape.bad_counts, _SEGMENTATION)


def check_numbers(view: view_lib.View) -> Findings:
    """Find NaN and infinity, and coordinates far outside."""
    boxes, areas = view.boxes, view.areas
    yield from _where("D61", view.outlines.nonfinite, _SEGMENTATION)
    yield from _where("D61", (boxes[1] == columns.OK) & ~np.isfinite(boxes[0]).all(axis=1), "bbox")
    yield from _where("D61", (areas[1] == columns.OK) & ~np.isfinite(areas[0]), "area")
    yield from _where("D62", far_outlines(view), _SEGMENTATION)
    yield from _where("D62", far_boxes(view), "bbox", _name_form(view, far_boxes(view)))


def check_borders(view: view_lib.View) -> Findings:
    """Find what reaches over the border or lies outside."""
    overhang = _overhang(view, corners(view))
    near = ~far_boxes(view)
    yield from _where("D63", near & (overhang > 0) & (overhang <= SMALL_OVERHANG), "bbox")
    yield from _where("D78", near & (overhang > SMALL_OVERHANG), "bbox")
    shape = view.outlines
    polygon = (shape.kind == outlines.POLYGON) & ~far_outlines(view)
    yield from _where("D64", polygon & outside(view), _SEGMENTATION)
    over = _overhang(view, shape.box) > SMALL_OVERHANG
    yield from _where("D79", polygon & over & ~outside(view), _SEGMENTATION)


def check_boxes(view: view_lib.View) -> Findings:
    """Find boxes that are absent, malformed, without area, or not those of their masks."""
    states = view.boxes[1]
    yield from _where("D71", states == columns.ABSENT, "bbox")
    yield from _where("D70", states == columns.BAD, "bbox")
    yield from _where("D72", empty_boxes(view), "bbox", _name_form(view, empty_boxes(view)))
    own, mask = _clip(corners(view), view.canvas), _clip(view.outlines.box, view.canvas)
    fit = ~empty_boxes(view) & ~far_boxes(view) & drawable(view)
    differs = fit & box_forms.differ(own, mask)
    drawn_boxes = mask.copy()

    def is_other(at: int, _: float, box: coco_annotations.Box) -> bool:
        drawn_boxes[at] = box[0], box[1], box[0] + box[2], box[1] + box[3]
        return bool(box_forms.differ(own[at : at + 1], drawn_boxes[at : at + 1])[0])

    differs = _confirm(view, differs, is_other)
    yield from _where("D73", differs, "bbox", _name_form(view, differs, drawn_boxes))


def check_areas(view: view_lib.View) -> Findings:
    """Find areas that are absent, the box's, or not the mask's."""
    areas, states = view.areas
    mask = view.outlines.area
    with np.errstate(invalid="ignore", over="ignore"):
        box = view.boxes[0][:, 2] * view.boxes[0][:, 3]
        boxed = (np.abs(areas - box) <= _SAME_AREA * box) & (mask < _LESS_AREA * box) & drawable(view)
        apart = _areas_differ(areas, mask) & drawable(view) & np.isfinite(areas)
    boxed = _confirm(view, boxed, lambda at, area, _: bool(area < _LESS_AREA * box[at]))
    apart &= ~boxed
    apart = _confirm(view, apart, lambda at, area, _: bool(_areas_differ(areas[at], np.float64(area))))
    yield from _where("D75", states == columns.ABSENT, "area")
    yield from _where("D74", boxed, "area")
    yield from _where("D76", ((states == columns.BAD) | (areas <= 0) | apart) & ~boxed, "area")


def check_masks(view: view_lib.View) -> Findings:
    """Find masks without pixels, and outlines that cannot be drawn."""
    shape = view.outlines
    yield from _where("D77", too_long(view), _SEGMENTATION)
    empty = (shape.kind == outlines.RLE) & ~shape.bad_counts & (shape.size[:, 0] > 0) & (shape.area == 0)
    fit = (shape.kind == outlines.POLYGON) & drawable(view) & ~outside(view)
    # Inside the image a polygon more than a pixel thick on average has pixels: only the others are drawn.
    thin = fit & ((shape.area < np.maximum(8.0, shape.outline)) | (_overhang(view, shape.box) > 0))
    for at in np.flatnonzero(thin):
        height, width = (int(side) for side in view.canvas[at])
        empty[at] = masks.count_pixels(view.annotations[at].get(_SEGMENTATION), height, width) == 0
    yield from _where("D69", empty, _SEGMENTATION)


def corners(view: view_lib.View) -> columns.Floats:
    """Give the boxes as x0, y0, x1, y1 [N, 4]."""
    boxes = view.boxes[0]
    with np.errstate(invalid="ignore", over="ignore"):
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def drawable(view: view_lib.View) -> Marks:
    """Mark segmentations that can be drawn on an image whose size is known."""
    shape = view.outlines
    known = ~np.isnan(view.canvas).any(axis=1)
    polygon = (shape.kind == outlines.POLYGON) & ~np.isnan(shape.box[:, 0]) & ~shape.nonfinite
    polygon &= ~far_outlines(view) & ~too_long(view) & (shape.bad_parts == 0)
    code = (shape.kind == outlines.RLE) & ~shape.bad_counts & (shape.size == view.canvas).all(axis=1)
    return np.asarray(known & (polygon | code))


def far_outlines(view: view_lib.View) -> Marks:
    """Mark polygons whose points lie farther outside than is drawn."""
    return np.asarray((view.outlines.kind == outlines.POLYGON) & _far(view.outlines.box, view.canvas))


def far_boxes(view: view_lib.View) -> Marks:
    """Mark finite boxes that lie farther outside than any object."""
    return np.isfinite(view.boxes[0]).all(axis=1) & _far(corners(view), view.canvas)


def empty_boxes(view: view_lib.View) -> Marks:
    """Mark finite boxes without area, or without area inside the image."""
    boxes = view.boxes[0]
    clipped = _clip(corners(view), view.canvas)
    with np.errstate(invalid="ignore"):
        empty = (boxes[:, 2:] <= 0).any(axis=1) | (clipped[:, 2:] <= clipped[:, :2]).any(axis=1)
    return np.asarray(empty & np.isfinite(boxes).all(axis=1) & ~far_boxes(view))


def outside(view: view_lib.View) -> Marks:
    """Mark segmentations that do not touch the image."""
    box, canvas = view.outlines.box, view.canvas
    with np.errstate(invalid="ignore"):
        return np.asarray((box[:, 2:] <= 0).any(axis=1) | (box[:, :2] >= canvas[:, ::-1]).any(axis=1))


def too_long(view: view_lib.View) -> Marks:
    """Mark outlines that are longer than the image has room for."""
    height, width = view.canvas[:, 0], view.canvas[:, 1]
    limit = 4 * height * width + 64 * (height + width)
    with np.errstate(invalid="ignore"):
        return np.asarray(view.outlines.outline > limit) & ~far_outlines(view)


def _name_form(view: view_lib.View, marked: Marks, mask: columns.Floats | None = None) -> str:
    """Say which form of boxes explains those that are marked, by the boxes of their masks."""
    fit = marked & drawable(view)
    mask = _clip(view.outlines.box, view.canvas) if mask is None else mask
    forms = box_forms.count_forms(view.boxes[0][fit], mask[fit], view.canvas[fit])
    return box_forms.name_form(forms, int(marked.sum()))


def _areas_differ(area: Any, mask: Any) -> Marks:
    """Tell where one is more than twice the other, and by more than a few pixels."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = (area > _AREA_FACTOR * mask) | (mask > _AREA_FACTOR * area)
        return np.asarray(apart & (np.abs(area - mask) > _AREA_SLACK))


def _confirm(
    view: view_lib.View, marked: Marks, test: Callable[[int, float, coco_annotations.Box], bool]
) -> Marks:
    """Draw the masks of what is marked: tips and crossings make the points' measures differ from it."""
    positions = np.flatnonzero(marked)
    if positions.size > MAX_DRAWN:
        return marked
    confirmed = marked.copy()
    for at in positions.tolist():
        height, width = (int(side) for side in view.canvas[at])
        measured = masks.measure(view.annotations[at].get(_SEGMENTATION), height, width)
        confirmed[at] = measured is not None and test(at, *measured)
    return confirmed


def _far(box: columns.Floats, canvas: columns.Floats) -> Marks:
    sides = np.concatenate([canvas[:, ::-1]] * 2, axis=1)
    # Without the image's size only what no image has is far.
    sides = np.where(np.isnan(sides), 1e5, sides)
    reach = segmentations.MAX_OVERHANG
    with np.errstate(invalid="ignore"):
        return np.asarray(((box < -reach * sides) | (box > (reach + 1) * sides)).any(axis=1))


def _overhang(view: view_lib.View, box: columns.Floats) -> columns.Floats:
    """Measure by how many pixels boxes reach over the border; NaN where unknown."""
    with np.errstate(invalid="ignore"):
        over = (box[:, 2:] - view.canvas[:, ::-1]).max(axis=1)
        return np.asarray(np.maximum(-box[:, :2].min(axis=1), over))


def _clip(box: columns.Floats, canvas: columns.Floats) -> columns.Floats:
    """Cut corners to the image; where its size is not known only at 0."""
    sides = np.concatenate([canvas[:, ::-1]] * 2, axis=1)
    return np.clip(box, 0.0, np.where(np.isnan(sides), np.inf, sides))


def _where(code: str, mask: Marks, field: str, detail: str = "") -> list[findings.Finding]:
    return findings.where(code, "annotations", mask, field, detail)
