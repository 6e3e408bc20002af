"""Detections of one picture, as people use them."""

from __future__ import annotations

import collections
import dataclasses
import io
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from official_yolact_runtime import photo_masks
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs
from official_yolact_runtime.images import formats

_CURE = f"name it .jpg or .png (all that can be written: {', '.join(formats.EXTENSIONS)}, .jp2, .tga)"
_ARRAYS = ("boxes", "scores", "mask_scores", "classes", "category_ids", "masks")


class Undrawn(NamedTuple):
    """Masks that are not drawn at the size of their photo yet.

    Attributes:
      windows: D parts that are not empty.
    """

    windows: list[photo_masks.Window]

    def select(self, rows: NDArray[np.integer[Any]]) -> Undrawn:
        """Keep some of the masks."""
        return Undrawn([self.windows[row] for row in rows])


@dataclasses.dataclass(frozen=True, eq=False)
class Detections:
    """Instances found in one picture, best mask score first.

    Source: where the original displays what YOLACT++ found, mask scores rank and label it.

    Attributes:
      image: uint8 RGB [H, W, 3], upright.
      boxes: float32 [D, 4] yxyx_px.
      scores: float32 [D] of the classes; they rank boxes in an evaluation.
      mask_scores: float32 [D]; of YOLACT++ the scores times the predicted IoU of the masks, which
        may be above 1; otherwise equal to the scores.
      classes: int32 [D], from 1.
      category_ids: int64 [D], ids of the data set's categories.
      names: D names.
      masks: bool [D, H, W]. `Undrawn` ones become that when they are first asked for: most users need no
        mask of a whole photo.
      track_ids: int64 [D], from 1: the same in all frames that show one object; 0 of an object that has no
        number yet. None where nothing follows objects.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    mask_scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    category_ids: NDArray[np.int64]
    names: list[str]
    masks: NDArray[np.bool_]
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Keep masks that are not drawn yet under another name, so that `masks` is asked for."""
        if isinstance(self.masks, Undrawn):
            vars(self)["_undrawn"] = vars(self).pop("masks")

    def __getattr__(self, name: str) -> Any:
        """Draw the masks; from now on the array is what they are, for it may be changed."""
        undrawn: Undrawn | None = vars(self).get("_undrawn")
        if name != "masks" or undrawn is None:
            raise AttributeError(f"Detections have no attribute {name!r}", name=name, obj=self)
        masks = vars(self)["masks"] = photo_masks.draw_windows(undrawn.windows, *self.image.shape[:2])
        vars(self).pop("_undrawn", None)
        return masks

    @property
    def windows(self) -> list[photo_masks.Window]:
        """The part of each mask that is not empty."""
        undrawn: Undrawn | None = vars(self).get("_undrawn")
        return list(map(photo_masks.cut_window, self.masks)) if undrawn is None else undrawn.windows

    def __len__(self) -> int:
        """Count the instances."""
        return len(self.scores)

    def __repr__(self) -> str:
        """Count the instances of each class, in the order of the classes, in one line."""
        names = [self.names[row] for row in np.argsort(self.classes, kind="stable")]
        counts = collections.Counter(" ".join(json_text.escape_control(name).split()) for name in names)
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        total = f"{len(self)} detection{'' if len(self) == 1 else 's'}"
        return f"{total}: {listed}" if listed else total

    def select(self, chosen: NDArray[Any] | Sequence[int]) -> Detections:
        """Keep some of the instances.

        Args:
          chosen: bool [D], or the indices of those that are kept, whose order the result has.

        Raises:
          IndexError: another number of booleans than D, or an index that does not exist.
        """
        rows = np.arange(len(self))[np.asarray(chosen) if len(chosen) else []]
        names = (*_ARRAYS, *_tracked(self))
        arrays = {name: getattr(self, name)[rows] for name in names if name != "masks"}
        undrawn: Undrawn | None = vars(self).get("_undrawn")
        masks: Any = self.masks[rows] if undrawn is None else undrawn.select(rows)
        return dataclasses.replace(self, names=[self.names[row] for row in rows], masks=masks, **arrays)

    def number(self, track_ids: NDArray[np.int64]) -> Detections:
        """Give the instances the numbers of the objects that they show, `track_ids`; 0: none yet."""
        masks: Any = vars(self).get("_undrawn", vars(self).get("masks"))
        return dataclasses.replace(self, masks=masks, track_ids=np.asarray(track_ids, np.int64))

    def shift(self, top: int, left: int, image: NDArray[np.uint8]) -> Detections:
        """Move the instances from a part of a picture, such as a tile, into the whole picture.

        Args:
          top: row of `image` in which the first row of the part lies; may be negative.
          left: column likewise.
          image: uint8 RGB, the whole picture.

        Returns:
          The same instances in its pixels; what lies beyond it is cut off boxes and masks.
        """
        size = np.array(image.shape[:2])
        corner, sides = np.array([top, left]), np.array(self.image.shape[:2])
        first = np.clip(corner, 0, size)
        last = np.clip(corner + sides, first, size)
        inside = tuple(slice(*bounds) for bounds in zip(first, last, strict=True))
        source = tuple(slice(*bounds) for bounds in zip(first - corner, last - corner, strict=True))
        masks = np.zeros((len(self), *size), np.bool_)
        masks[:, *inside] = self.masks[:, *source]
        boxes = np.clip(self.boxes + np.tile(corner, 2), 0, np.tile(size, 2)).astype(np.float32)
        return dataclasses.replace(self, image=image, boxes=boxes, masks=masks)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """Put the instances of one picture together, best mask score first; doubles stay.

        Args:
          parts: at least one, of pictures of one size; the picture is that of the first.

        Raises:
          ValueError: there is none, or their pictures differ in size.
        """
        sizes = sorted({part.image.shape[:2] for part in parts})
        if len(sizes) != 1:
            listed = " and ".join(f"{height}x{width}" for height, width in sizes) or "no size"
            raise ValueError(
                f"parts have pictures of {listed} pixels (height x width), expected one size: "
                "`shift` the detections of a tile into the whole picture first"
            )
        names = (*_ARRAYS, *_tracked(*parts))
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        whole = cls(image=parts[0].image, names=[name for part in parts for name in part.names], **arrays)
        return whole.select(np.argsort(-whole.mask_scores, kind="stable"))

    def draw(self, zoom: int = 1) -> NDArray[np.uint8]:
        """Draw the instances on the picture, enlarged by a whole factor.

        Each class has its hue; where objects are followed, each object, and its number is in its label.
        """
        from official_yolact_runtime import drawing

        hues, names = self.classes, self.names
        if self.track_ids is not None:
            hues = self.track_ids.astype(np.int32)
            names = [f"#{hue} {name}" if hue else name for hue, name in zip(hues, names, strict=True)]
        return drawing.draw_instances(
            self.image, self.boxes, hues, names, self.mask_scores, self.windows, zoom
        )

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        inputs: Iterable[str | None] = (),
        force: bool = False,
    ) -> None:
        """Write the picture with its instances.

        Args:
          path: the ending of the name decides the format.
          inputs: files that are never replaced.
          force: replace a file that this program did not write.

        Raises:
          OSError: it cannot be written; names the file, and nothing is left of it.
          ValueError: the ending is none of a picture's that can be read again, the format has no room for
            this one, or something would be lost at `path`.
        """
        name, buffer = os.fspath(path), io.BytesIO()
        kind = Image.registered_extensions().get(os.path.splitext(name)[1].lower(), "")
        if kind not in formats.FORMATS:
            raise ValueError(f"{name}: cannot be written as a picture: {_CURE}")
        outputs.check(name, inputs=inputs, force=force)
        try:
            Image.fromarray(self.draw()).save(buffer, kind, quality=92)
        except Exception as error:  # Pillow's plug-ins raise whatever their format has no room for
            raise ValueError(f"{name}: cannot be written as {kind} ({error}): {_CURE}") from error
        outputs.write(name, buffer.getvalue(), inputs=inputs, force=force)

    def to_coco(self, image_id: int, masks: str = "rle") -> list[dict[str, Any]]:
        """Give COCO results: image_id, category_id, bbox [x, y, width, height], score, segmentation.

        The score is the mask score. Where objects are followed, each has `track_id`, from 1; None of one that
        has no number yet.

        Args:
          image_id: of each result.
          masks: form of `segmentation`, one of `mask_forms.FORMS`.

        Raises:
          ValueError: there is no such form.
        """
        from official_yolact_runtime import mask_forms

        numbers = [] if self.track_ids is None else self.track_ids.tolist()
        tracks = [{"track_id": number or None} for number in numbers] or [{}] * len(self)
        return [
            {
                "image_id": image_id,
                "category_id": int(category_id),
                "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
                "score": float(score),
                **mask,
                **track,
            }
            for category_id, (top, left, bottom, right), score, mask, track in zip(
                self.category_ids,
                self.boxes,
                self.mask_scores,
                mask_forms.encode(self.windows, masks, *self.image.shape[:2]),
                tracks,
                strict=True,
            )
        ]

    def polygons(self, tolerance: float = 0.0) -> list[list[list[float]]]:
        """Give the outlines of each mask as COCO polygons [x1, y1, x2, y2, ...] in pixels of the picture.

        Args:
          tolerance: pixels by which an outline may be simplified, such as 1 for outlines that people correct.

        Returns:
          For each instance a polygon for each part of its mask, of an empty one none. Holes are filled.
        """
        from official_yolact_runtime import polygons

        return [polygons.trace(window.mask, window.top, window.left, tolerance) for window in self.windows]

    def to_json(self, masks: str = "rle") -> str:
        """Give {"height", "width", "detections": [...]} as text; detections as COCO results with names.

        Args:
          masks: form of each `segmentation`, one of `mask_forms.FORMS`.

        Raises:
          ValueError: there is no such form.
        """
        detections = [
            {"category_name": name, **{key: value for key, value in entry.items() if key != "image_id"}}
            for name, entry in zip(self.names, self.to_coco(0, masks), strict=True)
        ]
        height, width = self.image.shape[:2]
        return json_text.dump({"height": height, "width": width, "detections": detections})


def _tracked(*parts: Detections) -> tuple[str, ...]:
    """Name the array of the tracks where all of these have it."""
    return ("track_ids",) if all(part.track_ids is not None for part in parts) else ()
