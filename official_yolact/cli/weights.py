"""`yolact weights`: published weights by name."""

from __future__ import annotations

import argparse
import os
from typing import Any

from official_yolact.cli import options
from official_yolact.cli import progress

_DESCRIPTION = """Published weights to start from, by name: task.init_checkpoint=imagenet/mobilenetv2
downloads them when a training begins. Files are kept in ~/.cache/official_yolact, or in the folder that
the environment variable OFFICIAL_YOLACT_CACHE names. OFFICIAL_YOLACT_WEIGHTS_URL names the address of a
folder that has the files, in place of the published addresses."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "weights", help="list or get published weights by name", description=_DESCRIPTION
    )
    commands = parser.add_subparsers(dest="weights_command", required=True, metavar="COMMAND")
    listed = commands.add_parser(
        "list",
        help="show the names",
        description="Show each name with what it fits, size, licence, address, and whether the cache has it.",
    )
    options.set_run(listed, run_list, "the list")
    get = commands.add_parser(
        "get",
        help="download weights and import them",
        description="Download weights, check them and import them, so that a training needs no network."
        " What breaks off goes on with the same command.",
    )
    get.add_argument("name", metavar="NAME", help="a name of `yolact weights list`")
    get.add_argument("--output", metavar="DIR", help="write the imported weights into this folder too")
    get.add_argument(
        "--mirror", metavar="URL", help="address of a folder that has the file, in place of the published one"
    )
    options.add_force(get)
    options.set_run(get, run_get, "what was got")


def run_list(args: argparse.Namespace) -> int:
    """Run `weights list`."""
    from official_yolact.weights import cache
    from official_yolact.weights import named_weights

    entries = [_describe(entry) for entry in named_weights.ENTRIES.values()]
    if args.json:
        options.print_json(args, {"cache": cache.find_folder(), "weights": entries})
        return 0
    for entry in entries:
        about = "" if entry["is_size_exact"] else "about "
        size = f"{about}{entry['size'] / 1e6:.1f} MB"
        state = "in the cache" if entry["cached"] else ""
        print(f"{entry['name']:24} {size:>14}  {', '.join(entry['experiments'])}  {state}".rstrip())
        print(f"    {entry['fits']}; {entry['licence']}")
        print(f"    {entry['url']}; {entry['sum']}")
    print(f"cache: {cache.find_folder()}")
    return 0


def _describe(entry: Any) -> dict[str, Any]:
    from official_yolact.weights import cache
    from official_yolact.weights import imported

    path = cache.find_file(entry)
    return {
        "name": entry.name,
        "modules": entry.modules,
        "experiments": list(entry.experiments),
        "fits": entry.describe_backbone(),
        "backbone": entry.backbone,
        "settings": dict(entry.settings),
        "size": entry.size,
        "is_size_exact": entry.is_size_exact,
        "sha256": entry.sha256,
        "sum": f"sha256 {entry.sha256}" if entry.sha256 else "no published sum is known",
        "licence": entry.licence,
        "url": cache.find_url(entry),
        "file": path,
        "cached": os.path.isfile(path) or imported.is_imported(entry),
    }


def run_get(args: argparse.Namespace) -> int:
    """Run `weights get`."""
    from official_yolact.weights import named_weights

    entry = named_weights.find(args.name)
    from official_yolact import registry_imports  # noqa: F401  for its effects
    from official_yolact.files import downloads
    from official_yolact.importing import named_import
    from official_yolact.weights import imported

    display = downloads.in_megabytes(progress.Progress(f"MB of {entry.name}"))
    folder = named_import.provide(entry, mirror=args.mirror, progress=display, note=progress.say)
    progress.say(imported.describe(entry.name))
    if args.output:
        from official_yolact.weights import cache

        path = cache.fetch(entry, mirror=args.mirror, progress=display, note=progress.say)
        done = named_import.import_file(entry, path, args.output, force=args.force)
        for line in done.lines():
            progress.say(line)
        folder = args.output
    progress.say(f"use it: task.init_checkpoint={args.output or entry.name}")
    options.print_json(args, {**_describe(entry), "directory": folder})
    return 0
