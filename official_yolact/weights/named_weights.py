"""Published weights that have a name here: what they fit, and where their file is."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping

COLLECTIONS = ("imagenet", "yolact")
"""What a name begins with: a backbone trained on ImageNet, or a whole model of the original's authors."""

WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Widths of MobileNetV2 of which weights are published."""

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2"
_TORCHVISION = "https://download.pytorch.org/models"
_AUTHOR = "https://huggingface.co/dbolya"
_KERAS_LICENCE = "Apache-2.0 (Keras Applications); trained on ImageNet"
_TORCHVISION_LICENCE = "BSD-3-Clause (torchvision); trained on ImageNet"
_DARKNET_LICENCE = "public domain (Darknet), converted by the authors of YOLACT; trained on ImageNet"
_AUTHOR_LICENCE = "MIT (dbolya/yolact); trained on COCO"
_RESNET50 = (
    "yolact_resnet50_coco",
    "yolact_plus_resnet50_coco",
    "yolact_resnet50_pascal",
    "yolact_next_resnet50_coco",
)
_RESNET101 = (
    "yolact_resnet101_coco",
    "yolact_im700_coco",
    "yolact_im400_coco",
    "yolact_plus_resnet101_coco",
)
_TORCH_MEAN, _TORCH_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_AUTHOR_MEAN, _AUTHOR_STD = (123.68, 116.78, 103.94), (58.40, 57.12, 57.38)


@dataclasses.dataclass(frozen=True)
class NamedWeights:
    """Weights that can be asked for by name.

    Attributes:
      name: such as `imagenet/resnet50`.
      url: of the file.
      size: of the file in bytes; where `is_size_exact` is False, a figure for people.
      sha256: of the file, or the digits that it begins with; empty: none is known.
      licence: as the source states it, and what the weights were trained on.
      modules: `backbone`, or `all` for a whole model.
      experiments: those that have this backbone, or are this model.
      backbone: `type` of `task.model.backbone` that the weights fit.
      settings: of that backbone, which must be the same.
      mean: of the pixels that they were trained with, RGB.
      std: the same.
      epsilon: of the batch norms.
      is_size_exact: whether the file must have this size. Without a sum it need not: the same weights that
        are stored anew have another one, and every tensor is checked anyway.
    """

    name: str
    url: str
    size: int
    sha256: str
    licence: str
    modules: str
    experiments: tuple[str, ...]
    backbone: str
    settings: Mapping[str, object]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    epsilon: float
    is_size_exact: bool = False

    @property
    def file_name(self) -> str:
        """The file's name, in the cache and on a mirror too."""
        return self.url.rpartition("/")[2]

    def describe_backbone(self) -> str:
        """Say what backbone the weights fit."""
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"{self.backbone} ({settings})"


def _mobilenet(width: float, size: int, sha256: str = "", is_size_exact: bool = False) -> NamedWeights:
    return NamedWeights(
        name="imagenet/mobilenetv2" if width == 1.0 else f"imagenet/mobilenetv2-{width:g}",
        url=f"{_KERAS}/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_224_no_top.h5",
        size=size,
        sha256=sha256,
        licence=_KERAS_LICENCE,
        modules="backbone",
        experiments=("yolact_mobilenetv2_coco", "yolact_next_mobilenetv2_coco"),
        backbone="mobilenet",
        settings={"model_id": "MobileNetV2", "filter_size_scale": width},
        mean=(127.5, 127.5, 127.5),
        std=(127.5, 127.5, 127.5),
        epsilon=1e-3,
        is_size_exact=is_size_exact,
    )


def _resnet(depth: int, file: str, size: int, sha256: str, is_size_exact: bool = False) -> NamedWeights:
    return NamedWeights(
        name=f"imagenet/resnet{depth}",
        url=f"{_TORCHVISION}/{file}",
        size=size,
        sha256=sha256,
        licence=_TORCHVISION_LICENCE,
        modules="backbone",
        experiments=_RESNET50 if depth == 50 else _RESNET101,
        backbone="yolact_resnet",
        settings={"depth": depth},
        mean=_TORCH_MEAN,
        std=_TORCH_STD,
        epsilon=1e-5,
        is_size_exact=is_size_exact,
    )


def _author(model: str, size: int, sha256: str = "", is_size_exact: bool = False) -> NamedWeights:
    """Describe a published model; the author's name for ResNet-101 is `base`."""
    depth = 50 if model.endswith("resnet50") else 101
    is_darknet = model == "darknet53"
    author = model.replace("resnet101", "base")
    repository, file = f"yolact-{author.replace('_', '-')}", f"yolact_{author}_54_800000.pth"
    return NamedWeights(
        name=f"yolact/{model}",
        url=f"{_AUTHOR}/{repository}/resolve/main/{file}",
        size=size,
        sha256=sha256,
        licence=_AUTHOR_LICENCE,
        modules="all",
        experiments=(f"yolact_{model}_coco",),
        backbone="yolact_darknet" if is_darknet else "yolact_resnet",
        settings={"depth": 53 if is_darknet else depth},
        mean=(0.0, 0.0, 0.0) if is_darknet else _AUTHOR_MEAN,
        std=(255.0, 255.0, 255.0) if is_darknet else _AUTHOR_STD,
        epsilon=1e-5,
        is_size_exact=is_size_exact,
    )


_DARKNET = NamedWeights(
    name="imagenet/darknet53",
    url=f"{_AUTHOR}/yolact-initial-weights/resolve/main/darknet53.pth",
    size=162_000_000,
    sha256="",
    licence=_DARKNET_LICENCE,
    modules="backbone",
    experiments=("yolact_darknet53_coco",),
    backbone="yolact_darknet",
    settings={"depth": 53},
    mean=(0.0, 0.0, 0.0),
    std=(255.0, 255.0, 255.0),
    epsilon=1e-5,
)

# Source: torchvision's file names have the first 8 digits of their sha256. The whole sums, and that of Keras'
# MobileNetV2 0.35, are what projects that use the files have recorded. The sum of yolact_resnet50 is that
# of OpenVINO's model zoo. A size that is not exact is that of the variables, or what people have reported.
ENTRIES: dict[str, NamedWeights] = {
    entry.name: entry
    for entry in (
        _mobilenet(0.35, 2_019_640, "df1c3db1d0d9193719c4c70f707c56f7021f999f825bdc57454c275cf6def19f", True),
        _mobilenet(0.5, 3_200_000),
        _mobilenet(0.75, 5_900_000),
        _mobilenet(1.0, 9_406_464),
        _mobilenet(1.3, 15_440_000),
        _mobilenet(1.4, 17_830_000),
        _resnet(
            50,
            "resnet50-0676ba61.pth",
            102_530_333,
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            True,
        ),
        _resnet(
            101,
            "resnet101-63fe2227.pth",
            178_800_000,
            "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
        ),
        _DARKNET,
        _author(
            "resnet50", 127_300_392, "c12bb7a7e0343281db7f1407b376970bb52651f121d0b60bc4a49207acb6d6d7", True
        ),
        _author("resnet101", 203_400_000),
        _author("darknet53", 194_000_000),
        _author("im700", 203_400_000),
        _author("plus_resnet50", 135_300_000),
        _author("plus_resnet101", 210_900_000),
    )
}
"""By name."""

_AUTHORS_NAMES = {"yolact/base": "yolact/resnet101", "yolact/plus_base": "yolact/plus_resnet101"}


def is_name(text: str) -> bool:
    """Tell whether a text is meant as a name of weights: a file or folder of that path comes first."""
    collection, separator, _ = text.partition("/")
    if not separator or collection not in COLLECTIONS:
        return False
    return not os.path.exists(text) and not os.path.exists(f"{text}.index")


def find(name: str) -> NamedWeights:
    """Find weights by their name.

    Raises:
      ValueError: nothing is called so; the message has the nearest names and all names.
    """
    entry = ENTRIES.get(_AUTHORS_NAMES.get(name, name))
    if entry is not None:
        return entry
    near = difflib.get_close_matches(name, ENTRIES, n=2)
    hint = f": did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"no weights are called {name!r}{hint}; known are {', '.join(ENTRIES)}")


def choose_modules(checkpoint: str, modules: str) -> str:
    """Say what of a checkpoint is loaded: of a name of a backbone, the backbone whatever `modules` says.

    Args:
      checkpoint: `task.init_checkpoint`.
      modules: `task.init_checkpoint_modules`.
    """
    if checkpoint and is_name(checkpoint):
        entry = ENTRIES.get(_AUTHORS_NAMES.get(checkpoint, checkpoint))
        if entry is not None and entry.modules == "backbone":
            return "backbone"
    return modules


def for_experiment(experiment: str, width: float = 1.0) -> str | None:
    """Name the ImageNet weights of an experiment's backbone.

    Args:
      experiment: registered name.
      width: `filter_size_scale` of a MobileNet.

    Returns:
      The name; None: none are published.
    """
    return next(
        (
            entry.name
            for entry in ENTRIES.values()
            if entry.modules == "backbone"
            and experiment in entry.experiments
            and entry.settings.get("filter_size_scale", 1.0) == width
        ),
        None,
    )
