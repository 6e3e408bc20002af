"""An argument that cannot be meant is refused by one rule, with its name, before anything is done."""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Iterator

import pytest

from official_yolact.cli import main


def list_commands(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Give every command with its parser."""
    deeper = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in deeper:
        for name, child in action.choices.items():
            yield from list_commands(child, (*words, name))
    if not deeper:
        yield words, parser


def takes_text(action: argparse.Action) -> bool:
    return action.nargs != 0 and action.type is None and action.choices is None and action.default != ""


def build(parser: argparse.ArgumentParser, wanted: argparse.Action, value: str) -> list[str]:
    """Give arguments of which one has a value."""
    words = []
    for group in parser._mutually_exclusive_groups:
        if group.required and wanted not in group._group_actions:
            words += [group._group_actions[0].option_strings[-1], "x"]
    for action in parser._actions:
        if action is wanted:
            words += [*action.option_strings[-1:], value]
        elif action.option_strings and action.required:
            words += [action.option_strings[-1], next(iter(action.choices or ["x.yaml"]))]
        elif not action.option_strings and action.nargs != "*":
            words.append("x.json")
    return words


CASES = [
    pytest.param(words, parser, action, id=" ".join((*words, action.dest)))
    for words, parser in list_commands(main.build_parser())
    for action in parser._actions
    if takes_text(action) and not (action.nargs == "*" or isinstance(action, argparse._VersionAction))
]


@pytest.mark.parametrize(("words", "parser", "action"), CASES)
def test_empty_text_is_refused_with_the_name_of_the_argument(
    words: tuple[str, ...],
    parser: argparse.ArgumentParser,
    action: argparse.Action,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main([*words, *build(parser, action, "")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    names = [*action.option_strings, str(action.metavar or action.dest)]
    assert "is empty" in told
    assert any(name in told for name in names), told
    assert not os.listdir(tmp_path)


FOLDERS = [case for case in CASES if case.values[2].dest == "output" and case.values[2].metavar == "DIR"]


@pytest.mark.parametrize("place", ["/dev/null", "a.txt", "a.txt/b/c"])
@pytest.mark.parametrize(("words", "parser", "action"), FOLDERS)
def test_a_folder_to_write_that_is_none_is_refused_as_such(
    words: tuple[str, ...],
    parser: argparse.ArgumentParser,
    action: argparse.Action,
    place: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("mine")
    assert main.main([*words, *build(parser, action, place)]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"--output is {place}" in told
    assert "is no folder" in told
    assert os.listdir(tmp_path) == ["a.txt"]


INIT = ("data", "init", "--train", "a.json", "--val", "a.json", "--images", ".", "--output", "p.yaml")
BOUNDS = {
    "check --input-size": ("data", "check", "a.json", "--input-size", "0", "-1"),
    "check large --input-size": ("data", "check", "a.json", "--input-size", "9", str(10**20)),
    "check --max-instances": ("data", "check", "a.json", "--max-instances", str(10**15)),
    "init --epochs": (*INIT, "--epochs", str(10**30)),
    "init --gpus": (*INIT, "--gpus", str(10**12)),
    "init --batch": (*INIT, "--batch", "0"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_out_of_range_are_refused_with_their_bounds(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.png", "height": 9, "width": 9}], "annotations": [{"id": 1,'
        ' "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]]}],'
        ' "categories": [{"id": 1, "name": "fig"}]}'
    )
    assert main.main(list(BOUNDS[name])) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert name.rpartition("--")[2] in told
    assert "1 to 1" in told or "0 to 1" in told
    assert len(told) < 200
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("pair", ["cup=a\nb", "cup=\x1b[31m", "cup=\ud800"], ids=["line", "escape", "half"])
def test_a_new_name_with_a_control_character_is_refused(
    pair: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["data", "convert", "a.json", "--images", ".", "--output", "o", "--split", "t", "--rename", pair]
    assert main.main(words) == 2
    assert "rename: the new name is '" in capsys.readouterr().err
    assert not os.listdir(tmp_path)
