"""The runs of an ablation: none is done twice, and the table has the mean of the seeds."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
from typing import Any

import pytest
import yaml

from official_yolact.configs import loading

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TABLE = {
    "seeds": [0, 1],
    "sets": {"one": None, "two": None},
    "changes": {"today": [], "giou": {"terms": ["a=1"], "only": ["two"]}},
}


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(CHECKOUT / "benchmarks"), *sys.path])
    spec = importlib.util.spec_from_file_location("ablation", CHECKOUT / "benchmarks" / "ablation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "prepare", lambda name, *_: [f"{name}.yaml"])
    return module


def test_finished_runs_are_kept_and_an_interrupted_one_is_done_again(
    ablation: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[list[str]] = []

    def train(words: list[str], folder: pathlib.Path) -> dict[str, Any]:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(words)
        return {"mask_AP": 0.5 + 0.1 * len(done), "classes": {"fig": 0.25}, "train_seconds": 0.02}

    monkeypatch.setattr(ablation, "train", train)
    with pytest.raises(KeyboardInterrupt):
        ablation.measure(TABLE, tmp_path, tmp_path, [])
    expected = [["one.yaml", "task.seed=0"], ["two.yaml", "task.seed=0"], ["two.yaml", "a=1", "task.seed=0"]]
    assert done == expected
    monkeypatch.setattr(ablation, "train", lambda words, _: {"mask_AP": 0.9, "classes": {"fig": 0.5}})
    ablation.measure(TABLE, tmp_path, tmp_path, [])
    page = ablation.format_set("two", ["today", "giou"], tmp_path / "results" / "two").splitlines()
    assert page[2].startswith("| today | 2 | 0.800 (0.200) |")
    assert page[3].startswith("| giou | 2 | 0.850 (0.100) |")
    assert "| 0.375 (0.250) | 0.0200 |" in page[3]
    assert len(list(tmp_path.glob("results/*/*.json"))) == 6


def test_a_result_of_other_terms_is_not_taken_for_this_one(ablation: Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "results" / "one").mkdir(parents=True)
    (tmp_path / "results" / "one" / "today-0.json").write_text(json.dumps({"words": ["one.yaml", "b=2"]}))
    with pytest.raises(SystemExit, match="give the change another name"):
        ablation.measure(TABLE, tmp_path, tmp_path, ["one"])


def test_every_change_of_the_table_beside_the_script_is_one_that_a_configuration_may_have() -> None:
    table = yaml.safe_load((CHECKOUT / "benchmarks" / "ablation.yaml").read_text(encoding="utf-8"))
    for given in table["changes"].values():
        terms = given["terms"] if isinstance(given, dict) else given
        loading.load_config("yolact_tiny_shapes_cpu.yaml", list(terms))
