"""Mutated YAML is usable or not, and what is wrong names the file."""

import random

import fuzzing

from official_yolact.cli import main

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


def _mutate(draw):
    places = [at for at, letter in enumerate(_TEXT) if letter in " [{0123456789"]
    start = draw.choice(places)
    return _TEXT[:start] + draw.choice(_YAML) + _TEXT[start + draw.choice((0, 1, 1, 2)) :]


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
    fuzzing.hold("configurations", (_mutate(draw) for _ in range(fuzzing.COUNT)), read)
