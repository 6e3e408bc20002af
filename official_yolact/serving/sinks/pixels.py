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
        instances = np.arange(1, len(found) + 1)
        for folder, numbers in ((_CLASSES, found.classes), (_INSTANCES, instances)):
            labels = np.zeros(shot.image.shape[:2], np.uint16)
            for number, (top, left, mask) in zip(numbers[::-1], found.windows[::-1], strict=True):
                labels[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = number
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
        for number, (top, left, mask) in enumerate(found.windows, start=1):
            if mask.size:
                part = shot.image[top : top + mask.shape[0], left : left + mask.shape[1]]
                content = _encode_png(np.dstack([part, mask.astype(np.uint8) * 255]))
                self._place.write(content, CUTOUTS_FOLDER, *folder, f"{number}.png")


def _encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
