"""A recipe as a commented YAML file."""

from __future__ import annotations

import json
import math
import shlex
import textwrap
from collections.abc import Sequence

from official_yolact.data.recipes import recipe as recipe_lib

_WIDTH = 106


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
    lines.append(["yolact", "train", config, "--model_dir=runs/mine"])
    return [shlex.join(words) for words in lines]


def _format_header(recipe: recipe_lib.Recipe, commands: Sequence[str]) -> list[str]:
    kind = "A small set" if recipe.few else "A large set"
    return [
        f"# {kind}: {recipe.images} photos with {recipe.objects} objects to train on,"
        f" {recipe.val_images} photos to validate.",
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
            "  # Random weights need far more photos and steps than imported ones. Name a directory that",
            "  # `yolact import-weights` made: `backbone` for one of ImageNet, `all` for a whole model.",
            "  # init_checkpoint: imagenet/backbone",
        ]
    return [*start, f"  init_checkpoint_modules: {recipe.init_modules}"]


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
    ]
    if recipe.experiment == recipe_lib.SMALL_MODEL:
        lines += [
            "    # Narrower than for COCO's 80 classes (256): faster, and enough for few classes.",
            "    decoder:",
            "      type: yolact_fpn",
            "      yolact_fpn:",
            "        num_filters: 96",
            "    protonet:",
            "      num_filters: 96",
            "    head:",
            "      num_filters: 96",
        ]
    if recipe.few or not recipe.init_checkpoint:
        lines += [
            "    # Starts with few objects expected, which new layers on few photos and random weights need.",
            "    class_prior: 0.01",
        ]
    return lines + _format_freezing(recipe)


def _format_classes(recipe: recipe_lib.Recipe) -> list[str]:
    names = recipe.categories.names
    listed = "; ".join(f"{number} {_printable(name)}" for number, name in enumerate(names, start=1))
    return [
        *_comment(f"{len(names)} classes and the background: {listed}.", 4),
        f"    num_classes: {recipe.categories.num_classes}",
    ]


def _format_anchors(recipe: recipe_lib.Recipe) -> list[str]:
    grid, before, after = recipe.grid, recipe.coverage_before, recipe.coverage
    if recipe.new_anchors:
        why = (
            f"Fitted to the training objects: {100 * after.at_50:.0f} % have an anchor with an IoU of at"
            f" least 0.5; with the recipe's own anchors {100 * before.at_50:.0f} %."
        )
    else:
        why = (
            f"The recipe's own: {100 * before.at_50:.0f} % of the training objects have an anchor with an IoU"
            " of at least 0.5, and fitted ones bring no more that counts."
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
    if recipe.few and recipe.init_checkpoint:
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
        f"    shuffle_buffer_size: {min(max(recipe.images, 1), 4000)}",
        "    parser:",
        f"      # Rows of the labels: {cut}.",
        f"      max_num_instances: {recipe.padding.max_num_instances}",
        "      augment:",
        "        preset: default",
    ]
    if recipe.few:
        lines += [
            "        # Of few photos each object is seen at many sizes, in its own proportions.",
            "        min_scale: 0.6",
            "        max_scale: 1.4",
            "        # Photos from above have no upright: there, add",
            "        # flip: 0.5",
            "        # transpose: 0.5",
        ]
    return [
        *lines,
        "  validation_data:",
        f"    input_path: {_quote(f'{recipe.records}/val-*.tfrecord')}",
        f"    global_batch_size: {recipe.batch}",
        "    parser:",
        f"      max_num_instances: {recipe.padding.max_num_instances}",
    ]


def _format_trainer(recipe: recipe_lib.Recipe) -> list[str]:
    loop = min(50 if recipe.few else 100, recipe.steps)
    interval = recipe.steps / 3 if recipe.adam else 2 * recipe.steps_per_epoch
    interval = min(math.ceil(interval / loop) * loop, recipe.steps)
    first_rate = "0.0" if recipe.adam else f"{recipe.learning_rate / 10:.1e}"
    return [
        "trainer:",
        f"  # {recipe.epochs} epochs of {recipe.images} photos in batches of {recipe.batch}.",
        f"  train_steps: {recipe.steps}",
        f"  steps_per_loop: {loop}",
        f"  summary_interval: {loop}",
        f"  checkpoint_interval: {min(interval, 10_000)}",
        f"  validation_interval: {interval}",
        "  optimizer_config:",
        *(_format_adam(recipe) if recipe.adam else _format_descent(recipe)),
        "    warmup:",
        "      type: linear",
        "      linear:",
        f"        warmup_steps: {min(max(recipe.steps // 20, 1), 500)}",
        f"        warmup_learning_rate: {first_rate}",
    ]


def _format_adam(recipe: recipe_lib.Recipe) -> list[str]:
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
        f"        # 5.0e-4 at batch 4, times the root of {recipe.batch} / 4.",
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
