"""Mutated YAML is usable or not, and what is wrong names the file."""

import random

import fuzzing
import yaml

from official_yolact import registry_imports  # noqa: F401  for its effects
from official_yolact.cli import main
from official_yolact.configs import loading

_TEXT = """experiment: yolact_tiny_shapes
task:
  model: {num_classes: 4, input_size: [64, 96]}
  train_data: {global_batch_size: 2, shuffle_buffer_size: 10}
trainer:
  train_steps: 9
  optimizer_config:
    learning_rate: {type: cosine, cosine: {initial_learning_rate: 0.01}}
"""
_YAML = (
    *fuzzing.PARTS,
    "&a [*a]",
    "!!python/object/apply:os.system [x]",
    "? x",
    "\t",
    "- ",
    "...",
    ".nan",
    "0o9",
)


def _mutate_text(draw):
    places = [at for at, letter in enumerate(_TEXT) if letter in " [{0123456789"]
    start = draw.choice(places)
    return _TEXT[:start] + draw.choice(_YAML) + _TEXT[start + draw.choice((0, 1, 1, 2)) :]


def _list_fields(content, path=()):
    """List every field of a configuration as (path, value)."""
    if not isinstance(content, dict):
        return [(path, content)]
    return [field for key, value in content.items() for field in _list_fields(value, (*path, key))]


def _change(draw, value):
    """Choose another value of the same kind, or one of another kind."""
    if draw.random() < 0.2:
        return draw.choice((None, True, -1, 0, 1.5, 2**63, float("nan"), "", "x", [], [1, 2], {"a": 1}))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return draw.choice((value * 2, value + 1, value / 2, value // 2, -value, 0, 1, value * 10**6))
    if isinstance(value, list) and value:
        return draw.choice((value[:-1], value * 2, [_change(draw, value[0]), *value[1:]]))
    return draw.choice(("none", "a b", "float32", "cosine", "adam", str(value) + "x", value))


def _mutate_fields(draw, fields):
    """Set one to three fields of the whole configuration to something else."""
    content = {"experiment": "yolact_tiny_shapes"}
    for path, value in draw.sample(fields, draw.choice((1, 1, 2, 3))):
        node = content
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = _change(draw, value)
    return yaml.safe_dump(content)


def test_mutated_configurations_end_with_a_named_message(tmp_path, capsys):
    draw = random.Random(41)
    path = tmp_path / "my.yaml"

    def read(text):
        path.write_text(text, encoding="utf-8")
        code = main.main(["config", "check", str(path)])
        told = "".join(capsys.readouterr())
        assert code in (0, 1, 2)
        assert "Traceback" not in told
        assert "a fault of this program" not in told
        assert code == 0 or "my.yaml" in told, told[-400:]
        return fuzzing.REFUSED if code else fuzzing.READ

    assert read(_TEXT) == fuzzing.READ
    fields = _list_fields(loading.load_experiment("yolact_tiny_shapes").as_dict())
    assert len(fields) > 200
    mutated = (
        _mutate_text(draw) if number % 2 else _mutate_fields(draw, fields) for number in range(fuzzing.COUNT)
    )
    fuzzing.hold("configurations", mutated, read)
