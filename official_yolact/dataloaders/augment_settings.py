"""The augmentation that a config section asks for, with every number decided."""

from __future__ import annotations

import dataclasses

from official_yolact.configs import yolact as configs


@dataclasses.dataclass(frozen=True)
class AugmentSettings:
    """What is done to a training image; the probabilities and ranges are all concrete.

    Attributes:
      photometric: probability of each photometric part.
      clip_colors: bring pixels back to 0..255 afterwards.
      expand: probability of a larger canvas.
      max_expand_ratio: largest side of the canvas over the image's.
      sample_crop: cut a random part.
      min_crop_side: smallest side of the part over the canvas's.
      min_scale: smallest size of objects in a window of the image's aspect ratio, over their size in
        the image.
      max_scale: largest.
      crop_origin: first pixel that the corner of the part may have.
      mirror: probability of a left-right flip.
      flip: probability of an upside-down flip.
      transpose: probability that rows and columns change places.
      min_box_side: boxes not wider or not higher than so many input pixels are dropped.
      copy_paste: probability that objects of another photo are pasted.
      mosaic: probability that four photos are shown in one, which gets no pasted objects.
      keep_aspect: widen each window to the proportions of the input.
    """

    photometric: float
    clip_colors: bool
    expand: float
    max_expand_ratio: float
    sample_crop: bool
    min_crop_side: float
    min_scale: float
    max_scale: float
    crop_origin: float
    mirror: float
    flip: float
    transpose: float
    min_box_side: float
    copy_paste: float
    mosaic: float
    keep_aspect: bool = False

    @property
    def mixes(self) -> bool:
        """Whether photos are made of several records."""
        return self.copy_paste > 0 or self.mosaic > 0

    @property
    def scales(self) -> bool:
        """Whether `min_scale` and `max_scale` take the place of expanding and cropping."""
        return (self.min_scale, self.max_scale) != (1.0, 1.0)


_DEFAULT = AugmentSettings(
    photometric=0.5,
    clip_colors=True,
    expand=0.5,
    max_expand_ratio=4.0,
    sample_crop=True,
    min_crop_side=0.3,
    min_scale=1.0,
    max_scale=1.0,
    crop_origin=0.0,
    mirror=0.5,
    flip=0.0,
    transpose=0.0,
    min_box_side=4.0,
    copy_paste=0.0,
    mosaic=0.0,
)

PRESETS = {
    "default": _DEFAULT,
    # The original compares pixels with a limit that is meant for relative sides (4/550), starts
    # crops at pixel 1 and lets colours leave 0..255.
    "paper": dataclasses.replace(_DEFAULT, clip_colors=False, crop_origin=1.0, min_box_side=4.0 / 550.0),
    "none": dataclasses.replace(
        _DEFAULT,
        photometric=0.0,
        clip_colors=False,
        expand=0.0,
        sample_crop=False,
        mirror=0.0,
        min_box_side=0.0,
    ),
}
"""Settings by preset name."""


def resolve_augment(
    config: configs.Augment, is_training: bool = True, keep_aspect: bool = False
) -> AugmentSettings:
    """Decide every number: the preset's, overridden by the fields that are not None.

    Args:
      config: the config section.
      is_training: False gives `none`, whatever the section says.
      keep_aspect: as the model's section has it.

    Returns:
      The settings.

    Raises:
      ValueError: no such preset.
    """
    if not is_training:
        return dataclasses.replace(PRESETS["none"], keep_aspect=keep_aspect)
    if config.preset not in PRESETS:
        raise ValueError(f"augment.preset={config.preset!r}: one of {', '.join(sorted(PRESETS))}")
    fields = {field.name for field in dataclasses.fields(AugmentSettings)}
    given = {name: value for name, value in config.as_dict().items() if name in fields and value is not None}
    return dataclasses.replace(PRESETS[config.preset], keep_aspect=keep_aspect, **given)
