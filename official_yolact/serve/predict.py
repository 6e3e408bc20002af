"""`/v1/predict`: a picture in, objects out, as JSON or drawn."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Sequence

from PIL import Image

from official_yolact.serve import bodies
from official_yolact.serve import pictures
from official_yolact.serve import workers
from official_yolact_runtime import mask_forms
from official_yolact_runtime import predictor

JPEG, JSON = "image/jpeg", "application/json"
_QUALITY = 92


@dataclasses.dataclass(frozen=True)
class Options:
    """What a client asked for.

    Attributes:
      threshold: objects below this score are left out.
      max_detections: the best so many are given.
      masks: their form, one of `mask_forms.FORMS`.
      is_drawn: whether the answer is a picture.
    """

    threshold: float = predictor.SCORE_THRESHOLD
    max_detections: int = predictor.MAX_DETECTIONS
    masks: str = mask_forms.RLE
    is_drawn: bool = False


@dataclasses.dataclass(frozen=True)
class Prediction:
    """See `workers.Work`.

    Attributes:
      body: of the request.
      content_type: of the body.
      options: of the request.
      max_pixels: of the picture.
    """

    body: bytes
    content_type: str
    options: Options
    max_pixels: int

    def read(self, model: predictor.Predictor) -> Sequence[workers.Picture]:
        """Read the picture."""
        data = bodies.find_picture(self.body, self.content_type)
        return [pictures.decode(model, data, self.max_pixels)]

    def answer(
        self, model: predictor.Predictor, found: Sequence[tuple[workers.Picture, workers.Row]]
    ) -> workers.Answer:
        """Write JSON, or draw the objects."""
        ((image, row),) = found
        detections = model.finish(image, row, self.options.threshold, self.options.max_detections)
        if not self.options.is_drawn:
            content = detections.to_json(self.options.masks).encode()
            return workers.Answer(content, JSON, detections=len(detections))
        buffer = io.BytesIO()
        Image.fromarray(detections.draw()).save(buffer, "JPEG", quality=_QUALITY)
        return workers.Answer(buffer.getvalue(), JPEG, detections=len(detections))


def wants_jpeg(accept: str) -> bool:
    """Tell whether a client asks for a picture rather than for JSON.

    Args:
      accept: the header, as in `image/jpeg`, or `application/json;q=0.5, image/*`.
    """
    ranks = {JPEG: 0.0, JSON: 0.0}
    for word in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in word.split(";"))
        qualities = [found[1] for one in parameters if (found := re.fullmatch(r"q=([01](?:\.\d*)?)", one))]
        quality = float(qualities[0]) if qualities else 1.0
        for name, rank in ranks.items():
            if kind in (name, f"{name.partition('/')[0]}/*"):
                ranks[name] = max(rank, quality)
    return ranks[JPEG] > ranks[JSON]
