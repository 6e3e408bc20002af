"""YAML from anywhere ends in values or in findings with a line, never in a traceback or without end."""

import random
import sys

import fuzzing
import pytest

from official_yolact.cli import main
from official_yolact.configs import yaml_document

_GOOD = (
    "experiment: yolact_tiny_shapes\ntask:\n  model: {num_classes: 4, input_size: [64, 64]}\n"
    '  losses: {crowd_iou: 0.7}\n  init: "a"\ntrainer:\n  train_steps: 10\n'
)
_REFUSED = {
    "huge_integer": "trainer: {train_steps: 1" + "0" * 400 + "}",
    "too_many_digits": "trainer: {train_steps: " + "1" * 5000 + "}",
    "huge_hexadecimal": "trainer: {train_steps: 0x" + "f" * 9000 + "}",
    "infinite": "task: {losses: {crowd_iou: 1.0e+999}}",
    "infinite_without_sign": "task: {losses: {crowd_iou: 1e999}}",
    "nul_escaped": 'task: {train_data: {input_path: "a\\0b"}}',
    "nul": "task: {train_data: {input_path: a\0b}}",
    "escape": 'task: {train_data: {input_path: "\\e[31m"}}',
    "half_character": 'task: {train_data: {input_path: "\\ud800"}}',
    "key_with_newline": '"a\\nb": 1',
    "deep_brackets": "[" * 100_000,
    "deep_closed_brackets": "a: " + "[" * 61 + "]" * 61,
    "deep_mappings": "a: " + "{b: " * 61 + "1" + "}" * 61,
    "deep_blocks": "".join(" " * depth + "a:\n" for depth in range(100)),
    "aliases": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefg", "bcdefgh", strict=True)
    ),
    "alias_of_itself": "a: &a [*a]",
}


@pytest.mark.parametrize("text", _REFUSED.values(), ids=_REFUSED)
def test_config_check_refuses_it_with_file_and_line(tmp_path, capsys, text):
    path = tmp_path / "c.yaml"
    path.write_text("experiment: yolact_tiny_shapes\n" + text, encoding="utf-8")
    assert main.main(["config", "check", str(path)]) == 2
    shown = "".join(capsys.readouterr())
    assert "c.yaml:" in shown
    assert "Traceback" not in shown
    assert not set(shown) & {"\0", "\x1b", "\ud800"}
    assert len(shown) < 5000


def test_what_is_nested_as_deep_as_allowed_is_read():
    depth = yaml_document.MAX_DEPTH - 1
    document = yaml_document.YamlDocument("[" * depth + "1" + "]" * depth, "t")
    assert not document.findings
    assert yaml_document.YamlDocument(f"[{'[' * depth}1{']' * depth}]", "t").findings[0].line == 1


def test_the_bound_of_nesting_is_the_same_at_any_depth_of_the_stack():
    text = "[" * (yaml_document.MAX_DEPTH + 1) + "]" * (yaml_document.MAX_DEPTH + 1)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    try:
        assert "nested more than" in yaml_document.YamlDocument(text, "t").findings[0].rule
    finally:
        sys.setrecursionlimit(before)


_PARTS = (
    "1" + "0" * 400, "1" * 5000, "1e999", ".nan", '"\\ud800"', '"\\0"', "\0", "\x1b", "[" * 3000, "{a: " * 300,
    "&a [*a]", "*b", "!!python/object:os.system x", "!!binary aGk=", "2020-01-01", "0o17", "017", "1:30", "<<: [1]",
    "? [a]", "|", ">", "---", "...", "%YAML 9.9", "\t", "\ufeff", "\u2028", "\U0001f600", "- ", ": ", "null", "''", "{", "]",
)  # fmt: skip
_COUNT = fuzzing.COUNT


def test_mutated_yaml_is_read_or_refused_with_a_line():
    draw = random.Random(7)
    lines = _GOOD.count("\n") + 3
    refused = 0
    for number in range(_COUNT):
        text = _GOOD
        for _ in range(draw.choice((1, 1, 2, 3))):
            at = draw.randrange(len(text) + 1)
            text = text[:at] + draw.choice(_PARTS) + text[at + draw.choice((0, 1, 1, 5, 20)) :]
        document = yaml_document.YamlDocument(text, "m.yaml")
        for finding in document.findings:
            assert finding.line is None or 1 <= finding.line <= lines + text.count("\n"), (number, text[:300])
            assert len(str(finding)) < 1000, (number, text[:300])
            assert str(finding).startswith("m.yaml"), (number, text[:300])
        refused += bool(document.findings)
    assert _COUNT // 4 < refused < _COUNT
