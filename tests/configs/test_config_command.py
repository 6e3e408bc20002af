"""What `yolact config check` prints, and how it ends."""

import json

from official_yolact.cli import main

BAD = (
    "experiment: yolact_tiny_shapes\ntrainer:\n  train_steps: '8'\n  nonfinite: skp\n  summary_interval: 30\n"
)


def run(capsys, *words):
    code = main.main(["config", "check", *words])
    return code, capsys.readouterr().out.splitlines()


def test_every_fault_is_a_line_and_the_exit_code_is_2(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(BAD)
    code, lines = run(capsys, str(path), "task.sed=1")
    assert code == 2
    assert [line.split(": ")[1:3] for line in lines[:-1]] == [
        [f"{path}:3", "trainer.train_steps"],
        [f"{path}:4", "trainer.nonfinite"],
        [f"{path}:5", "trainer.summary_interval"],
        ["override", "task.sed"],
    ]
    assert lines[-1] == f"{path}: 4 errors: it cannot be used"


def test_json_is_one_line_with_every_fault(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(BAD)
    code, [line] = run(capsys, str(path), "--json")
    printed = json.loads(line)
    assert (code, printed["ok"], len(printed["findings"])) == (2, False, 3)
    first = printed["findings"][0]
    assert (first["line"], first["path"], first["value"]) == (3, "trainer.train_steps", "'8'")
    assert first["rule"]
    assert first["cure"]


def test_a_clean_file_ends_with_0_and_warnings_do_not_change_that(capsys):
    assert run(capsys, "yolact_tiny_shapes_cpu.yaml") == (0, ["yolact_tiny_shapes_cpu.yaml: it can be used"])
    code, lines = run(capsys, "yolact_tiny_shapes", "runtime.run_eagerly=true")
    assert code == 0
    assert lines[0].startswith("warning: override: runtime.run_eagerly: True has no effect")
    assert lines[-1] == "yolact_tiny_shapes: it can be used (1 warning)"
