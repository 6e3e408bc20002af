"""Write docs/zoo.md, the page of the published models, from the registry of weights by name.

python docs/write_zoo.py

GMACs are those of docs/models.md, which benchmarks/model_costs.py counts. Milliseconds are those of
zoo-times.json beside it, which benchmarks/zoo_times.py measures; without that file the page has none.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

from official_yolact.weights import model_names
from official_yolact.weights import named_weights
from official_yolact.weights import published

PAGE = pathlib.Path(__file__).with_name("zoo.md")
TIMES = PAGE.with_name("zoo-times.json")
_COSTS = PAGE.with_name("models.md")
_INTRODUCTION = """\
# The zoo: models by name

These weights are downloaded when they are first named, checked, and imported into the cache
([weights by name](training.md#weights-by-name)). Wherever a command takes MODEL, and
`official_yolact.load` too, such a name may stand: `yolact predict yolact/resnet50 photo.jpg --output out`.

No published file could be opened where this library was made: the AP is what the named source has
stated. `yolact reproduce NAME` measures it on your machine, with the integer boxes of the original and
without, and sets both side by side:

```sh
yolact reproduce yolact/resnet50 --coco data/coco --json
```

It downloads COCO val2017 into the folder, unless `annotations` and `val2017` are there; without `--coco` into
the cache. The original's evaluator leaves out images without objects and very small ground truth, and scores
classes without ground truth as 0, so a few tenths may differ.

This page is made from `official_yolact/weights` by `make pages`.
"""
_HEAD = """
| name | network | file MB | parameters | GMACs | mask AP on test-dev | box, mask AP on val2017 | licence |
|---|---|---|---|---|---|---|---|
"""
_EXPLANATION = """
GMACs: 10⁹ multiply-accumulates of one image, [as counted here](models.md#size-and-cost). Sizes marked ≈ are
not known to the byte. AP in percent.
"""
_BACKBONES = """
## Backbones

These start a training (`task.init_checkpoint=imagenet/resnet50`); by themselves they find nothing.

| name | fits | file MB | licence |
|---|---|---|---|
"""
_NETWORKS = {
    "yolact_resnet50_coco": "ResNet-50, 550 × 550",
    "yolact_resnet101_coco": "ResNet-101, 550 × 550",
    "yolact_darknet53_coco": "DarkNet-53, 550 × 550",
    "yolact_im700_coco": "ResNet-101, 700 × 700",
    "yolact_plus_resnet50_coco": "YOLACT++, ResNet-50, 550 × 550",
    "yolact_plus_resnet101_coco": "YOLACT++, ResNet-101, 550 × 550",
}


def format_page() -> str:
    """Return the page: a table of all models, the times, the commands of each, and the backbones."""
    costs = read_costs()
    entries = [named_weights.ENTRIES[name] for name in model_names.MODELS]
    page = _INTRODUCTION + _HEAD + "".join(_format_row(entry, costs) for entry in entries) + _EXPLANATION
    page += "\nSources of the AP:\n\n" + "".join(map(_format_sources, entries)) + _format_times()
    page += "".join(map(_format_commands, entries)) + _BACKBONES
    page += "".join(
        f"| `{entry.name}` | {entry.describe_backbone()} | {_format_size(entry)} | {entry.licence} |\n"
        for entry in named_weights.ENTRIES.values()
        if entry.modules == "backbone"
    )
    return page


def read_costs() -> dict[str, tuple[str, str]]:
    """Read parameters and GMACs by experiment from the table of docs/models.md."""
    text = _COSTS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) \| [\d,]+ \|$", text, flags=re.MULTILINE)
    return {name: (parameters, gmacs) for name, parameters, gmacs in rows}


def _format_row(entry: named_weights.NamedWeights, costs: dict[str, tuple[str, str]]) -> str:
    (experiment,) = entry.experiments
    found = {figure.images: figure for figure in published.FIGURES[experiment]}
    val = found.get(published.VAL)
    cells = [
        f"`{entry.name}`",
        _NETWORKS[experiment],
        _format_size(entry),
        *costs[experiment],
        f"{found[published.TEST_DEV].mask_ap:.1f}",
        f"{val.box_ap:.2f}, {val.mask_ap:.2f}" if val else "",
        entry.licence,
    ]
    return f"| {' | '.join(cells)} |\n"


def _format_size(entry: named_weights.NamedWeights) -> str:
    return f"{'' if entry.is_size_exact else '≈ '}{entry.size / 1e6:.1f}"


def _format_sources(entry: named_weights.NamedWeights) -> str:
    figures = published.FIGURES[entry.experiments[0]]
    sources = [
        f"{figure.images.removeprefix('COCO ')} "
        + (f"[{figure.source}]({figure.url})" if figure.url else figure.source)
        for figure in figures
    ]
    return f"- `{entry.name}`: {'; '.join(sources)}\n"


def _format_times() -> str:
    if not TIMES.is_file():
        return "\n`yolact benchmark yolact/resnet50` times a model on your machine.\n"
    found: dict[str, Any] = json.loads(TIMES.read_text(encoding="utf-8"))
    page = (
        f"\n## Milliseconds\n\nMeasured by `yolact benchmark` on {found['machine']}, a photo of 480 × 640,"
        " batch 1, medians. Weights are generated: the network needs the same time with published ones,"
        " the total depends on how much is found. Only the ratios hold on another machine.\n\n"
        "| name | runtime | network | total | over the first |\n|---|---|---|---|---|\n"
    )
    for name, rows in found["models"].items():
        for row in rows:
            numbers = f"{row['network']:.0f} | {row['total']:.0f} | {row['over_first']:.2f}"
            page += f"| `{name}` | {row['runtime']} | {numbers} |\n"
    return page


def _format_commands(entry: named_weights.NamedWeights) -> str:
    (experiment,) = entry.experiments
    name = entry.name
    short = name.partition("/")[2]
    return f"""
## `{name}`

{_NETWORKS[experiment]}; the experiment `{experiment}`. Get, look, evaluate, fine-tune on your photos, export:

```sh
yolact weights get {name}
yolact predict {name} photo.jpg --output out
yolact eval {name} --images coco/val2017 --annotations coco/annotations/instances_val2017.json
yolact data init --train train.json --val val.json --images photos --init-checkpoint {name} --output mine.yaml
yolact train mine.yaml --model_dir runs/mine
yolact export {name} --output exports/{short}
```
"""


if __name__ == "__main__":
    PAGE.write_text(format_page(), encoding="utf-8")
