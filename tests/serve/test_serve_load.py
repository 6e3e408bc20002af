"""A small form of `benchmarks/serve.py`: many clients with good, bad, slow and broken-off requests at once."""

import importlib.util
import pathlib
import sys

import tiny_exports

BENCHMARK = pathlib.Path(__file__).parents[2] / "benchmarks" / "serve.py"


def _load_benchmark():
    spec = importlib.util.spec_from_file_location("serve_benchmark", BENCHMARK)
    sys.modules["serve_benchmark"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_of_mixed_requests_every_one_gets_its_own_answer_and_nothing_is_left(tmp_path):
    model = tiny_exports.write_onnx(tmp_path / "tiny.onnx", tiny_exports.INFO.as_dict())
    found = _load_benchmark().measure(str(model), clients=6, requests=30, workers=2, rounds=1)
    mixed = found["mixed"]
    assert mixed["wrong"] == []
    assert len(mixed["requests"]) >= 9
    assert mixed["after"]["threads"] <= mixed["before"]["threads"]
    assert mixed["after"]["descriptors"] <= mixed["before"]["descriptors"]
    assert found["reload"]["failed"] == 0
    assert (found["end"]["lost"], found["end"]["wrong"], found["end"]["exit_code"]) == (0, 0, 0)
