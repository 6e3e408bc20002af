"""The combinations in which people train, by the command that they type.

`OFFICIAL_YOLACT_MATRIX=pairs` runs a cover of all pairs on whole backbones (`make matrix`); otherwise rows
that cover every value once, on shallow ones. docs/matrix.md has the table of the last whole run.
"""

import fcntl
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
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory, helper_environment):
    from official_yolact.data.conversion import convert
    from official_yolact.data.sets import shapes

    folder = tmp_path_factory.mktemp("matrix")
    shapes.write_shapes(str(folder / "shapes"), 4, 3, size=64, seed=5)
    for split in ("train", "val"):
        source = str(folder / "shapes" / f"instances_{split}.json")
        convert.convert_coco(source, str(folder / "shapes" / split), str(folder / "records"), split)
    environment = {**helper_environment, "TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": str(folder)}
    depth = "full" if WHICH == "pairs" else "shallow"
    return matrix_runs.Bench(str(folder / "records"), folder, depth, environment)


@pytest.fixture(scope="module")
def references(bench, tmp_path_factory):
    """Compute the losses of one device once for all rows; processes of one run of the tests share them."""
    own = tmp_path_factory.getbasetemp()
    place = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with open(place / "matrix-references.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shared = place / "matrix-references.json"
        if not shared.exists():
            shared.write_text(json.dumps(matrix_runs.compute_references(bench, ROWS)))
        return json.loads(shared.read_text())


@pytest.mark.parametrize("row", ROWS, ids=matrix_plan.name_row)
def test_a_combination_trains_is_killed_goes_on_and_agrees_with_one_device(row, bench, references):
    found = matrix_runs.run_row(bench, row, references[matrix_runs.reference_key(row)])
    assert not found["fault"], json.dumps(found, indent=1)
    assert found["trained"]
    assert found["resumed"]
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


def test_the_whole_cover_holds_every_pair_of_values():
    rows = matrix_plan.cover_pairs()
    for (a, ours), (b, theirs) in itertools.combinations(matrix_plan.FACTORS.items(), 2):
        assert {(row[a], row[b]) for row in rows} == set(itertools.product(ours, theirs)), (a, b)
    assert len(rows) < 100
