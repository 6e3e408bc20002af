"""Keys and shapes of the original's state dicts, restated from its layout without our model.

Importable as the fixture `original_keys`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

RESNET_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
DARKNET_BLOCKS = (1, 2, 8, 8, 4)
DEFORMABLE = {
    50: [(1, b) for b in range(4)] + [(2, b) for b in range(6)] + [(3, b) for b in range(3)],
    101: [(1, 0), (1, 3), *((2, b) for b in range(0, 23, 3)), (3, 0)],
}
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def conv(key: str, out: int, inp: int, side: int, bias: bool = True) -> Shapes:
    yield f"{key}.weight", (out, inp, side, side)
    if bias:
        yield f"{key}.bias", (out,)


def norm(key: str, channels: int) -> Shapes:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{key}.{part}", (channels,)
    yield f"{key}.num_batches_tracked", ()


def resnet(depth: int, deformable: bool = False, stage: str = "layers.{}") -> Shapes:
    """Keys without prefix; `stage` names a stage by its number (torchvision counts from 1: pass a name)."""
    yield from conv("conv1", 64, 3, 7, bias=False)
    yield from norm("bn1", 64)
    inp = 64
    for s, blocks in enumerate(RESNET_BLOCKS[depth]):
        width = 64 * 2**s
        for b in range(blocks):
            key = f"{stage.format(s)}.{b}"
            special = deformable and (s, b) in DEFORMABLE[depth]
            yield from conv(f"{key}.conv1", width, inp, 1, bias=False)
            yield from norm(f"{key}.bn1", width)
            yield from conv(f"{key}.conv2", width, width, 3, bias=special)
            if special:
                yield from conv(f"{key}.conv2.conv_offset_mask", 27, width, 3)
            yield from norm(f"{key}.bn2", width)
            yield from conv(f"{key}.conv3", 4 * width, width, 1, bias=False)
            yield from norm(f"{key}.bn3", 4 * width)
            if b == 0:
                yield from conv(f"{key}.downsample.0", 4 * width, inp, 1, bias=False)
                yield from norm(f"{key}.downsample.1", 4 * width)
            inp = 4 * width


def torchvision_resnet(depth: int) -> Shapes:
    """A classifier's keys: stages are layer1 to layer4, and there is `fc`."""
    for key, shape in resnet(depth):
        parts = key.split(".")
        if parts[0] == "layers":
            parts[:2] = [f"layer{int(parts[1]) + 1}"]
        yield ".".join(parts), shape
    yield "fc.weight", (1000, 2048)
    yield "fc.bias", (1000,)


def darknet() -> Shapes:
    yield from conv("_preconv.0", 32, 3, 3, bias=False)
    yield from norm("_preconv.1", 32)
    for s, blocks in enumerate(DARKNET_BLOCKS):
        narrow, wide = 32 * 2**s, 64 * 2**s
        yield from conv(f"layers.{s}.0.0", wide, narrow, 3, bias=False)
        yield from norm(f"layers.{s}.0.1", wide)
        for b in range(1, blocks + 1):
            yield from conv(f"layers.{s}.{b}.conv1.0", narrow, wide, 1, bias=False)
            yield from norm(f"layers.{s}.{b}.conv1.1", narrow)
            yield from conv(f"layers.{s}.{b}.conv2.0", wide, narrow, 3, bias=False)
            yield from norm(f"layers.{s}.{b}.conv2.1", wide)


def detector(backbone: str, anchors: int = 3, num_classes: int = 81, plus: bool = False) -> Shapes:
    """Keys of a whole model; backbone: resnet50, resnet101 or darknet53."""
    if backbone == "darknet53":
        parts, inputs = darknet(), (1024, 512, 256)
    else:
        parts, inputs = resnet(int(backbone.removeprefix("resnet")), plus), (2048, 1024, 512)
    for key, shape in parts:
        yield f"backbone.{key}", shape
    for index in (0, 2, 4, 8):
        yield from conv(f"proto_net.{index}", 256, 256, 3)
    yield from conv("proto_net.10", 32, 256, 1)
    for index, inp in enumerate(inputs):
        yield from conv(f"fpn.lat_layers.{index}", 256, inp, 1)
        yield from conv(f"fpn.pred_layers.{index}", 256, 256, 3)
    for index in (0, 1):
        yield from conv(f"fpn.downsample_layers.{index}", 256, 256, 3)
    yield from conv("prediction_layers.0.upfeature.0", 256, 256, 3)
    for layer, values in (("bbox", 4), ("conf", num_classes), ("mask", 32)):
        yield from conv(f"prediction_layers.0.{layer}_layer", anchors * values, 256, 3)
    yield from conv("semantic_seg_conv", num_classes - 1, 256, 1)
    if plus:
        inp = 1
        for index, out in zip((0, 2, 4, 6, 8), (8, 16, 32, 64, 128), strict=True):
            yield from conv(f"maskiou_net.maskiou_net.{index}", out, inp, 3)
            inp = out
        yield from conv("maskiou_net.maskiou_net.10", num_classes - 1, 128, 1)


def draw(shapes: Shapes, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw tensors: small weights, statistics near those of normalised features, counters."""
    random = np.random.default_rng(seed)
    tensors = {}
    for key, shape in shapes:
        if key.endswith("num_batches_tracked"):
            tensors[key] = np.array(800_000, np.int64)
        elif key.endswith("running_var"):
            tensors[key] = random.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            tensors[key] = random.standard_normal(shape, np.float32) * np.float32(0.01)
    return tensors


def zeros(shapes: Shapes) -> dict[str, np.ndarray]:
    """Tensors that take no memory: for what looks at keys and shapes alone."""
    return {key: np.broadcast_to(np.float32(0.0), shape) for key, shape in shapes}


def count_parameters(shapes: Shapes) -> int:
    """Count as the original's `parameters()`: without statistics and counters."""
    left_out = ("running_mean", "running_var", "num_batches_tracked")
    return sum(int(np.prod(shape)) for key, shape in shapes if not key.endswith(left_out))
