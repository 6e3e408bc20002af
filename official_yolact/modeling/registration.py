"""The names under which Model Garden finds our backbones and decoder."""

from __future__ import annotations

import functools
from typing import Any

from official.vision.modeling import backbones as _backbones  # noqa: F401  registers Model Garden's
from official.vision.modeling.backbones import factory as backbone_factory
from official.vision.modeling.decoders import factory as decoder_factory
from official_yolact.modeling.decoders import yolact_fpn


@functools.cache
def register() -> None:
    """Register what a model is built from; the first call of a process does so."""
    backbone_factory.register_backbone_builder("yolact_resnet")(_build_resnet)
    backbone_factory.register_backbone_builder("yolact_darknet")(_build_darknet)
    decoder_factory.register_decoder_builder("yolact_fpn")(yolact_fpn.build_yolact_fpn)


def _build_resnet(*args: Any, **kwargs: Any) -> Any:
    from official_yolact.modeling.backbones import yolact_resnet

    return yolact_resnet.build_yolact_resnet(*args, **kwargs)


def _build_darknet(*args: Any, **kwargs: Any) -> Any:
    from official_yolact.modeling.backbones import yolact_darknet

    return yolact_darknet.build_yolact_darknet(*args, **kwargs)
