"""Training photos that are made of several records: objects pasted from another one, or four in a mosaic.

Photos are mixed before they are augmented: windows, flips, colours and targets of masks know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from official_yolact.dataloaders import augment_settings
from official_yolact.dataloaders import decoder
from official_yolact.ops import augment
from official_yolact.ops import mask_planes
from official_yolact.ops import mixing
from official_yolact.ops import windows
from official_yolact.schema import Tensor

PARTNERS = 3
"""Records that come after one in the order of training, which it may be mixed with."""

LEAST_VISIBLE = 0.2
"""Objects of which a smaller share can be seen are not labelled. Source: none; the choice is ours."""

_PASTED_SCALES = 0.8, 1.25
"""Source: copy-paste's standard jitter, arXiv 2012.07177. Windows of the mixed photo add their own."""

_CHOSEN = 0.5
_TILE_SCALES = 1.0, 2.0
_CROSS = 0.3, 0.7
_ZOOM = 2.0
_KEY = 3


class _Photo(NamedTuple):
    """A decoded record. Its masks have 8 P rows, and so have the lists; those behind the instances are empty.

    Attributes:
      pixels: uint8 [h, w, 3].
      planes: uint8 [P, h, w].
      boxes: float32 [8 P, 4] yxyx_norm.
      classes: int32 [8 P].
      is_crowd: bool [8 P].
    """

    pixels: Tensor
    planes: Tensor
    boxes: Tensor
    classes: Tensor
    is_crowd: Tensor

    @property
    def size(self) -> Tensor:
        """(height, width), int32 [2]."""
        return tf.shape(self.pixels)[:2]


class Mixer:
    """Mixes records with their partners as the settings ask for."""

    def __init__(
        self,
        settings: augment_settings.AugmentSettings,
        input_size: Sequence[int],
        num_classes: int,
        max_instances: int,
    ) -> None:
        """Keep the settings.

        Args:
          settings: of the augmentation.
          input_size: (height, width) of the network input.
          num_classes: C, with the background.
          max_instances: N, that have labels: an object without one would teach that there is none.
        """
        self._settings, self._num_classes = settings, num_classes
        self._max_instances = max_instances
        self._max_pixels = _ZOOM**2 * input_size[0] * input_size[1]
        # Functions are traced once, however many photos they are called for.
        self._open = tf.function(self._decode, autograph=False)
        self._show = tf.function(show_part, autograph=False)

    def mix(self, record: decoder.Record, photos: Sequence[Tensor], seed: Tensor) -> decoder.Record:
        """Mix a record with its partners, or leave it as it is, as drawn.

        A mixed photo has the proportions of the record's, and at most twice the sides of the network input:
        what it costs does not grow with the photos, but for decoding them. No more objects are pasted than
        labels are left for, and a mosaic of more objects than labels is left out.

        Args:
          record: of the position.
          photos: string scalar each, the same record and those of the next positions; where one is empty,
            nothing is mixed.
          seed: int32 [2], of the position.

        Returns:
          The record, whose lists may have empty rows: their boxes have no area.

        Raises:
          tf.errors.OpError: one that is needed cannot be used.
        """
        own = tf.random.experimental.stateless_fold_in(seed, _KEY)
        seeds = tf.unstack(tf.random.experimental.stateless_split(own, 3), num=3)
        draws = tf.random.stateless_uniform([2], seeds[0])
        there = tf.reduce_all(tf.strings.length(tf.stack(photos)) > 0)
        is_tiled = there & (draws[0] < self._settings.mosaic)
        is_pasted = there & (draws[1] < self._settings.copy_paste)

        def leave() -> _Photo:
            nothing = tf.zeros([0, 0, 3], tf.uint8), tf.zeros([0, 0, 0], tf.uint8)
            return _Photo(*nothing, record["boxes"], record["classes"], record["is_crowd"])

        def tile() -> _Photo:
            tiled = self._tile([self._open(each) for each in photos], seeds[1])
            count = tf.reduce_sum(tf.cast(_have_area(tiled.boxes), tf.int32))
            kept: _Photo = tf.cond(count <= self._max_instances, lambda: tiled, leave)
            return kept

        def paste() -> _Photo:
            return self._paste(self._open(photos[0]), self._open(photos[1]), seeds[2])

        mixed = tf.cond(is_tiled, tile, lambda: tf.cond(is_pasted, paste, leave))
        size = tf.where(tf.size(mixed.pixels) > 0, mixed.size, record["size"])
        return decoder.Record(
            encoded=record["encoded"],
            size=size,
            image_id=record["image_id"],
            boxes=tf.ensure_shape(mixed.boxes, [None, 4]),
            classes=mixed.classes,
            is_crowd=mixed.is_crowd,
            masks=record["masks"],
            planes=record["planes"],
            pixels=mixed.pixels,
            bits=mixed.planes,
        )

    def _decode(self, serialized: Tensor) -> _Photo:
        """Decode all of a record."""
        record = decoder.decode_record(serialized, self._num_classes)
        pixels = decoder.decode_part(record, tf.zeros([2], tf.int32), record["size"])
        planes = decoder.decode_all_masks(record)
        missing = tf.shape(planes)[0] * mask_planes.MASKS - tf.size(record["classes"])
        rows = [[0, missing]]
        return _Photo(
            pixels,
            planes,
            tf.pad(tf.clip_by_value(record["boxes"], 0.0, 1.0), [*rows, [0, 0]]),
            tf.pad(record["classes"], rows),
            tf.pad(record["is_crowd"], rows),
        )

    def _choose_canvas(self, photo: _Photo) -> Tensor:
        """Choose the (height, width) of a mixed photo, int32 [2]: the photo's own where it is not large."""
        sides = tf.cast(photo.size, tf.float32)
        scale = tf.minimum(tf.sqrt(self._max_pixels / tf.reduce_prod(sides)), 1.0)
        return tf.maximum(tf.cast(tf.round(sides * scale), tf.int32), 2)

    def _paste(self, target: _Photo, source: _Photo, seed: Tensor) -> _Photo:
        """Paste about half of the objects of one photo over another, and at least one that can be seen."""
        canvas = self._choose_canvas(target)
        window_seed, turn_seed, draw_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3), num=3)
        sides, outputs = tf.cast(source.size, tf.float32), tf.cast(canvas, tf.float32)
        extent = outputs * tf.sqrt(tf.reduce_prod(sides) / tf.reduce_prod(outputs))
        window = _draw_window(source, window_seed, extent, _PASTED_SCALES)
        mirror, flip = augment.draw_flips(turn_seed, self._settings.mirror, self._settings.flip)
        source = self._show(source, window, canvas, tf.stack([flip, mirror]))
        able = _have_area(source.boxes) & ~source.is_crowd
        draws = tf.where(able, tf.random.stateless_uniform([tf.size(able)], draw_seed), 1.0)  # [8 P]
        rank = tf.argsort(tf.argsort(draws))
        room = self._max_instances - tf.reduce_sum(tf.cast(_have_area(target.boxes), tf.int32))
        chosen = able & (rank < room) & ((draws < _CHOSEN) | tf.equal(rank, 0))
        return paste_objects(_resize(target, canvas), source, chosen)

    def _tile(self, photos: Sequence[_Photo], seed: Tensor) -> _Photo:
        """Lay parts of four photos around a point, which is drawn."""
        canvas = self._choose_canvas(photos[0])
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 1 + len(photos)), num=1 + len(photos))
        low, high = _CROSS
        draws = tf.random.stateless_uniform([2], seeds[0], low, high)
        cross = tf.cast(tf.round(tf.cast(canvas, tf.float32) * draws), tf.int32)
        cross = tf.clip_by_value(cross, 1, canvas - 1)
        parts = []
        for number, photo in enumerate(photos):
            behind = tf.constant(divmod(number, 2)) > 0  # below the point, and right of it
            size = tf.where(behind, canvas - cross, cross)
            sides, outputs = tf.cast(photo.size, tf.float32), tf.cast(size, tf.float32)
            extent = outputs * tf.reduce_min(sides / outputs)
            window = _draw_window(photo, seeds[1 + number], extent, _TILE_SCALES)
            part = self._show(photo, window, size, tf.constant([False, False]))
            parts.append(_place(part, tf.where(behind, cross, 0), canvas))
        rows = [tf.concat([parts[row].pixels, parts[row + 1].pixels], axis=1) for row in (0, 2)]
        lists = [tf.concat(values, axis=0) for values in zip(*(part[1:] for part in parts), strict=True)]
        return _Photo(tf.concat(rows, axis=0), *lists)


def show_part(photo: _Photo, window: Tensor, size: Tensor, turned: Tensor) -> _Photo:
    """Show a window of a photo on a canvas, with tight boxes.

    Args:
      photo: decoded.
      window: int32 [4] in its pixels.
      size: int32 [2], (height, width) of the canvas.
      turned: bool [2], upside down, and mirrored.

    Returns:
      The canvas. A box has no area where too little of the object's is in the window.
    """
    extents = tf.tile(tf.cast(photo.size, tf.float32), [2])  # [4]
    boxes_px = photo.boxes * extents
    cut = windows.transform_boxes(boxes_px, window, turned[1], turned[0])  # [8 P, 4] of the window
    whole = tf.cast(tf.reduce_prod(window[2:] - window[:2]), tf.float32)
    is_seen = _find_areas(cut) * whole >= LEAST_VISIBLE * _find_areas(boxes_px)
    planes = mixing.show_planes(photo.planes, window, size, turned)
    boxes = _find_boxes(planes) * tf.cast(is_seen, tf.float32)[:, tf.newaxis]
    pixels = mixing.show_pixels(photo.pixels, window, size, turned)
    return photo._replace(pixels=pixels, planes=planes, boxes=boxes)


def paste_objects(target: _Photo, source: _Photo, chosen: Tensor) -> _Photo:
    """Lay objects over a photo of the same size.

    Args:
      target: what is below; its masks lose the pixels that are covered, and its boxes become as small as
        what remains. Objects that are almost hidden are left out.
      source: has the objects.
      chosen: bool [8 P], those of its rows that are pasted.

    Returns:
      The photo, with the rows of both.
    """
    pasted = mixing.choose_masks(source.planes, chosen)
    is_over = tf.reduce_max(pasted, axis=0) > 0  # [h, w]; no plane: the least uint8, 0
    planes = tf.where(is_over, tf.constant(0, tf.uint8), target.planes)
    before, after = mixing.count_pixels(target.planes), mixing.count_pixels(planes)  # [8 P] each
    remains = tf.cast(after, tf.float32) >= LEAST_VISIBLE * tf.cast(before, tf.float32)
    smaller = _find_boxes(planes) * tf.cast(remains, tf.float32)[:, tf.newaxis]
    boxes = tf.where((after < before)[:, tf.newaxis], smaller, target.boxes)
    added = source.boxes * tf.cast(chosen, tf.float32)[:, tf.newaxis]
    return _Photo(
        tf.where(is_over[..., tf.newaxis], source.pixels, target.pixels),
        tf.concat([planes, pasted], axis=0),
        tf.concat([boxes, added], axis=0),
        tf.concat([target.classes, source.classes], axis=0),
        tf.concat([target.is_crowd, source.is_crowd], axis=0),
    )


def _draw_window(photo: _Photo, seed: Tensor, extent: Tensor, scales: tuple[float, float]) -> Tensor:
    """Draw a window of a photo that shows an object, if there is one; as `augment.draw_scaled`."""
    boxes_px = photo.boxes * tf.tile(tf.cast(photo.size, tf.float32), [2])
    real = _have_area(photo.boxes)
    return augment.draw_scaled(seed, photo.size, extent, boxes_px[real], photo.is_crowd[real], *scales)


def _resize(photo: _Photo, size: Tensor) -> _Photo:
    """Show all of a photo on a canvas; on one of its own size it stays the same."""
    still, whole = tf.constant([False, False]), augment.whole_window(photo.size)

    def show() -> tuple[Tensor, Tensor]:
        pixels = mixing.show_pixels(photo.pixels, whole, size, still)
        return pixels, mixing.show_planes(photo.planes, whole, size, still)

    is_same = tf.reduce_all(tf.equal(size, photo.size))
    pixels, planes = tf.cond(is_same, lambda: (photo.pixels, photo.planes), show)
    return photo._replace(pixels=pixels, planes=planes)


def _place(part: _Photo, corner: Tensor, canvas: Tensor) -> _Photo:
    """Lay planes and boxes of a part at a place of a canvas; the pixels stay those of the part."""
    after = canvas - corner - part.size
    planes = tf.pad(part.planes, tf.stack([[0, 0], [corner[0], after[0]], [corner[1], after[1]]]))
    own, whole = (tf.cast(tf.tile(sides, [2]), tf.float32) for sides in (part.size, canvas))
    boxes = (part.boxes * own + tf.tile(tf.cast(corner, tf.float32), [2])) / whole
    boxes *= tf.cast(_have_area(part.boxes), tf.float32)[:, tf.newaxis]
    return part._replace(planes=planes, boxes=boxes)


def _find_boxes(planes: Tensor) -> Tensor:
    """Find the boxes of the masks, float32 [8 P, 4] yxyx_norm."""
    return mixing.find_extents(planes) / tf.tile(tf.cast(tf.shape(planes)[1:], tf.float32), [2])


def _find_areas(boxes: Tensor) -> Tensor:
    return tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def _have_area(boxes: Tensor) -> Tensor:
    return tf.reduce_all(boxes[:, 2:] > boxes[:, :2], axis=1)
