"""The combinations in which people train: factors, and the rows that cover them."""

from __future__ import annotations

import itertools
import random

RECIPES = (
    "yolact_tiny_shapes_cpu",
    "yolact_resnet50_coco_1gpu",
    "yolact_resnet50_coco_8gpu",
    "yolact_resnet50_coco_tpu",
    "yolact_resnet50_overfit",
    "yolact_resnet101_coco_1gpu",
    "yolact_darknet53_coco_1gpu",
    "yolact_im700_coco_1gpu",
    "yolact_im400_coco_1gpu",
    "yolact_plus_resnet50_coco_1gpu",
    "yolact_plus_resnet101_coco_1gpu",
    "yolact_resnet50_pascal_1gpu",
    "yolact_mobilenetv2_finetune",
    "yolact_next_shapes_cpu",
    "yolact_next_resnet50_coco_1gpu",
    "yolact_next_mobilenetv2_finetune",
)

FACTORS: dict[str, tuple[str, ...]] = {
    "recipe": RECIPES,
    "named": ("recipe", "experiment"),  # --config_file=RECIPE on its --experiment, or the latter alone
    "strategy": ("off", "one_device", "mirrored-1", "mirrored-2", "multi_worker-2"),
    "precision": ("float32", "bfloat16", "float16"),
    "mode": ("train", "train_and_eval", "eval", "continuous_eval", "train_and_post_eval"),
    "batch_norm": ("frozen", "local", "synchronised"),
    "parts": ("1", "2"),
    "average": ("none", "ema"),
    "optimizer": ("torch_sgd", "adam", "adamw", "lars"),
    "schedule": ("stepwise", "cosine", "polynomial", "exponential", "constant"),
}

# What is used most, whatever else is covered: the README's command on several GPUs, and the demo's.
USED_MOST = (
    dict(
        zip(
            FACTORS,
            (
                "yolact_next_shapes_cpu",
                "experiment",
                "mirrored-2",
                "bfloat16",
                "train_and_eval",
                "synchronised",
                "1",
                "ema",
                "adam",
                "cosine",
            ),
            strict=True,
        )
    ),
)

Row = dict[str, str]


_DEEP = ("yolact_mobilenetv2_finetune", "yolact_next_mobilenetv2_finetune")
_SMALL = ("yolact_tiny_shapes_cpu", "yolact_next_shapes_cpu")
KILLED = 5
"""So many of the first rows of `cover_values` hold every value of every factor but the recipe."""


def cover_values(tries: int = 300) -> list[Row]:
    """List rows in which every value of every factor occurs, as few as there are recipes.

    Of several such lists it is the one that should cost least: the same in every process.
    """
    return min((_deal(random.Random(seed)) for seed in range(tries)), key=_cost)


def _deal(draw: random.Random) -> list[Row]:
    first = USED_MOST[0]
    columns = {name: [first[name]] for name in FACTORS}
    for name, values in FACTORS.items():
        # The first row is given, and what it holds need not be dealt again.
        rest = [value for value in values if value != first[name]]
        if name == "recipe":
            draw.shuffle(rest)
            columns[name] += rest
            continue
        for length, dealt in ((KILLED - 1, rest), (len(RECIPES) - KILLED, values)):
            block = [dealt[at % len(dealt)] for at in range(length)]
            draw.shuffle(block)
            columns[name] += block
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cost(rows: list[Row]) -> float:
    """Estimate what rows take, as a multiple of a plain process: what is traced, and how often."""
    total = 0.0
    for at, row in enumerate(rows):
        model = {**dict.fromkeys(_DEEP, 4.0), **dict.fromkeys(_SMALL, 1.0)}.get(row["recipe"], 1.5)
        model *= 2.0 if "plus" in row["recipe"] else 1.0
        model *= 2.0 if row["strategy"].endswith("-2") else 1.0
        if row["strategy"].endswith("-2") and row["parts"] == "2" and row["batch_norm"] == "synchronised":
            model *= 2.0  # written out
        others = {"train": 0.0, "eval": 1.0, "continuous_eval": 1.0}.get(row["mode"], 0.5)
        total += model * (2.0 + 2.0 * others if at < KILLED else 1.0 + others)
    return total


def cover_pairs(seed: int = 0, tries: int = 40) -> list[Row]:
    """List rows in which every pair of values of two factors occurs.

    Each next row is the best of some tries, which begin with a pair that is missing and take, factor by
    factor, the value that adds most.
    """
    draw = random.Random(seed)
    names = list(FACTORS)
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(names, 2)
        for x in FACTORS[a]
        for y in FACTORS[b]
    }
    rows = [dict(row) for row in USED_MOST]
    missing -= {pair for row in rows for pair in pairs_of(row)}
    while missing:
        candidates = [_fill(missing, draw) for _ in range(tries)]
        rows.append(max(candidates, key=lambda row: len(missing & pairs_of(row))))
        missing -= pairs_of(rows[-1])
    return rows


def pairs_of(row: Row) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def _fill(missing: set[frozenset[tuple[str, str]]], draw: random.Random) -> Row:
    row = dict(draw.choice(sorted(missing, key=sorted)))
    rest = [name for name in FACTORS if name not in row]
    draw.shuffle(rest)
    for name in rest:
        values = list(FACTORS[name])
        draw.shuffle(values)
        row[name] = max(
            values,
            key=lambda value: sum(frozenset([item, (name, value)]) in missing for item in row.items()),
        )
    return {name: row[name] for name in FACTORS}


def name_row(row: Row) -> str:
    return "-".join(row.values())
