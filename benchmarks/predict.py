"""Time the way from a photo to 100 full-size masks, by part, each beside its plain form in the same run.

python benchmarks/predict.py [--runs 15] [--photos 250] [--threads 2]

Builds YOLACT with ResNet-50 at 550 pixels with generated weights whose class scores are spread so that a
fiftieth of the anchors are candidates, as in a photo, and looks at a drawn photo of 480 x 640 in batches of
one. Prints one JSON object. For each part: milliseconds of the clock (median) and of the processor, those of
its plain form, and their ratio, beside the bound that it is held to where it has one.

| part | as predicted | plain |
|---|---|---|
| decode | the Predictor's reader | Pillow |
| network | bfloat16, weights as constants | float32, weights as variables |
| network_float32 | float32, weights as constants | the same |
| detections | decoded boxes, suppression, masks on the grid | the same with the plain suppression |
| suppression | candidates alone, best first | all anchors of every class |
| masks | inside their windows | `tf.image.resize` of whole masks |
| run_lengths | inside their windows | pycocotools, whole masks |
| drawing | inside their windows | each mask blended over the whole photo |
| evaluator | photos of 100 detections: masks and run lengths | the same, whole |
| whole | photo to masks | all plain forms together |

`whole` is compared also with `the original, compiled`: PyTorch is not needed for it. Its parts in one
measurement on the reference machine were 137 ms for the network (torch.compile, bfloat16), 47 for detection
and 66 for masks, and ours needed 137 for the network in bfloat16 there. So here it is the time of our network
in bfloat16 of this run times (137 + 47 + 66) / 137.

`pipeline` is `yolact predict` of 24 photos to files, its steps side by side, beside one after another.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras
from PIL import Image
from pycocotools import mask as coco_mask

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.environment import precision
from official_yolact.evaluation import coco_evaluator
from official_yolact.modeling import detector as detector_lib
from official_yolact.modeling import factory
from official_yolact.ops import box_coder
from official_yolact.ops import nms
from official_yolact.serving import listing
from official_yolact.serving import pipeline
from official_yolact.serving import searching
from official_yolact.serving import tensorflow_runtime
from official_yolact.serving.sinks import choosing
from official_yolact.serving.sinks import sink
from official_yolact_runtime import categories as categories_lib
from official_yolact_runtime import photo_masks
from official_yolact_runtime import predictor as predictor_lib

EXPERIMENT, PHOTO, CANDIDATES = "yolact_resnet50_coco", (480, 640), 0.02
THE_ORIGINAL = (137 + 47 + 66) / 137
BOUNDS = {
    "suppression": 0.25,
    "masks": 0.15,
    "run_lengths": 0.15,
    "evaluator": 0.15,
    "whole": 0.5,
    "whole over the original, compiled": 0.65,
}
_PIPELINE_PHOTOS = 24


def draw_photo() -> bytes:
    """Draw blobs of colour: a JPEG file."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize(PHOTO[::-1], Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def build_network(config: Any, policy: str, weights: list[Any] | None = None) -> Any:
    """Build the network in float32 or bfloat16."""
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        model = factory.build_model(config, seed=0)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    if weights is not None:
        model.set_weights(weights)
    return model


def spread_scores(model: Any, images: Any, num_classes: int) -> None:
    """Scale the class logits as those of a photo are, with a background that most anchors show."""
    conv = model.head.class_conv
    logits = model(images, training=False)["cls_outputs"].numpy()[0].astype(np.float64)  # [A, C]
    factor = 2.0 / logits.std(axis=-1).mean()
    logits *= factor
    low, high = -20.0, 40.0
    for _ in range(30):
        background = (low + high) / 2
        shifted = np.exp(logits + background * (np.arange(num_classes) == 0))
        best = shifted[:, 1:].max(axis=-1) / shifted.sum(axis=-1)
        low, high = (background, high) if (best > 0.05).mean() > CANDIDATES else (low, background)
    conv.kernel.assign(conv.kernel * factor)
    bias = (conv.bias.numpy() * factor).reshape(-1, num_classes)
    bias[:, 0] += background
    conv.bias.assign(bias.ravel())
    # Prototypes are not negative: with coefficients above zero a mask fills much of its box.
    model.head.coefficient_conv.bias.assign(np.full(model.head.coefficient_conv.bias.shape, 0.5, np.float32))


def make_runtime(model: Any, config: Any) -> Any:
    """Wrap a network, and compile it."""
    return tensorflow_runtime.TensorFlowRuntime(detector_lib.Detector(model, config))


@tf.function(input_signature=[tf.TensorSpec([None, None, None])])
def resample_whole(masks: Any) -> Any:
    """Resample every mask to the whole photo."""

    def show(mask: Any) -> Any:
        return tf.image.resize(mask[..., tf.newaxis], PHOTO)[..., 0] > 0.5

    return tf.map_fn(show, masks, fn_output_signature=tf.bool)


def encode_whole(masks: Any) -> list[Any]:
    """Encode whole masks by pycocotools."""
    return [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]


def draw_whole(image: Any, masks: Any) -> Any:
    """Blend each mask over the whole photo."""
    canvas = image.astype(np.float32)
    for number, mask in enumerate(masks):
        color = np.array([number * 37 % 256, number * 91 % 256, number * 53 % 256], np.float32)
        canvas = np.where(mask[..., np.newaxis], 0.58 * canvas + 0.42 * color, canvas)
    return canvas.astype(np.uint8)


def measure(forms: dict[str, tuple[Callable[[], Any], Callable[[], Any]]], runs: int) -> dict[str, Any]:
    """Time each form and its plain form in turns, so that a busy moment falls on both.

    Of two calls in a row the second is timed: as in a stream of photos, what it reads is where the one before
    left it.

    Args:
      forms: by part.
      runs: of each.

    Returns:
      By part: `ms` and `plain_ms` of the clock, `processor_ms` and `plain_processor_ms`, medians; `ratio` of
      the clock, `processor_ratio`.
    """
    times: dict[tuple[str, int], list[tuple[float, float]]] = {
        (part, which): [] for part in forms for which in (0, 1)
    }
    for part, pair in forms.items():
        for _, which in itertools.product(range(runs), (0, 1)):
            pair[which]()
            clock, processor = time.perf_counter(), time.process_time()
            pair[which]()
            times[part, which].append((time.perf_counter() - clock, time.process_time() - processor))
    table = {}
    for part in forms:
        (ours, our_cpu), (plain, plain_cpu) = (
            [1e3 * statistics.median(column) for column in zip(*times[part, which], strict=True)]
            for which in (0, 1)
        )
        table[part] = {
            "ms": round(ours, 2),
            "plain_ms": round(plain, 2),
            "ratio": round(ours / plain, 3),
            "processor_ms": round(our_cpu, 2),
            "plain_processor_ms": round(plain_cpu, 2),
            "processor_ratio": round(our_cpu / plain_cpu, 3),
        }
    return table


class _Models(NamedTuple):
    """The runtime in bfloat16 where that is fast, that in float32, the plain detector, and the Predictor."""

    fast: Any
    frozen: Any
    plain: Any
    predictor: Any


def build_models(config: Any, image: Any) -> _Models:
    """Build the network in each precision, with scores as those of a photo."""
    network = build_network(config, "float32")
    plain = detector_lib.Detector(network, config)
    spread_scores(network, plain.preprocess(image[np.newaxis]), config.num_classes)
    fast = frozen = make_runtime(network, config)
    if precision.find_bfloat16_instructions():
        fast = make_runtime(build_network(config, "mixed_bfloat16", network.get_weights()), config)
    names = tuple(f"class {number}" for number in range(1, config.num_classes))
    categories = categories_lib.Categories(tuple(range(1, config.num_classes)), names)
    return _Models(fast, frozen, plain, predictor_lib.Predictor(fast, categories))


def make_evaluators(
    photos: int, categories: Any, info: Any, found: dict[str, Any], soft: Any
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Make the evaluator's update of photos with these detections, and its plain form."""
    rows = {name: value[:1] for name, value in found.items() if name != "image_info"}

    def evaluate() -> None:
        evaluator = coco_evaluator.CocoEvaluator("", categories)
        for number in range(photos):
            evaluator.update(np.array([number]), info, np.ones(1), rows)

    def evaluate_whole() -> None:
        for _ in range(photos):
            encode_whole(resample_whole(tf.constant(soft)).numpy())

    return evaluate, evaluate_whole


def make_forms(photos: int) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Build everything that is timed: the forms by part, the predictor, and what was found."""
    config = experiments.EXPERIMENTS[EXPERIMENT]().task.model
    encoded = draw_photo()
    image = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    fast, frozen, plain_detector, model = build_models(config, image)
    plain_network = tf.function(plain_detector.run_network)
    inputs, info = fast.preprocess([image]), fast.fit([image])
    raw = fast.run_network(inputs)
    boxes = box_coder.decode(raw["box_outputs"], tf.constant(factory.build_anchors(config)))
    scores = tf.nn.softmax(raw["cls_outputs"], axis=-1)[..., 1:]
    limits = config.detection_generator
    settings = (limits.score_threshold, limits.nms_iou_threshold, limits.nms_top_k, limits.max_detections)
    suppress = tf.function(lambda boxes, scores: nms.fast_nms(boxes, scores, *settings))
    suppress_plain = tf.function(lambda boxes, scores: nms.fast_nms(boxes, scores, *settings))
    generate_plain = tf.function(plain_detector.generate)
    kept = suppress(boxes, scores)
    with nms.without_branches():
        all_kept = suppress_plain(boxes, scores)
        generate_plain(raw, info)
    for ours, theirs in zip(kept, all_kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    found = model.finish(image, {k: v[0] for k, v in fast.generate(raw, info).items()}, 0.0, 100)
    soft = fast.generate(raw, info)["detection_masks"][0][: len(found)]
    drawn = resample_whole(tf.constant(soft)).numpy()

    def whole_plain() -> Any:
        read = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        pixels = plain_detector.preprocess(read[np.newaxis])
        with nms.without_branches():  # should it be traced again
            made = generate_plain(plain_network(pixels), tf.constant(info))
        return resample_whole(made["detection_masks"][0]).numpy()

    forms = {
        "decode": (
            lambda: model.read(encoded),
            lambda: np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")),
        ),
        "network": (lambda: _wait(fast.run_network(inputs)), lambda: _wait(plain_network(inputs))),
        "network_float32": (lambda: _wait(frozen.run_network(inputs)), lambda: _wait(plain_network(inputs))),
        "detections": (lambda: fast.generate(raw, info), lambda: _wait(generate_plain(raw, info))),
        "suppression": (
            lambda: _wait(suppress(boxes, scores)._asdict()),
            lambda: _wait(suppress_plain(boxes, scores)._asdict()),
        ),
        "masks": (
            lambda: photo_masks.draw(soft, info[0]),
            lambda: resample_whole(tf.constant(soft)).numpy(),
        ),
        "run_lengths": (lambda: found.to_coco(1), lambda: encode_whole(drawn)),
        "drawing": (found.draw, lambda: draw_whole(image, drawn)),
        "whole": (lambda: model(encoded, 0.0), whole_plain),
        "evaluator": make_evaluators(photos, model.categories, info, fast.generate(raw, info), soft),
    }
    facts = {
        "detections": len(found),
        "candidates": int((tf.reduce_max(scores, -1) > limits.score_threshold).numpy().sum()),
        "mask_pixels": int(drawn.sum()),
        "mask_pixels_that_differ": int((photo_masks.draw(soft, info[0]) != drawn).sum()),
        "bfloat16": precision.find_bfloat16_instructions() or "none: float32",
    }
    return forms, model, facts


def _wait(outputs: Any) -> None:
    for value in outputs.values():
        value.numpy()


def measure_pipeline(model: Any) -> dict[str, Any]:
    """Time `yolact predict` of photos to files, and the same steps one after another."""
    encoded = draw_photo()
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{number}.jpg") for number in range(_PIPELINE_PHOTOS)]
        for path in paths:
            with open(path, "wb") as file:
                file.write(encoded)

        def one_after_another() -> None:
            entries = []
            for number, path in enumerate(paths):
                found = model(path, 0.0)
                found.save(os.path.join(folder, "plain", f"{number}.jpg"), force=True)
                entries += found.to_coco(number)

        def side_by_side() -> None:
            found = listing.find_sources(paths)
            place = sink.Place(os.path.join(folder, "out"), listing.list_files(found), force=True)
            sinks = choosing.make_sinks(["pictures", "predictions"], place, found, model.categories)
            search = searching.Search(score_threshold=0.0)
            pipeline.predict(model, found, sinks, pipeline.Account(), search=search)

        os.makedirs(os.path.join(folder, "plain"))
        return measure({"pipeline": (side_by_side, one_after_another)}, 2)["pipeline"]


def judge(table: dict[str, Any]) -> dict[str, Any]:
    """Set each ratio beside its bound: by the clock, and by the processor, which counts on a busy machine."""
    compiled = "whole over the original, compiled"
    judged = {}
    for name, bound in BOUNDS.items():
        ratios = []
        for ratio, time_of in (("ratio", "ms"), ("processor_ratio", "processor_ms")):
            reference = table["network"][time_of] * THE_ORIGINAL
            over = table["whole"][time_of] / reference if name == compiled else table[name][ratio]
            ratios.append(round(over, 3))
        judged[name] = {"ratio": ratios[0], "processor_ratio": ratios[1], "bound": bound}
    return judged


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=15)
    arguments.add_argument("--photos", type=int, default=250, help="of the evaluator")
    arguments.add_argument("--threads", type=int, default=2)
    args = arguments.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    forms, model, facts = make_forms(args.photos)
    slow = {"evaluator": forms.pop("evaluator")}
    table = measure(forms, args.runs) | measure(slow, 1)
    table["pipeline"] = measure_pipeline(model)
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "numpy": np.__version__}
    device = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    device |= {"load": round(os.getloadavg()[0], 2), "threads": args.threads}
    results = {**facts, "results": table, "bounds": judge(table)}
    print(json.dumps({"versions": versions, "device": device, **results}, indent=1))


if __name__ == "__main__":
    main()
