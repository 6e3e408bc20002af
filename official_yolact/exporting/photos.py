"""The pictures on which exports are compared with their model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from official_yolact.evaluation import groundtruth
from official_yolact.serving import sources
from official_yolact_runtime import predictor as predictor_lib

_GENERATED = 4
_SIZE = (360, 480)


@dataclasses.dataclass(frozen=True)
class Photos:
    """Pictures to compare on.

    Attributes:
      listed: their files; none: a few pictures are generated.
      annotations: COCO file to measure AP against; empty: AP is not measured.
    """

    listed: list[sources.ListedImage]
    annotations: str = ""

    def __len__(self) -> int:
        """Count them."""
        return len(self.listed) or _GENERATED

    @property
    def kind(self) -> str:
        """Say what they are."""
        return "photos" if self.listed else "generated pictures"

    def read(self, predictor: predictor_lib.Predictor) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Read each: its id, and uint8 RGB [H, W, 3].

        Raises:
          OSError: one cannot be opened.
          ValueError: one is no picture that can be read.
        """
        for one in self.listed:
            yield one.image_id, predictor.read(one.path, one.size)
        if not self.listed:
            yield from enumerate(map(_draw, range(_GENERATED)), start=1)


def list_photos(folder: str | None, annotations: str | None, others: Sequence[str]) -> Photos:
    """List the photos of a folder or, without one, others; those of an annotation file have its ids.

    Raises:
      OSError: something does not exist.
      ValueError: the folder holds no photo, or the annotations name one that is not there.
    """
    if folder and annotations:
        images = groundtruth.load_images(annotations)
        return Photos(sources.list_annotated(images, folder, annotations), annotations)
    paths = sources.find_pictures([folder]) if folder else others
    return Photos([sources.ListedImage(index, path) for index, path in enumerate(paths, start=1)])


def _draw(seed: int) -> NDArray[np.uint8]:
    """Draw rectangles of random colours over one another, uint8 RGB [H, W, 3]."""
    rng = np.random.default_rng(seed)
    picture = np.empty((*_SIZE, 3), np.uint8)
    picture[:] = rng.integers(0, 256, 3, dtype=np.uint8)
    for _ in range(30):
        (top, bottom), (left, right) = (np.sort(rng.integers(0, side + 1, 2)) for side in _SIZE)
        picture[top:bottom, left:right] = rng.integers(0, 256, 3, dtype=np.uint8)
    return picture
