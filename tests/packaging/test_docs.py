"""What the documents name exists, and what they say can be typed can be typed."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import re
import runpy
import shlex

import pytest
import yaml

from official_yolact.cli import main

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
PACKAGES = (CHECKOUT / "official_yolact", CHECKOUT / "runtime" / "official_yolact_runtime")
RECIPES = sorted((CHECKOUT / "official_yolact" / "configs" / "yaml").glob("*.yaml"))
PAGE = CHECKOUT / "official_yolact" / "exporting" / "page"
PAGE_ON_OTHERS = "coming-from.md"
PAGES_ON_THE_CODE = {"CONTRIBUTING.md", "how-the-code-runs.md"}
PARSER = main.build_parser()
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


def _children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: child for action in actions for name, child in action.choices.items()}


def _subcommands(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [_subcommands(child, (*path, name)) for name, child in _children(parser).items()]
    return [path, *itertools.chain.from_iterable(below)]


def test_every_command_in_the_documents_parses() -> None:
    for document, words in COMMANDS:
        if "--help" in words:
            assert main.main(words[1:]) == 0, document
        else:
            assert PARSER.parse_args(words[1:]).run, document


def test_every_training_command_uses_flags_of_model_garden() -> None:
    for document, words in TRAIN_COMMANDS:
        flags = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= TRAIN_FLAGS, document
        assert {"mode", "model_dir"} <= flags, document


def test_every_training_command_has_a_configuration_that_loads(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    monkeypatch.chdir(tmp_path)
    for document, words in TRAIN_COMMANDS:
        flags = [word.partition("=") for word in words if word.startswith("--")]
        files = [value for flag, _, value in flags if flag == "--config_file" and value != "mine.yaml"]
        (experiment,) = [value for flag, _, value in flags if flag == "--experiment"] or [None]
        overrides = [value for flag, _, value in flags if flag == "--params_override"]
        assert files or experiment, document
        assert loading.load_experiment(experiment, files, overrides), document


def test_the_job_for_kubernetes_is_among_the_training_commands() -> None:
    assert [name for name, _ in JOBS] == ["gke.md"]


def test_the_documents_show_every_command() -> None:
    shown = {words[1] for _, words in COMMANDS}
    known = {path[0] for path in _subcommands(PARSER) if path}
    in_table = set(
        re.findall(r"^\| `yolact ([\w-]+)", (CHECKOUT / "README.md").read_text(), flags=re.MULTILINE)
    )
    assert known == in_table
    assert known <= shown | {"demo"}


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for path in _subcommands(PARSER):
        assert main.main([*path, "--help"]) == 0
        assert "usage: yolact" in capsys.readouterr().out, path


def test_every_link_path_target_and_option_that_the_documents_name_exists() -> None:
    missing = [
        (document.name, name)
        for document in DOCUMENTS
        for name in [*_missing_links(document), *_missing_names(document)]
    ]
    assert missing == []


def _missing_links(document: pathlib.Path) -> list[str]:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", document.read_text(encoding="utf-8"))
    missing = []
    for path, anchor in links:
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(f"{path}#{anchor}")
    return missing


def _anchors(document: pathlib.Path) -> list[str]:
    """List the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def _missing_names(document: pathlib.Path) -> list[str]:
    """List paths of the checkout, make targets, commands and their options that do not exist."""
    text = document.read_text(encoding="utf-8")
    if document.name == PAGE_ON_OTHERS:  # whose commands and files are not ours
        text = re.sub(r"`python [^`\n]*`|`data/config.py`", "", text)
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    paths = re.findall(r"(?<![\w/.-])(?:\w+/)*\w+\.py\b|\b(?:docs|tests|benchmarks)/[\w./-]*\w", text)
    if document.name in PAGES_ON_THE_CODE:
        paths += [name for name in quoted if re.fullmatch(r"(\w+/)+", name)]
    missing = [path for path in paths if "NAME" not in path and not _is_in_checkout(path)]
    targets = re.findall(r"^make ([\w-]+)", "\n".join(_blocks(document, "sh") + quoted), flags=re.MULTILINE)
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    missing += [f"make {name}" for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)]
    return missing + [name for name in quoted if name.startswith("yolact ") and not _is_command(name)]


def _is_in_checkout(path: str) -> bool:
    return any((root / path).exists() for root in (CHECKOUT, *PACKAGES, PAGE))


def _is_command(text: str) -> bool:
    """Tell whether the words before the first argument are a command, which has the options of the text."""
    parser = PARSER
    for word in text.split()[1:]:
        option = re.match(r"--[\w-]+", word)
        if option and option[0] not in parser._option_string_actions:
            return False
        if children := _children(parser):
            if word not in children:
                return False
            parser = children[word]
    return True


def test_every_file_that_the_code_names_exists() -> None:
    files = [
        path
        for folder in (*PACKAGES, CHECKOUT / "benchmarks", CHECKOUT / "docs")
        for path in folder.glob("**/*.py")
    ]
    pattern = re.compile(r"\b(?:docs|tests|benchmarks)/[\w/-]+\.\w+")
    named = [
        (path.name, name) for path in files for name in pattern.findall(path.read_text(encoding="utf-8"))
    ]
    assert named
    assert [(path, name) for path, name in named if not _is_in_checkout(name)] == []


def test_every_file_that_the_readme_maps_exists() -> None:
    (tree,) = [block for block in _blocks(CHECKOUT / "README.md", "") if block.startswith("official_yolact/")]
    inside = [line.split()[0] for line in tree.splitlines() if line.startswith("  ")]
    assert [name for name in inside if not (CHECKOUT / "official_yolact" / name).exists()] == []


@pytest.mark.parametrize("name", ["write_codes", "write_config", "write_zoo"])
def test_what_pages_have_from_the_code_is_what_the_code_says(name: str) -> None:
    script = runpy.run_path(str(CHECKOUT / "docs" / f"{name}.py"))
    assert script["PAGE"].read_text(encoding="utf-8") == script["format_page"](), "run make pages"


def test_the_readme_lists_every_recipe_and_experiment() -> None:
    from official_yolact.configs import experiments

    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    names = [*experiments.EXPERIMENTS, *(recipe.name for recipe in RECIPES)]
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_every_configuration_in_the_documents_loads(tmp_path: pathlib.Path) -> None:
    import official_yolact.registry_imports  # noqa: F401  fills the registries
    from official_yolact.configs import loading

    path = tmp_path / "mine.yaml"
    for document, text in CONFIGS:
        path.write_text(text, encoding="utf-8")
        loaded = loading.load_config(str(path)).as_dict()
        assert loaded["experiment"] == yaml.safe_load(text)["experiment"], document


def test_every_message_of_the_page_on_troubleshooting_is_one_of_the_code() -> None:
    page = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    sources = [path.read_text(encoding="utf-8") for root in PACKAGES for path in root.rglob("*.py")]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))  # the parts of a string that spans lines
    of_tensorflow = ["Collective ops is aborted by"]
    assert [message for message in messages if message not in code] == of_tensorflow


def test_every_key_of_a_configuration_that_the_documents_name_exists() -> None:
    from official_yolact.configs import experiments

    params = experiments.EXPERIMENTS["yolact_mobilenetv2_coco"]()
    pattern = r"(?<![\w/.])((?:task|trainer|runtime)(?:\.[a-z_0-9]+)+)(?![\w(]|\.\w)"
    named = {
        (document.name, key)
        for document in DOCUMENTS
        for key in re.findall(pattern, document.read_text(encoding="utf-8"))
    }
    missing = []
    for document, key in sorted(named):
        section = params
        for name in key.split("."):
            if section is not None and not hasattr(section, name):
                missing.append((document, key))
            section = getattr(section, name, None)
    assert missing == [
        ("config.md", "task.train_data.globl_batch_size")
    ]  # shown with the error that names it
