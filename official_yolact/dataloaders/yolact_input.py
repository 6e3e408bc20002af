"""From a record to an augmented, padded example: the network input and its labels."""

from __future__ import annotations

import tensorflow as tf

from official_yolact import schema
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import augment_settings
from official_yolact.dataloaders import decoder
from official_yolact.dataloaders import drawn_windows
from official_yolact.dataloaders import mixed_records
from official_yolact.ops import augment
from official_yolact.ops import colors
from official_yolact.ops import frames
from official_yolact.ops import grids
from official_yolact.ops import mask_coverage
from official_yolact.ops import mask_planes
from official_yolact.ops import preprocess
from official_yolact.ops import windows
from official_yolact.schema import Tensor
from official_yolact_runtime import resizing

Example = tuple[Tensor, schema.Labels]

FILL_COLOR = resizing.FILL_COLOR

_EMPTY_IMAGES = ("ignore", "train")


class Parser:
    """Makes (image, labels) of records; all shapes are static, all draws from (seed, position)."""

    def __init__(
        self, config: configs.Parser, model: configs.YolactModel, is_training: bool, seed: int = 0
    ) -> None:
        """Read the settings from the sections.

        Args:
          config: the parser's section.
          model: the model's section: input size, levels, classes and normalisation.
          is_training: augment; otherwise only resize, and every readable image has weight 1.
          seed: of the augmentation.

        Raises:
          ValueError: a preset, a treatment of empty images or a target of masks that does not exist.
        """
        self._keep_aspect = model.keep_aspect
        self._settings = augment_settings.resolve_augment(config.augment, is_training, model.keep_aspect)
        empty = config.empty_images
        if empty is None:
            empty = "ignore" if config.augment.preset == "paper" else "train"
        if empty not in _EMPTY_IMAGES:
            raise ValueError(f"parser.empty_images={empty!r}: one of {', '.join(_EMPTY_IMAGES)}")
        self._ignore_empty = is_training and empty == "ignore"
        if config.mask_target not in configs.MASK_TARGETS:
            raise ValueError(
                f"parser.mask_target={config.mask_target!r}: one of {', '.join(configs.MASK_TARGETS)}"
            )
        self._covers = config.mask_target == "coverage"
        self._mask_dtype = mask_coverage.DTYPE if self._covers else tf.bool
        self._num_instances = config.max_num_instances
        self._num_classes = model.num_classes
        self._normalization = model.normalization
        height, width = model.input_size
        self._input_size = (height, width)
        self._mask_size = grids.prototype_size(self._input_size, model.min_level)
        self._semantic_size = grids.level_size(self._input_size, model.min_level)
        self._grids = (self._mask_size, self._semantic_size)
        # Where coverage is wanted, only the classes' masks are interpolated.
        self._layout = mask_planes.Layout(
            self._input_size,
            None if self._covers else self._mask_size,
            self._semantic_size,
            self._num_classes - 1,
        )
        self._seed = seed
        self._mixer = mixed_records.Mixer(
            self._settings, self._input_size, self._num_classes, self._num_instances
        )

    @property
    def num_partners(self) -> int:
        """Number of other records that `parse` wants, those of the next positions."""
        return mixed_records.PARTNERS if self._settings.mixes else 0

    def parse(self, serialized: Tensor, position: Tensor, *partners: Tensor) -> Example:
        """Make the example of a record.

        Args:
          serialized: string scalar, a record in Model Garden's schema.
          position: int64 scalar, the record's place in the order of training.
          partners: string scalar each, records that it may be mixed with; empty ones mix nothing.

        Returns:
          image, float32 [height, width, 3] normalised, and its labels without the batch dimension.
          Of more than N instances crowds are dropped first, then the smallest. Crowds come last.

        Raises:
          tf.errors.OpError: the record cannot be used.
        """
        record = decoder.decode_record(serialized, self._num_classes)
        seed = self._example_seed(position)
        if partners:
            record = self._mixer.mix(record, [serialized, *partners], seed)
        part_seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4), num=4)
        transpose = augment.draw_transpose(seed, self._settings.transpose)
        size, boxes = self._transpose_geometry(record, transpose)
        # R rows are in the record; M of them become labels, padded to N at the end.
        boxes_px = tf.clip_by_value(boxes, 0.0, 1.0) * tf.tile(tf.cast(size, tf.float32), [2])  # [R, 4]
        real = tf.reduce_all(boxes_px[:, 2:] > boxes_px[:, :2], axis=-1)  # [R]
        drawn = part_seeds, size, transpose, boxes_px[real], record["is_crowd"][real]
        window = drawn_windows.draw_window(self._settings, self._input_size, *drawn)
        mirror, flip = augment.draw_flips(part_seeds[2], self._settings.mirror, self._settings.flip)
        turned = tf.stack([flip, mirror])
        boxes = windows.transform_boxes(boxes_px, window, mirror, flip)  # [R, 4] yxyx_norm of the window
        rows = self._choose_rows(boxes, real & augment.centers_inside(boxes_px, window), record["is_crowd"])
        classes, is_crowd = tf.gather(record["classes"], rows), tf.gather(record["is_crowd"], rows)  # [M]
        masks, semantic_masks = self._show_masks(record, rows, transpose, window, turned)
        labels = schema.Labels(
            boxes=self._pad(tf.gather(boxes, rows)),
            classes=self._pad(classes),
            num_instances=tf.size(rows),
            is_crowd=self._pad(is_crowd),
            masks=self._pad(masks),
            semantic_masks=semantic_masks,
            image_id=record["image_id"],
            image_info=frames.fit(record["size"], self._input_size, self._keep_aspect),
            weight=tf.where((tf.size(rows) == 0) & self._ignore_empty, 0.0, 1.0),
            seed=seed,
        )
        part, corner = self._decode_part(record, transpose, window)
        image = self._show_image(part, corner, window, turned, part_seeds[3])
        return image, self._set_shapes(labels)

    def blank(self, position: Tensor) -> Example:
        """Make the example that stands for a record that cannot be used, or fills a batch.

        Args:
          position: int64 scalar.

        Returns:
          As `parse`; grey image, no instances, image_id -1, weight 0.
        """
        shape = (self._num_instances, *self._mask_size)
        labels = schema.Labels(
            boxes=tf.zeros([self._num_instances, 4]),
            classes=tf.zeros([self._num_instances], tf.int32),
            num_instances=tf.constant(0),
            is_crowd=tf.zeros([self._num_instances], tf.bool),
            masks=tf.zeros(shape, self._mask_dtype),
            semantic_masks=tf.zeros([*self._semantic_size, self._num_classes - 1], tf.bool),
            image_id=tf.constant(-1, tf.int64),
            image_info=frames.fit(self._input_size, self._input_size),
            weight=tf.constant(0.0),
            seed=self._example_seed(position),
        )
        return tf.zeros([*self._input_size, 3]), labels

    def _example_seed(self, position: Tensor) -> Tensor:
        return tf.stack([tf.constant(self._seed, tf.int32), tf.cast(position, tf.int32)])

    def _transpose_geometry(self, record: decoder.Record, transpose: Tensor) -> tuple[Tensor, Tensor]:
        """Return size [2] and boxes [R, 4] of the image, after it is transposed if it is."""
        size, boxes = record["size"], record["boxes"]
        if not self._settings.transpose:
            return size, boxes
        turned = tf.gather(boxes, [1, 0, 3, 2], axis=-1)
        return tf.where(transpose, size[::-1], size), tf.where(transpose, turned, boxes)

    def _exchange_axes(self, image: Tensor, exchange: Tensor, axis: int = 0) -> Tensor:
        """Exchange rows and columns if `exchange`, a bool scalar; `axis` is that of the rows."""
        if not self._settings.transpose:
            return image
        order = list(range(image.shape.rank))
        order[axis : axis + 2] = axis + 1, axis
        return tf.cond(exchange, lambda: tf.transpose(image, order), lambda: tf.identity(image))

    def _turn(self, grid: Tensor, turned: Tensor, axis: int = 0) -> Tensor:
        """Turn upside down if turned[0] and mirror if turned[1]; `axis` is that of the rows."""
        if not (self._settings.mirror or self._settings.flip):
            return grid
        return windows.flip_grid(grid, turned[1], turned[0], axis)

    def _decode_part(
        self, record: decoder.Record, transpose: Tensor, window: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode the visible part, uint8 [h, w, 3]; its corner is in the image after transposition."""
        stored_size = record["size"]
        size = tf.where(transpose, stored_size[::-1], stored_size)
        first, last = windows.visible_bounds(size, window)
        stored_first, stored_last = (tf.where(transpose, end[::-1], end) for end in (first, last))
        part = decoder.decode_part(record, stored_first, stored_last)
        part = tf.ensure_shape(self._exchange_axes(part, transpose), [None, None, 3])
        return windows.copy_borders(part, first, window)

    def _show_image(
        self, part: Tensor, corner: Tensor, window: Tensor, turned: Tensor, seed: Tensor
    ) -> Tensor:
        mean, std = self._normalization.mean, self._normalization.std
        if not self._settings.photometric:
            shown = self._resize_plain(part, corner, window)
            return self._turn(preprocess.normalize_image(shown, mean, std), turned)
        # Colours change pixel by pixel, so that only the visible part needs it. Normalising before resizing
        # has the same result, costs nothing in the same pass, and mostly makes the fill zero.
        if self._settings.mirror or self._settings.flip:
            part, corner, window = windows.turn_part(part, corner, window, turned[1], turned[0])
        part = colors.distort_colors(
            part, seed, self._settings.photometric, self._settings.clip_colors, mean, std
        )
        fill = [(color - m) / s for color, m, s in zip(FILL_COLOR, mean, std, strict=True)]
        return windows.resize_part(part, corner, window, self._input_size, fill)

    def _resize_plain(self, part: Tensor, corner: Tensor, window: Tensor) -> Tensor:
        """Resize a window whose colours stay: float32 [height, width, 3] of the input, 0..255."""
        if self._keep_aspect:  # to the bit what a prediction sees
            canvas = window - tf.tile(corner, [2])
            return preprocess.resize_canvas(part, canvas, self._input_size, FILL_COLOR)
        return windows.resize_part(tf.cast(part, tf.float32), corner, window, self._input_size, FILL_COLOR)

    def _choose_rows(self, boxes: Tensor, candidate: Tensor, is_crowd: Tensor) -> Tensor:
        """Choose the rows of boxes [R, 4] that become labels, int32 [M]: objects first, then crowds."""
        sides = boxes[:, 2:] - boxes[:, :2]
        pixels = sides * tf.constant(self._input_size, tf.float32)
        kept = candidate & tf.reduce_all(pixels > self._settings.min_box_side, axis=-1)
        area = tf.reduce_prod(sides, axis=-1)
        # An area is at most 1: objects rank before crowds, the largest first, and what is left out last.
        rank = tf.where(kept, tf.cast(is_crowd, tf.float32) * 2.0 - area, 4.0)  # [R]
        count = tf.minimum(tf.reduce_sum(tf.cast(kept, tf.int32)), self._num_instances)
        rows = tf.sort(tf.argsort(rank, stable=True)[:count])
        return tf.gather(rows, tf.argsort(tf.cast(tf.gather(is_crowd, rows), tf.int32), stable=True))

    def _show_masks(
        self, record: decoder.Record, rows: Tensor, transpose: Tensor, window: Tensor, turned: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode and show masks, [M, h, w] as `mask_target` says; and the classes', bool [h3, w3, C-1]."""
        classes, is_crowd = tf.gather(record["classes"], rows), tf.gather(record["is_crowd"], rows)

        def show_planes() -> tuple[Tensor, Tensor]:
            planes = decoder.read_planes(record)
            planes = self._exchange_axes(planes, transpose, axis=1)
            channels = tf.where(is_crowd, -1, classes - 1)
            masks, united = mask_planes.show_planes(planes, rows, channels, window, turned, self._layout)
            if masks is None:
                masks = mask_coverage.cover_planes(planes, rows, window, turned, self._mask_size)
            return masks, united

        def show_files() -> tuple[Tensor, Tensor]:
            masks, wide = self._show_mask_files(record, rows, transpose, window)
            united = self._unite_masks(wide, classes, is_crowd)
            return self._turn(masks, turned, axis=1), self._turn(united, turned)

        shown: tuple[Tensor, Tensor] = tf.cond(decoder.has_planes(record), show_planes, show_files)
        return shown

    def _show_mask_files(
        self, record: decoder.Record, rows: Tensor, transpose: Tensor, window: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode and show masks stored each by itself: [M, h, w] and bool [M, h3, w3], not yet turned.

        One goes after the other, cut to its content: large masks need memory for one of them only.
        """
        plans = [windows.plan_grid(window, self._input_size, grid) for grid in self._grids]

        def show_one(encoded: Tensor) -> tuple[Tensor, ...]:
            mask = self._exchange_axes(decoder.decode_mask(encoded, record["size"]), transpose)
            content, corner = windows.cut_mask(mask)
            content = content[tf.newaxis]  # [1, height, width]; [0] makes grids of what comes of it.
            wide = windows.sample_masks(content, corner, plans[1])[0]
            if not self._covers:
                return windows.sample_masks(content, corner, plans[0])[0], wide
            moved = window - tf.tile(corner, [2])
            only, unturned = tf.constant([0]), tf.constant([False, False])
            return mask_coverage.cover_planes(content, only, moved, unturned, self._mask_size)[0], wide

        signature = (tf.TensorSpec(self._grids[0], self._mask_dtype), tf.TensorSpec(self._grids[1], tf.bool))
        masks = tf.gather(record["masks"], rows)  # [M]
        shown: tuple[Tensor, Tensor] = tf.map_fn(show_one, masks, fn_output_signature=signature)
        return shown

    def _unite_masks(self, masks: Tensor, classes: Tensor, is_crowd: Tensor) -> Tensor:
        """Unite the masks of each class, crowds left out: bool [h3, w3, C-1]."""
        members = tf.one_hot(tf.where(is_crowd, -1, classes - 1), self._num_classes - 1)
        cells = tf.reshape(tf.cast(masks, tf.float32), [-1, self._semantic_size[0] * self._semantic_size[1]])
        counts = tf.matmul(cells, members, transpose_a=True)
        return tf.reshape(counts > 0.5, [*self._semantic_size, self._num_classes - 1])

    def _pad(self, values: Tensor) -> Tensor:
        """Add zero rows up to N."""
        missing = self._num_instances - tf.shape(values)[0]
        return tf.pad(values, [[0, missing], *([0, 0] for _ in values.shape[1:])])

    def _set_shapes(self, labels: schema.Labels) -> schema.Labels:
        labels["boxes"] = tf.ensure_shape(labels["boxes"], [self._num_instances, 4])
        labels["classes"] = tf.ensure_shape(labels["classes"], [self._num_instances])
        labels["is_crowd"] = tf.ensure_shape(labels["is_crowd"], [self._num_instances])
        labels["masks"] = tf.ensure_shape(labels["masks"], [self._num_instances, *self._mask_size])
        semantic_shape = [*self._semantic_size, self._num_classes - 1]
        labels["semantic_masks"] = tf.ensure_shape(labels["semantic_masks"], semantic_shape)
        return labels
