"""What the documents say can be typed can be typed."""

from __future__ import annotations

import argparse
import pathlib
import re
import shlex

import pytest
import yaml

from official_yolact.cli import main

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
RECIPES = sorted((CHECKOUT / "official_yolact" / "configs" / "yaml").glob("*.yaml"))
TRAIN_FLAGS = {"experiment", "config_file", "params_override", "mode", "model_dir", "tpu"}


def _blocks(document: pathlib.Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [block for named, block in fenced if named == language]


def _join_lines(text: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", text).splitlines()


def _header(recipe: pathlib.Path) -> str:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    return "\n".join(re.sub(r"^#\s*(command:)?\s*", "", line) for line in lines if line.startswith("#"))


def _command_lines() -> list[tuple[str, str]]:
    texts = [(document.name, block) for document in DOCUMENTS for block in _blocks(document, "sh")]
    texts += [(recipe.name, _header(recipe)) for recipe in RECIPES]
    return [(name, line.strip()) for name, text in texts for line in _join_lines(text) if line.strip()]


COMMANDS = [
    (name, shlex.split(line.removeprefix(".venv/bin/"), comments=True))
    for name, line in _command_lines()
    if re.match(r"(\.venv/bin/)?yolact ", line)
]
JOBS = [
    (document.name, container["command"])
    for document in DOCUMENTS
    for block in _blocks(document, "yaml")
    if "kind: Job" in block
    for container in yaml.safe_load(block)["spec"]["template"]["spec"]["containers"]
]
TRAIN_COMMANDS = JOBS + [
    (name, shlex.split(line)) for name, line in _command_lines() if "-m official_yolact" in line
]
CONFIGS = [
    (document.name, block)
    for document in DOCUMENTS
    for block in _blocks(document, "yaml")
    if "experiment:" in block
]


def _subcommands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                found += _subcommands(child, (*path, name))
    return found


@pytest.mark.parametrize(("document", "words"), COMMANDS, ids=str)
def test_every_command_in_the_documents_parses(document: str, words: list[str]) -> None:
    if "--help" in words:
        assert main.main(words[1:]) == 0, document
    else:
        assert main.build_parser().parse_args(words[1:]).run, document


@pytest.mark.parametrize(("document", "words"), TRAIN_COMMANDS, ids=str)
def test_every_training_command_uses_flags_of_model_garden(document: str, words: list[str]) -> None:
    flags = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
    assert flags <= TRAIN_FLAGS, document
    assert {"mode", "model_dir"} <= flags, document


@pytest.mark.parametrize(("document", "words"), TRAIN_COMMANDS, ids=str)
def test_every_training_command_has_a_configuration_that_loads(
    document: str, words: list[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    def find(flag: str) -> list[str]:
        return [word.partition("=")[2] for word in words if word.startswith(f"--{flag}=")]

    monkeypatch.chdir(tmp_path)
    files = [name for name in find("config_file") if name != "mine.yaml"]  # the reader's own
    (experiment,) = find("experiment") or [None]
    assert files or experiment, document
    assert loading.load_experiment(experiment, files, find("params_override")), document


def test_the_job_for_kubernetes_is_among_the_training_commands() -> None:
    assert [name for name, _ in JOBS] == ["gke.md"]


def test_the_documents_show_every_command() -> None:
    shown = {words[1] for _, words in COMMANDS}
    known = {path[0] for path in _subcommands(main.build_parser()) if path}
    in_table = set(
        re.findall(r"^\| `yolact ([\w-]+)", (CHECKOUT / "README.md").read_text(), flags=re.MULTILINE)
    )
    assert known == in_table
    assert known <= shown | {"demo"}


@pytest.mark.parametrize("path", _subcommands(main.build_parser()), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([*path, "--help"]) == 0
    assert "usage: yolact" in capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: pathlib.Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_file_that_the_readme_maps_exists() -> None:
    (tree,) = [block for block in _blocks(CHECKOUT / "README.md", "") if block.startswith("official_yolact/")]
    inside = [line.split()[0] for line in tree.splitlines() if line.startswith("  ")]
    assert [name for name in inside if not (CHECKOUT / "official_yolact" / name).exists()] == []


def test_the_readme_lists_every_recipe_and_experiment() -> None:
    from official_yolact.configs import experiments

    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    names = [*experiments.EXPERIMENTS, *(recipe.name for recipe in RECIPES)]
    assert [name for name in names if f"`{name}`" not in readme] == []


@pytest.mark.parametrize(("document", "text"), CONFIGS, ids=lambda value: " ".join(value[:30].split()))
def test_every_configuration_in_the_documents_loads(document: str, text: str, tmp_path: pathlib.Path) -> None:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = loading.load_config(str(path)).as_dict()
    assert loaded["experiment"] == yaml.safe_load(text)["experiment"], document
