"""Makes the sinks that the user asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from official_yolact.serving import shots
from official_yolact.serving.sinks import annotated
from official_yolact.serving.sinks import drawn
from official_yolact.serving.sinks import entries
from official_yolact.serving.sinks import pixels
from official_yolact.serving.sinks import sink
from official_yolact.serving.sinks import streamed
from official_yolact_runtime import categories as categories_lib


@dataclasses.dataclass(frozen=True)
class _Made:
    """What sinks are made of."""

    place: sink.Place
    photos: annotated.Photos
    sources: Sequence[shots.Source]
    categories: categories_lib.Categories
    mask_format: str

    def stems(self, is_video: bool) -> list[str]:
        return [one.stem for one in self.sources if one.is_video == is_video]


_KINDS: dict[str, Callable[[_Made], sink.Sink]] = {
    "pictures": lambda made: drawn.Pictures(made.place, made.stems(False)),
    "video": lambda made: drawn.Videos(made.place, made.stems(True)),
    "frames": lambda made: drawn.Frames(made.place),
    "predictions": lambda made: streamed.Predictions(made.place, made.mask_format),
    "lines": lambda made: streamed.Lines(made.place, made.mask_format),
    "table": lambda made: streamed.Table(made.place),
    "labels": lambda made: pixels.Labels(made.place),
    "labelme": lambda made: annotated.Labelme(made.place, made.photos),
    "coco": lambda made: annotated.CocoFile(made.place, made.photos, made.categories),
    "cutouts": lambda made: pixels.Cutouts(made.place),
}


def make_sinks(
    kinds: Sequence[str],
    place: sink.Place,
    sources: Sequence[shots.Source],
    categories: categories_lib.Categories,
    mask_format: str = entries.RUN_LENGTHS,
) -> list[sink.Sink]:
    """Make sinks, after checking that nothing is lost by what they will write.

    Args:
      kinds: names of `cli.source_options.KINDS`.
      place: where they write.
      sources: that are read.
      categories: of the model.
      mask_format: one of `entries.MASK_FORMATS`.

    Raises:
      ValueError: something would be lost; names the file and the cure.
    """
    made = _Made(place, annotated.Photos(place), sources, categories, mask_format)
    return [_KINDS[kind](made) for kind in dict.fromkeys(kinds)]
