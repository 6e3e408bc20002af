"""`yolact config`: checking and printing configurations."""

from __future__ import annotations

import argparse
from typing import Any

from official_yolact.cli import options
from official_yolact_runtime.files import json_text


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "config", help="check or print a YAML file", description="Look at configurations."
    )
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="say everything that is wrong with a YAML file",
        description="Say everything that is wrong, with line, key, value, rule and cure. Exit code 0: it can"
        " be used; 2: it cannot.",
    )
    show = commands.add_parser(
        "show",
        help="print the whole configuration of a YAML file",
        description="Print the whole configuration that training gets, defaults and overrides included.",
    )
    for command, function, printed in (
        (check, run, "the findings"),
        (show, run_show, "the whole configuration"),
    ):
        options.add_config(command)
        options.set_run(command, function, printed)


def run(args: argparse.Namespace) -> int:
    """Run `config check`."""
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading
    from official_yolact.tasks import annotation_file
    from official_yolact.tasks import named_files

    params, findings = loading.examine_config(
        args.config,
        args.overrides,
        lambda params: [
            *named_files.find_faults(params, usual=loading.find_usual(args.config, params).task),
            *annotation_file.find_faults(params.task),
        ],
    )
    weights, differences = _describe_weights(params), _compare_weights(params)
    if args.json:
        listed = [one.as_dict() for one in findings]
        ok = params is not None
        print(
            json_text.dump(
                {"config": args.config, "ok": ok, "findings": listed, "differences": differences, **weights}
            )
        )
        return 0 if params is not None else 2
    for one in findings:
        print(f"{one.severity}: {one}")
    for line in weights.values():
        print(f"weights: {line}")
    for line in differences:
        print(f"weights: {line}")
    errors = sum(one.severity == "error" for one in findings)
    verdict = f"{_count(errors, 'error')}: it cannot be used" if errors else "it can be used"
    warnings = len(findings) - errors
    noted = f" ({_count(warnings, 'warning')})" if warnings else ""
    print(f"{args.config}: {verdict}{noted}")
    return 0 if params is not None else 2


def _describe_weights(params: Any) -> dict[str, str]:
    """Say where weights that are called by name are; empty without such."""
    from official_yolact.weights import imported
    from official_yolact.weights import named_weights

    checkpoint = (params.task.init_checkpoint or "") if params is not None else ""
    return {"weights": imported.describe(checkpoint)} if named_weights.is_name(checkpoint) else {}


def _compare_weights(params: Any) -> list[str]:
    """Say in what the model of a directory of weights differs from the one that takes them over."""
    from official_yolact.checkpoints import meaning
    from official_yolact.weights import named_weights

    checkpoint = (params.task.init_checkpoint or "") if params is not None else ""
    if not checkpoint or named_weights.is_name(checkpoint):
        return []
    modules = named_weights.choose_modules(checkpoint, params.task.init_checkpoint_modules)
    return meaning.find_differences(checkpoint, params.task.model, modules)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def run_show(args: argparse.Namespace) -> int:
    """Run `config show`."""
    import yaml

    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading

    params = loading.load_config(args.config, args.overrides).as_dict()
    print(json_text.dump(params) if args.json else yaml.safe_dump(params, sort_keys=False).rstrip())
    return 0
