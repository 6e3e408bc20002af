"""Small configurations for the tests of the network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import official_yolact.registry_imports  # noqa: F401  fills the registries
from official_yolact.configs import yolact as configs


@pytest.fixture
def small_config() -> Callable[..., configs.YolactModel]:
    """Build a config with few channels: small_config(backbone type, input size, options of the backbone)."""

    def build(
        backbone: str = "mobilenet", size: tuple[int, int] = (70, 45), **options: object
    ) -> configs.YolactModel:
        config = configs.YolactModel(num_classes=4, input_size=list(size))
        config.backbone.type = backbone
        config.backbone.get().override(options)
        config.decoder.yolact_fpn.num_filters = 16
        config.protonet.num_filters = 16
        config.protonet.num_prototypes = 5
        config.head.num_filters = 16
        return config

    return build
