"""Detections of one picture, as people use them."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from official_yolact.coco import segmentations
from official_yolact.drawing import visualization
from official_yolact.files import json_text
from official_yolact.files import outputs
from official_yolact.images import formats
from official_yolact.images import image_folders

_CURE = f"name it .jpg or .png (all that can be written: {', '.join(image_folders.EXTENSIONS)}, .jp2, .tga)"


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
      masks: bool [D, H, W].
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    mask_scores: NDArray[np.float32]
    classes: NDArray[np.int32]
    category_ids: NDArray[np.int64]
    names: list[str]
    masks: NDArray[np.bool_]

    def __len__(self) -> int:
        """Count the instances."""
        return len(self.scores)

    def draw(self, zoom: int = 1) -> NDArray[np.uint8]:
        """Draw the instances on the picture, enlarged by a whole factor."""
        return visualization.draw_instances(
            self.image, self.boxes, self.classes, self.names, self.mask_scores, self.masks, zoom
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

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Give COCO results: image_id, category_id, bbox [x, y, width, height], score, segmentation.

        The score is the mask score.
        """
        return [
            {
                "image_id": image_id,
                "category_id": int(category_id),
                "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
                "score": float(score),
                "segmentation": rle,
            }
            for category_id, (top, left, bottom, right), score, rle in zip(
                self.category_ids,
                self.boxes,
                self.mask_scores,
                segmentations.encode_masks(self.masks),
                strict=True,
            )
        ]

    def to_json(self) -> str:
        """Give {"height", "width", "detections": [...]} as text; detections as COCO results with names."""
        detections = [
            {"category_name": name, **{key: value for key, value in entry.items() if key != "image_id"}}
            for name, entry in zip(self.names, self.to_coco(0), strict=True)
        ]
        height, width = self.image.shape[:2]
        return json_text.dump({"height": height, "width": width, "detections": detections})
