"""What a conversion left out and changed, counted and by id."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from official_yolact.coco import inspection


@dataclasses.dataclass
class Tally:
    """Counts by reason.

    Attributes:
      images: ids of images that were left out, by reason.
      annotations: ids of annotations that were left out, by reason; those of such images included.
      changed: number of things that are written otherwise than the file has them, by kind.
      seen: what is unusual about what was written.
    """

    images: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    annotations: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    changed: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    seen: inspection.Seen = dataclasses.field(default_factory=inspection.Seen)

    def skip_image(self, reason: str, image_id: int) -> None:
        """Note an image that is left out."""
        self.images.setdefault(reason, []).append(image_id)

    def skip_annotation(self, reason: str, annotation_id: int) -> None:
        """Note an annotation that is left out."""
        self.annotations.setdefault(reason, []).append(annotation_id)

    def add(self, other: Tally) -> None:
        """Add what another tally noted."""
        for mine, theirs in ((self.images, other.images), (self.annotations, other.annotations)):
            for reason, ids in theirs.items():
                mine.setdefault(reason, []).extend(ids)
        self.changed.update(other.changed)
        self.seen.add(other.seen)

    def to_dict(self) -> dict[str, Any]:
        """Return the content for JSON: sorted, without zeros."""
        return {
            "images": {reason: sorted(self.images[reason]) for reason in sorted(self.images)},
            "annotations": {reason: sorted(self.annotations[reason]) for reason in sorted(self.annotations)},
            "changed": {kind: count for kind, count in sorted(self.changed.items()) if count},
            "seen": self.seen.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Tally:
        """Read what `to_dict` returned."""
        changed = collections.Counter(content["changed"])
        seen = inspection.Seen.from_dict(content["seen"])
        return cls(content["images"], content["annotations"], changed, seen)


def count(ids: Mapping[str, list[int]]) -> dict[str, int]:
    """Count by reason."""
    return {reason: len(listed) for reason, listed in sorted(ids.items())}
