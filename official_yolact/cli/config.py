"""`yolact config`: checking and printing configurations."""

from __future__ import annotations

import argparse
import json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("config", help="check a YAML file", description="Look at configurations.")
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check a YAML file and print what it comes to")
    check.add_argument("config", help="YAML file, or the name of a registered experiment")
    check.add_argument("overrides", nargs="*", metavar="key=value", help="override one key of the file")
    check.add_argument(
        "--json", action="store_true", help="print the whole configuration as one line of JSON"
    )
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run `config check`."""
    import yaml

    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.configs import loading

    params = loading.load_config(args.config, args.overrides).as_dict()
    print(json.dumps(params) if args.json else yaml.safe_dump(params, sort_keys=False).rstrip())
    return 0
