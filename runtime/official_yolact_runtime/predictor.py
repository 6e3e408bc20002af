"""A model with everything around it: pictures in, detections out."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from official_yolact_runtime import arguments
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import detections as detections_lib
from official_yolact_runtime import loaded_weights
from official_yolact_runtime import photo_masks
from official_yolact_runtime import runtime as runtime_lib

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]
_logger = logging.getLogger(__name__)
_Key = TypeVar("_Key")

SCORE_THRESHOLD = 0.3
MAX_DETECTIONS = 100


class Predictor:
    """Detects instances in pictures.

    Pictures pass through the preprocessing, the detection generator and the upsampling of masks
    that evaluation in training uses.

    Threads may call one Predictor at the same time, and get what they would get one after another.
    It cannot be pickled: each process loads the model itself. `Detections` can.

    Attributes:
      runtime: what computes.
      categories: what its classes mean.
      bit_depth: bits that the values of pictures of 16 bits a channel fill, 16 unless it is set: what the
        training photos were converted with (`--bit-depth`).
      weights: which weights it has; None where nothing was loaded.
    """

    def __init__(
        self,
        runtime: runtime_lib.Runtime,
        categories: categories_lib.Categories,
        weights: loaded_weights.LoadedWeights | None = None,
    ) -> None:
        """Wrap a runtime.

        Args:
          runtime: what computes.
          categories: one for each foreground class.
          weights: which weights it has.

        Raises:
          ValueError: categories and classes differ in number.
        """
        if categories.num_classes != runtime.num_classes:
            raise ValueError(
                f"the model has {runtime.num_classes - 1} classes without background, but there are "
                f"{len(categories.ids)} categories: use the categories.json that belongs to the model"
            )
        self.runtime = runtime
        self.categories = categories
        self.bit_depth = 16
        self._warned: set[int] = set()
        self.weights = weights

    @overload
    def __call__(
        self, source: Source, score_threshold: float = ..., max_detections: int = ...
    ) -> detections_lib.Detections: ...

    @overload
    def __call__(
        self, source: list[Source], score_threshold: float = ..., max_detections: int = ...
    ) -> list[detections_lib.Detections]: ...

    def __call__(
        self,
        source: Source | list[Source],
        score_threshold: float = SCORE_THRESHOLD,
        max_detections: int = MAX_DETECTIONS,
    ) -> detections_lib.Detections | list[detections_lib.Detections]:
        """Detect instances.

        Args:
          source: path, bytes of a file, uint8 RGB array [H, W, 3], or a list of them.
          score_threshold: detections whose score or mask score is below it are left out.
          max_detections: the best so many are kept.

        Returns:
          Detections of the picture; of a list, a list in its order.

        Raises:
          OSError: a file cannot be opened.
          TypeError: an argument is of another type.
          ValueError: a file is no picture, or too large; a number is out of its range.
        """
        is_one = isinstance(source, str | os.PathLike | bytes | np.ndarray)
        sources = arguments.check_sources([source] if is_one else source)
        found = list(self.stream(sources, score_threshold, max_detections))
        return found[0] if is_one else found

    def stream(
        self,
        sources: Iterable[Source],
        score_threshold: float = SCORE_THRESHOLD,
        max_detections: int = MAX_DETECTIONS,
    ) -> Iterator[detections_lib.Detections]:
        """Detect instances in pictures without an end, one batch of them in memory.

        Args:
          sources: as of a call; a picture is read when its batch is filled.
          score_threshold: as of a call.
          max_detections: as of a call.

        Returns:
          An iterator over the detections of each picture, in their order; it raises what a call does.

        Raises:
          TypeError: a number is of another type.
          ValueError: a number is out of its range.
        """
        limits = (
            arguments.check_score_threshold(score_threshold),
            arguments.check_count("max_detections", max_detections),
        )
        pictures = ((None, self.read(one)) for one in sources)
        return (self.finish(image, row, *limits) for _, image, row in self.detect(pictures))

    def raw_outputs(self, images: Any) -> dict[str, NDArray[Any]]:
        """Run the network alone.

        Args:
          images: float32 [B, H, W, 3] of the input size, normalised.

        Returns:
          The raw outputs of `schema.RawOutputs`.

        Raises:
          TypeError: no floating point numbers.
          ValueError: another rank or size, no image, or values that are not finite.
        """
        checked = arguments.check_network_inputs(images, self.runtime.input_size)
        return dict(self.runtime.raw_outputs(checked))

    def read(self, source: Source, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """Read a picture; see `images.arrays.read_image`."""
        from official_yolact_runtime.images import arrays

        arguments.check_sources([source])
        return arrays.read_image(source, self.runtime.decode, size, self.bit_depth, self._warn_of_darkness)

    def _warn_of_darkness(self, name: str, bits: int) -> None:
        """Warn of the first picture that fills so many bits alone."""
        if bits not in self._warned:
            self._warned.add(bits)
            _logger.warning(
                "%s: its values fill %d of 16 bits, and it is read as dark as that, perhaps others too:"
                " read it with --bit-depth %d (bit_depth of a Predictor), as the training photos were read",
                *(name, bits, bits),
            )

    def detect(
        self, pictures: Iterable[tuple[_Key, NDArray[np.uint8]]]
    ) -> Iterator[tuple[_Key, NDArray[np.uint8], dict[str, NDArray[Any]]]]:
        """Detect in pictures, all that the detection generator gives, masks on the prototype grid.

        Args:
          pictures: each with anything that tells it from the others; uint8 RGB [H, W, 3].

        Yields:
          Each, and a dict: `schema.Detections` without the batch dimension, and `image_info`
          float32 [4, 2].
        """
        pictures = iter(pictures)
        while batch := list(itertools.islice(pictures, self.runtime.batch_size)):
            arrays = self.runtime.detect([image for _, image in batch])
            for index, (key, image) in enumerate(batch):
                yield key, image, {name: value[index] for name, value in arrays.items()}

    def finish(
        self,
        image: NDArray[np.uint8],
        row: Mapping[str, NDArray[Any]],
        score_threshold: float,
        max_detections: int,
    ) -> detections_lib.Detections:
        """Choose what is shown of a picture, and bring its masks to the picture's size.

        Args:
          image: uint8 RGB [H, W, 3].
          row: what `detect` gives of it.
          score_threshold: detections whose score or mask score is below it are left out.
          max_detections: the best so many are kept.
        """
        count = int(row["num_detections"])
        scores, mask_scores = row["detection_scores"][:count], row["detection_mask_scores"][:count]
        # Source: what the original displays passes the threshold by class score and by mask score.
        passing = np.minimum(scores, mask_scores) >= score_threshold
        best_first = np.argsort(-mask_scores, kind="stable")
        keep = best_first[passing[best_first]][:max_detections]
        classes = row["detection_classes"][keep].astype(np.int32)
        crops = row[photo_masks.CROPS][keep] if photo_masks.CROPS in row else None
        soft = row["detection_masks"][keep]
        windows = list(photo_masks.find_windows(soft, row["image_info"], crops=crops))
        masks: Any = detections_lib.Undrawn(windows)
        return detections_lib.Detections(
            image=image,
            boxes=row["detection_boxes"][keep].astype(np.float32),
            scores=scores[keep].astype(np.float32),
            mask_scores=mask_scores[keep].astype(np.float32),
            classes=classes,
            category_ids=np.array([self.categories.ids[index - 1] for index in classes], np.int64),
            names=[self.categories.names[index - 1] for index in classes],
            masks=masks,
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: a compiled network belongs to its process."""
        raise TypeError(
            "a Predictor cannot be pickled or copied: call official_yolact.load(DIRECTORY) in each process"
        )
