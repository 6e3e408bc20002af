"""Pictures of masks: label maps, and instances cut out on a transparent ground."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from official_yolact.serving import shots
from official_yolact.serving.sinks import drawn
from official_yolact.serving.sinks import sink
from official_yolact_runtime import detections as detections_lib

LABELS_FOLDER = "labels"
CUTOUTS_FOLDER = "cutouts"
_CLASSES, _INSTANCES = "classes", "instances"
_MOST_OF_8_BITS = 255


class Labels(sink.Sink):
    """`labels/classes/NAME.png` and `labels/instances/NAME.png`: of each pixel the class and the instance.

    Both are 0 where nothing was found. Classes are numbered from 1, as the model's `categories.json` lists
    them; instances from 1, best first. Where instances overlap, the best one is shown. A map has 8 bits a
    pixel, and 16 where a number is above 255.
    """

    def __init__(self, place: sink.Place) -> None:
        self._place = place

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write the two maps of a picture."""
        order = np.arange(len(found))
        for folder, numbers in ((_CLASSES, found.classes), (_INSTANCES, order + 1)):
            labels = np.zeros(shot.image.shape[:2], np.uint16)
            for index in order[::-1]:
                labels[found.masks[index]] = numbers[index]
            narrow = int(numbers.max(initial=0)) <= _MOST_OF_8_BITS
            content = _encode_png(labels.astype(np.uint8) if narrow else labels)
            self._place.write(content, LABELS_FOLDER, folder, *drawn.name_parts(shot, ".png"))


class Cutouts(sink.Sink):
    """`cutouts/NAME/1.png`: each instance alone, cut to its mask, on a transparent ground."""

    def __init__(self, place: sink.Place) -> None:
        self._place = place

    def write(self, shot: shots.Shot, found: detections_lib.Detections) -> None:
        """Write each instance that has a pixel, numbered from 1, best first."""
        folder = drawn.name_parts(shot, "")
        for number, mask in enumerate(found.masks, start=1):
            rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            if not rows.size:
                continue
            window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            alpha = mask[window].astype(np.uint8) * 255
            content = _encode_png(np.dstack([shot.image[window], alpha]))
            self._place.write(content, CUTOUTS_FOLDER, *folder, f"{number}.png")


def _encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
