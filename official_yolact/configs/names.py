"""The names under which experiments can be asked for: ours, and the original's."""

from __future__ import annotations

import difflib

from official_yolact.configs import experiments

# The original's config of each published model, and the experiment that is the same here.
ORIGINAL_NAMES: dict[str, str] = {
    "yolact_base": "yolact_resnet101_coco",
    "yolact_resnet50": "yolact_resnet50_coco",
    "yolact_darknet53": "yolact_darknet53_coco",
    "yolact_im700": "yolact_im700_coco",
    "yolact_im400": "yolact_im400_coco",
    "yolact_plus_base": "yolact_plus_resnet101_coco",
    "yolact_plus_resnet50": "yolact_plus_resnet50_coco",
    "yolact_resnet50_pascal": "yolact_resnet50_pascal",
}
_SUFFIX = "_config"
_NUM_SUGGESTIONS = 3


def resolve_name(name: str) -> str:
    """Find the experiment that a name means.

    Args:
      name: a registered experiment, or a config of the original with or without its `_config`.

    Returns:
      The registered name.

    Raises:
      ValueError: nothing is called so; the message has the nearest names and all experiments.
    """
    if name in experiments.EXPERIMENTS:
        return name
    original = name.removesuffix(_SUFFIX)
    if original in ORIGINAL_NAMES:
        return ORIGINAL_NAMES[original]
    known = [*experiments.EXPERIMENTS, *ORIGINAL_NAMES]
    near = difflib.get_close_matches(name, known, n=_NUM_SUGGESTIONS)
    hint = f": did you mean {' or '.join(map(repr, dict.fromkeys(near)))}?" if near else ""
    raise ValueError(
        f"unknown experiment {name!r}{hint}; known are {sorted(experiments.EXPERIMENTS)},"
        f" and the original's names {sorted(ORIGINAL_NAMES)}"
    )
