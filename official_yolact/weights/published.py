"""What the published models reached on COCO, as others have stated it; nothing is measured here."""

from __future__ import annotations

import dataclasses

TEST_DEV, VAL = "COCO test-dev2017", "COCO val2017"

_PAPER = "the paper, arXiv 1904.02689"
_README = "the original's README"


@dataclasses.dataclass(frozen=True)
class Published:
    """Average precision of one model, in percent.

    Attributes:
      images: what it was measured on, `TEST_DEV` or `VAL`.
      mask_ap: COCO mask AP.
      box_ap: COCO box AP of the same network with its masks; None: it was not published.
      source: who has stated it.
      url: of the source; empty: it is a paper.
    """

    images: str
    mask_ap: float
    box_ap: float | None
    source: str
    url: str = ""


FIGURES: dict[str, tuple[Published, ...]] = {
    "yolact_resnet50_coco": (
        Published(TEST_DEV, 28.2, None, _PAPER),
        Published(VAL, 28.00, 30.69, "OpenVINO's model zoo"),
    ),
    "yolact_resnet101_coco": (
        Published(TEST_DEV, 29.8, None, _PAPER),
        Published(
            VAL,
            29.83,
            32.54,
            "the author, with the original's evaluator",
            "https://github.com/dbolya/yolact/issues/57",
        ),
    ),
    "yolact_darknet53_coco": (Published(TEST_DEV, 28.7, None, _PAPER),),
    "yolact_im700_coco": (Published(TEST_DEV, 31.2, None, _PAPER),),
    "yolact_plus_resnet50_coco": (
        Published(TEST_DEV, 34.1, None, _README),
        Published(
            VAL,
            33.69,
            34.94,
            "the original's evaluator, 4,952 images",
            "https://github.com/dbolya/yolact/issues/290",
        ),
    ),
    "yolact_plus_resnet101_coco": (Published(TEST_DEV, 34.6, None, _README),),
}
"""By the name of the experiment."""
