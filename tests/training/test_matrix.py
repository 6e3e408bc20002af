"""The combinations in which people train, by the command that they type.

`OFFICIAL_YOLACT_MATRIX=pairs` runs a cover of all pairs on whole backbones (`make matrix`); otherwise rows
that cover every value once, on shallow ones, of which those that hold every value but the recipe are killed
too. docs/matrix.md has the table of the last whole run.
"""

import itertools
import json
import os
import pathlib

import matrix_plan
import matrix_runs
import pytest

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.configs import experiments
from official_yolact.configs import loading

WHICH = os.environ.get("OFFICIAL_YOLACT_MATRIX", "values")
ROWS = matrix_plan.cover_pairs() if WHICH == "pairs" else matrix_plan.cover_values()
KILLED = ROWS if WHICH == "pairs" else ROWS[: matrix_plan.KILLED]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    from official_yolact.data.conversion import convert
    from official_yolact.data.sets import shapes

    folder = tmp_path_factory.mktemp("matrix")
    shapes.write_shapes(str(folder / "shapes"), 4, 3, size=64, seed=5)
    for split in ("train", "val"):
        source = str(folder / "shapes" / f"instances_{split}.json")
        convert.convert_coco(source, str(folder / "shapes" / split), str(folder / "records"), split)
    depth = "full" if WHICH == "pairs" else "shallow"
    return matrix_runs.Bench(str(folder / "records"), folder, depth, {"TMPDIR": str(folder)})


@pytest.mark.parametrize("row", ROWS, ids=matrix_plan.name_row)
def test_a_combination_trains_goes_on_after_a_kill_and_agrees_with_one_device(row, bench):
    is_killed = row in KILLED
    found = matrix_runs.run_row(bench, row, is_killed)
    assert not found["fault"], json.dumps(found, indent=1)
    assert found["trained"]
    assert found["resumed"] == is_killed
    assert found["equal"]


def test_every_recipe_and_experiment_is_in_the_matrix():
    shipped = {path.stem for path in pathlib.Path(loading.YAML_DIR).glob("*.yaml")}
    assert set(matrix_plan.RECIPES) == shipped
    for recipe, experiment in matrix_runs.EXPERIMENTS.items():
        assert loading.load_config(f"{recipe}.yaml").experiment == experiment
    assert set(matrix_runs.EXPERIMENTS.values()) == set(experiments.EXPERIMENTS)


def test_the_rows_of_the_gate_hold_every_value_of_every_factor():
    rows = matrix_plan.cover_values()
    for name, values in matrix_plan.FACTORS.items():
        assert {row[name] for row in rows} == set(values), name
        killed = {row[name] for row in rows[: matrix_plan.KILLED]}
        assert killed == set(values) or name == "recipe", name


def test_the_whole_cover_holds_every_pair_of_values():
    rows = matrix_plan.cover_pairs()
    for (a, ours), (b, theirs) in itertools.combinations(matrix_plan.FACTORS.items(), 2):
        assert {(row[a], row[b]) for row in rows} == set(itertools.product(ours, theirs)), (a, b)
    assert len(rows) < 100
