"""What a reader of another format wrote."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
      images: number of images, those without objects included.
      instances: number of annotations.
      classes: number of classes.
      images_dir: folder that the file names are relative to, for `yolact data convert --images`.
      skipped: what was left out, by reason.
    """

    images: int
    instances: int
    classes: int
    images_dir: str
    skipped: dict[str, int]
