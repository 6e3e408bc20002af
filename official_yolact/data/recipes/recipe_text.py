"""A recipe as a commented YAML file."""

from __future__ import annotations

import json
import math
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from official_yolact.data.recipes import recipe as recipe_lib

_WIDTH = 106
_RUN = "runs/mine"


def format_recipe(recipe: recipe_lib.Recipe, commands: Sequence[str]) -> str:
    """Write the file.

    Args:
      recipe: what was decided.
      commands: to run next, for the header.

    Returns:
      YAML for `configs.loading.load_config`; every value that was decided is explained.
    """
    lines = [
        *_format_header(recipe, commands),
        *_format_runtime(recipe),
        "task:",
        *_format_start(recipe),
        *_format_model(recipe),
        *_format_data(recipe),
        *_format_trainer(recipe),
    ]
    return "\n".join(lines) + "\n"


def list_commands(
    recipe: recipe_lib.Recipe, config: str, sources: Sequence[tuple[str, str, str]]
) -> list[str]:
    """List what to run next.

    Args:
      recipe: what was decided.
      config: path of the YAML file.
      sources: (split, annotations, image folder) of each split.

    Returns:
      Command lines, quoted for a shell.
    """
    lines = [
        ["yolact", "data", "convert", path, "--images", images, "--output", recipe.records, "--split", split]
        for split, path, images in sources
    ]
    lines.append(["yolact", "data", "show", config, "--output", "look"])
    lines.append(["yolact", "train", config, f"--model_dir={_RUN}"])
    _, path, images = sources[-1]
    lines.append(["yolact", "eval", _RUN, "--images", images, "--annotations", path])
    lines.append(["yolact", "predict", _RUN, images, "--output", "out"])
    return [shlex.join(words) for words in lines]


def describe_choices(recipe: recipe_lib.Recipe, minutes: float) -> list[str]:
    """Say what is trained, from what, and how long; the arguments are those of `describe_times`."""
    size = "x".join(map(str, recipe.grid.input_size))
    start = recipe.init_checkpoint or "random weights"
    lines = [
        f"{recipe.experiment} at {size}, from {start}; {recipe.epochs} epochs in batches of {recipe.batch}"
    ]
    if recipe.own is not None and recipe.own.names:
        plain = {name.casefold() for name in recipe.own.names}
        new = [name for name in recipe.categories.names if name.casefold() not in plain]
        known = len(recipe.categories.names) - len(new)
        lines.append(
            f"{known} of the {len(recipe.categories.names)} classes are known to that model"
            + (
                f"; new: {', '.join(map(_printable, new[:8]))}{', ...' if len(new) > 8 else ''}"
                if new
                else ""
            )
        )
    return [*lines, *describe_times(recipe, minutes)]


def describe_times(recipe: recipe_lib.Recipe, minutes: float) -> list[str]:
    """Say how long the training takes, and what would change that.

    Args:
      recipe: what was decided.
      minutes: that were asked for, or half an hour.

    Returns:
      Lines for people.
    """
    plan = recipe.plan
    if plan is None:
        where = f"{recipe.gpus} GPUs" if recipe.gpus else "this network"
        return [f"how long it takes was never measured with {where}: the log says it after the first steps"]
    lines = [
        f"about {format_time(plan.seconds)} on this machine ({plan.step_seconds:.2g} s a step,"
        f" {plan.steps:,} steps; {plan.evaluations} x {format_time(plan.evaluation_seconds)} to evaluate)"
        f" when nothing else runs on it"
    ]
    if plan.steps < min(recipe.wanted_steps, recipe_lib.LEAST_STEPS):
        needed = recipe_lib.LEAST_STEPS * plan.step_seconds + plan.seconds - plan.steps * plan.step_seconds
        lines.append(
            f"{plan.steps} steps teach little: `--minutes {math.ceil(needed / 57)}` fits"
            f" {recipe_lib.LEAST_STEPS}, or a smaller --input-size"
        )
    elif plan.seconds > 60 * minutes:
        lines.append(f"without --epochs, `--minutes {minutes:g}` fits it into {minutes:g} minutes")
    elif plan.steps < recipe.wanted_steps:
        whole = (plan.seconds + (recipe.wanted_steps - plan.steps) * plan.step_seconds) / 57
        lines.append(
            f"`--minutes {math.ceil(whole)}` shows the photos as often as is of use"
            f" ({recipe.wanted_steps:,} steps)"
        )
    return lines


def format_time(seconds: float) -> str:
    """Write a length of time as people say it."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def _format_header(recipe: recipe_lib.Recipe, commands: Sequence[str]) -> list[str]:
    kind = "A small set" if recipe.few else "A large set"
    return [
        f"# {kind}: {recipe.images} photos with {recipe.objects} objects to train on,"
        f" {recipe.val_images} photos to validate.",
        *([] if recipe.plan is None else [f"# {describe_times(recipe, 0)[0].capitalize()}."]),
        "#",
        *(f"#   {_printable(command)}" for command in commands),
        "#",
        "# Every number can be changed, here or as key=value behind `yolact train`;",
        "# `yolact config show` prints the whole configuration.",
        f"experiment: {recipe.experiment}",
        "# Learning rate, steps and intervals below are for this batch: another",
        "# task.train_data.global_batch_size scales them. 0: they stay as they are.",
        f"schedule_batch_size: {recipe.batch}",
    ]


def _format_runtime(recipe: recipe_lib.Recipe) -> list[str]:
    lines = ["runtime:"]
    if recipe.gpus:
        lines += ["  distribution_strategy: mirrored", f"  num_gpus: {recipe.gpus}"]
    else:
        lines += [
            "  # No GPU was found; with one: mirrored, and num_gpus: 1.",
            "  distribution_strategy: one_device",
        ]
    if recipe.bfloat16:
        lines += [
            "  # Half of the memory, and faster on GPUs and on CPUs with AMX or AVX-512 BF16; else: float32.",
            "  mixed_precision_dtype: bfloat16",
        ]
    return lines


def _format_start(recipe: recipe_lib.Recipe) -> list[str]:
    if recipe.init_checkpoint:
        start = [
            f"  init_checkpoint: {_quote(recipe.init_checkpoint)}",
            "  # backbone: only its weights are read; all: whatever fits of a whole model.",
        ]
    else:
        start = [
            "  # Random weights need far more photos and steps than imported ones. Name weights, such as",
            "  # imagenet/mobilenetv2, or a directory that `yolact import-weights` or a training made.",
        ]
    start.append(f"  init_checkpoint_modules: {recipe.init_modules}")
    if recipe.adapts_backbone:
        start += [
            "  # What the backbone knows changes at a tenth of the rate; new layers learn at all of it.",
            f"  backbone_learning_rate_multiplier: {recipe_lib.BACKBONE_MULTIPLIER}",
        ]
    return start


def _format_model(recipe: recipe_lib.Recipe) -> list[str]:
    grid = recipe.grid
    lines = [
        "  model:",
        *_format_classes(recipe),
        f"    # Height and width: {recipe.size_reason}.",
        f"    input_size: {list(grid.input_size)}",
        f"    min_level: {grid.min_level}",
        f"    max_level: {grid.max_level}",
        *_format_anchors(recipe),
        *_format_network(recipe),
    ]
    if recipe.own is None and (recipe.few or not recipe.init_checkpoint):
        lines += [
            "    # Starts with few objects expected, which new layers on few photos and random weights need.",
            "    class_prior: 0.01",
        ]
    if recipe.adapts_backbone:
        lines += [
            "    # What imported weights compute may be large; predictions start small all the same.",
            "    initial_output_std: 0.002",
        ]
    return [*lines, *_format_limits(recipe), *_format_freezing(recipe)]


def _format_network(recipe: recipe_lib.Recipe) -> list[str]:
    if recipe.own is not None:
        section = dict(recipe.own.section)
        if not recipe.limits.are_usual:
            limits = {"max_detections": recipe.limits.max_detections, "nms_top_k": recipe.limits.nms_top_k}
            section["detection_generator"] = {**section.get("detection_generator", {}), **limits}
        return ["    # As in the model that it goes on from.", *_nest(section, 4)] if section else []
    lines: list[str] = []
    if recipe.is_fresh:
        lines += [
            "    # Without imported weights plain convolutions learn faster than MobileNetV2, and a step",
            "    # costs less on a CPU.",
            "    backbone:",
            "      type: resnet",
            "      resnet:",
            "        model_id: 18",
            "        depth_multiplier: 0.5",
        ]
    elif recipe.network is not None and recipe.network.width != 1.0:
        lines += [
            "    # Of another width than 1, as the weights are that it starts from.",
            "    backbone:",
            "      mobilenet:",
            f"        filter_size_scale: {recipe.network.width}",
        ]
    if recipe.experiment in recipe_lib.SMALL_MODELS:
        filters = recipe.network.filters if recipe.network else recipe_lib.DEFAULT_FILTERS
        lines += [
            "    # Narrower than for COCO's 80 classes (256): faster, and enough for few classes.",
            "    decoder:",
            "      type: yolact_fpn",
            "      yolact_fpn:",
            f"        num_filters: {filters}",
            "    protonet:",
            f"      num_filters: {filters}",
            "    head:",
            f"      num_filters: {filters}",
        ]
    return lines


def _format_limits(recipe: recipe_lib.Recipe) -> list[str]:
    limits, lines = recipe.limits, []
    if recipe.own is not None:
        return []
    if not limits.are_usual:
        lines += [
            *_comment(
                f"The fullest photo has {limits.fullest} objects, {limits.fullest_class} of one class."
                " COCO's AP counts the 100 best detections of a photo all the same.",
                6,
            ),
            f"      max_detections: {limits.max_detections}",
            f"      nms_top_k: {limits.nms_top_k}",
        ]
    if recipe.few:
        lines += [
            "      # Half the paper's: where objects touch, less of the neighbour leaks in.",
            "      crop_padding: 0.5",
        ]
    return ["    detection_generator:", *lines] if lines else []


def _format_classes(recipe: recipe_lib.Recipe) -> list[str]:
    names = recipe.categories.names
    listed = "; ".join(f"{number} {_printable(name)}" for number, name in enumerate(names, start=1))
    return [
        *_comment(f"{len(names)} classes and the background: {listed}.", 4),
        f"    num_classes: {recipe.categories.num_classes}",
    ]


def _format_anchors(recipe: recipe_lib.Recipe) -> list[str]:
    grid, before, after = recipe.grid, recipe.coverage_before, recipe.coverage
    owner, end = "The recipe's own", ", and fitted ones bring no more that counts"
    if recipe.own is not None:
        owner, end = "Those of the model that it goes on from", ""
    if recipe.new_anchors:
        why = (
            f"Fitted to the training objects: {100 * after.at_50:.0f} % have an anchor with an IoU of at"
            f" least 0.5; with the recipe's own anchors {100 * before.at_50:.0f} %."
        )
    else:
        why = (
            f"{owner}: {100 * before.at_50:.0f} % of the training objects have an anchor with an IoU of at"
            f" least 0.5{end}."
        )
    return [
        *_comment(why, 4),
        "    anchor:",
        "      # Sides in input pixels, one for each level; within a level, 2^(1/scales_per_octave) apart.",
        f"      scales: {_floats(grid.scales)}",
        f"      scales_per_octave: {grid.scales_per_octave}",
        "      # Width / height.",
        f"      aspect_ratios: {_floats(grid.aspect_ratios)}",
        f"      square: {str(grid.square).lower()}",
    ]


def _format_freezing(recipe: recipe_lib.Recipe) -> list[str]:
    if recipe.freezes:
        return [
            "    # Batches of few photos are too small for batch statistics: the imported ones stay.",
            "    freeze_bn: true",
            "    # What the first layers know holds here too, and training them takes much of the time.",
            "    freeze_backbone_level: 2",
        ]
    return [
        "    # With weights to start from and few photos, also: freeze_bn: true, freeze_backbone_level: 2."
        if recipe.few
        else "    # freeze_bn is decided at the start from the batch of a device and init_checkpoint."
    ]


def _format_data(recipe: recipe_lib.Recipe) -> list[str]:
    padding = recipe.padding
    cut = (
        f"cuts the {padding.instances_cut} smallest instances of {padding.images_cut} photos"
        f" (one has {padding.largest})"
        if padding.images_cut
        else f"the fullest photo has {padding.largest}"
    )
    lines = [
        "  train_data:",
        f"    input_path: {_quote(f'{recipe.records}/train-*.tfrecord')}",
        f"    global_batch_size: {recipe.batch}",
        f"    shuffle_buffer_size: {min(recipe.images, 4000)}",
        "    parser:",
        f"      # Rows of the labels: {cut}.",
        f"      max_num_instances: {recipe.padding.max_num_instances}",
        "      augment:",
        "        preset: default",
    ]
    if recipe.scales:
        lines += [
            "        # Each object is seen at many sizes, in its own proportions; small ones shrink little.",
            f"        min_scale: {recipe.scales[0]}",
            f"        max_scale: {recipe.scales[1]}",
        ]
    if recipe.from_above:
        lines += [
            "        # Photos from above have no upright: each is also seen flipped and transposed.",
            "        flip: 0.5",
            "        transpose: 0.5",
        ]
    elif recipe.scales:
        lines.append("        # For photos from above, which have no upright: data init --from-above.")
    return [
        *lines,
        "  validation_data:",
        f"    input_path: {_quote(f'{recipe.records}/val-*.tfrecord')}",
        f"    global_batch_size: {recipe.batch}",
        "    parser:",
        f"      max_num_instances: {recipe.padding.max_num_instances}",
    ]


def _format_trainer(recipe: recipe_lib.Recipe) -> list[str]:
    loop, validation, checkpoint = _choose_intervals(recipe)
    first_rate = "0.0" if recipe.adam else f"{recipe.learning_rate / 10:.1e}"
    return [
        "trainer:",
        f"  # {recipe.epochs} epochs of {recipe.images} photos in batches of {recipe.batch}.",
        f"  train_steps: {recipe.steps}",
        f"  steps_per_loop: {loop}",
        f"  summary_interval: {loop}",
        f"  checkpoint_interval: {checkpoint}",
        f"  validation_interval: {validation}",
        "  optimizer_config:",
        *(_format_adam(recipe) if recipe.adam else _format_descent(recipe)),
        "    warmup:",
        "      type: linear",
        "      linear:",
        f"        warmup_steps: {min(max(recipe.steps // 20, 1), 500)}",
        f"        warmup_learning_rate: {first_rate}",
    ]


def _choose_intervals(recipe: recipe_lib.Recipe) -> tuple[int, int, int]:
    """Choose the steps from line to line, evaluation to evaluation and checkpoint to checkpoint."""
    if recipe.plan is not None:
        return recipe.plan.loop, recipe.plan.interval, recipe.plan.interval
    loop = min(50 if recipe.few else 100, recipe.steps)
    interval = recipe.steps / 10 if recipe.adam else 2 * recipe.steps_per_epoch
    interval = min(math.ceil(interval / loop) * loop, recipe.steps)
    return loop, interval, min(interval, 10_000)


def _format_adam(recipe: recipe_lib.Recipe) -> list[str]:
    rate = (
        "1.0e-3" if recipe.adapts_backbone else "2.0e-3 for random weights" if recipe.is_fresh else "5.0e-4"
    )
    return [
        "    optimizer:",
        "      type: adam",
        "      adam: {}",
        "    # The average of the last weights is what is evaluated and kept.",
        "    ema:",
        f"      average_decay: {0.99 if recipe.steps < 2000 else 0.998}",
        "      trainable_weights_only: false",
        "    learning_rate:",
        "      type: cosine",
        "      cosine:",
        f"        # {rate} at batch 4, times the root of {recipe.batch} / 4.",
        f"        initial_learning_rate: {recipe.learning_rate:.1e}",
        f"        decay_steps: {recipe.steps}",
    ]


def _format_descent(recipe: recipe_lib.Recipe) -> list[str]:
    rates = [recipe.learning_rate / 10**passed for passed in range(len(recipe.boundaries) + 1)]
    return [
        "    optimizer:",
        "      type: torch_sgd",
        "      torch_sgd:",
        "        momentum: 0.9",
        "    learning_rate:",
        "      type: stepwise",
        "      stepwise:",
        "        # Divided by 10 at 35, 75, 87.5 and 93.75 % of the steps, as in the paper.",
        f"        boundaries: {list(recipe.boundaries)}",
        f"        # The paper's 1.0e-3 at batch 8, times {recipe.batch} / 8.",
        f"        values: [{', '.join(f'{rate:.1e}' for rate in rates)}]",
        "        offset: -1",
    ]


def _nest(section: Mapping[str, Any], indent: int) -> list[str]:
    """Write a nested mapping as lines of YAML."""
    lines = []
    for key, value in section.items():
        start = " " * indent + f"{key}:"
        if isinstance(value, Mapping):
            lines += [start, *_nest(value, indent + 2)]
        else:
            # To YAML 1e-05 is a text.
            lines.append(
                f"{start} {value:.6e}" if isinstance(value, float) else f"{start} {json.dumps(value)}"
            )
    return lines


def _floats(values: Sequence[float]) -> str:
    return f"[{', '.join(str(float(value)) for value in values)}]"


def _comment(text: str, indent: int) -> list[str]:
    start = " " * indent + "# "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _quote(path: str) -> str:
    # A string of JSON is one of YAML, but for pairs of surrogates.
    return json.dumps(path, ensure_ascii=False)


def _printable(text: str) -> str:
    """Keep a text within its comment."""
    return "".join(character if character.isprintable() else "?" for character in text)
