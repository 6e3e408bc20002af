"""Write the tables of docs/config.md from the configuration's dataclasses.

python docs/write_config.py
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing
from collections.abc import Iterator, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import yaml

from official.modeling.hyperparams import base_config
from official.modeling.hyperparams import oneof
from official_yolact.configs import experiments
from official_yolact.configs import settings
from official_yolact.configs import values

PAGE = pathlib.Path(__file__).with_name("config.md")
_BEGIN = "<!-- What follows is made from official_yolact/configs by `make pages`. -->\n"
_HEAD = "| field | default | values | meaning |\n|---|---|---|---|\n"
_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
}


def format_page() -> str:
    """Return the page: what is written by hand, and a table for each section below it."""
    written, _, _ = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    tables = _format_section(experiments.YolactExperiment(), "Top level", "")
    return f"{written}{_BEGIN}\n## Every field\n{''.join(tables)}"


def _format_section(config: base_config.Config, title: str, prefix: str) -> Iterator[str]:
    known = values.describe(config)
    names = [field.name for field in dataclasses.fields(config) if field.name in known]
    read = [name for name in names if not known[name].unread]
    if isinstance(config, oneof.OneOfConfig):
        yield f"\n### {title}\n\n{_format_choice(config)}"
    elif names:
        yield f"\n### {title}\n\n{_HEAD}{''.join(_format_row(name, config, known[name]) for name in read)}"
    unread = _group({name: known[name].unread for name in names if name not in read})
    yield "".join(f"\n{listed}: no effect ({why}).\n" for why, listed in unread.items())
    for field in dataclasses.fields(config):
        section, path = getattr(config, field.name), f"{prefix}{field.name}"
        # Both data sections are of one class, and shown as one.
        if _is_shown(section) and field.name != "validation_data":
            both = " and `task.validation_data`" if field.name == "train_data" else ""
            yield from _format_section(section, f"`{path}`{both}", f"{path}.")
    for field in dataclasses.fields(config):
        below = {
            name: f"no effect ({one.unread})" if one.unread else f"only {_words(one)}"
            for name, one in settings.read(field)[1].items()
        }
        for effect, listed in _group(below).items():
            yield f"\nIn `{prefix}{field.name}`, {listed}: {effect}.\n"


def _is_shown(section: object) -> bool:
    return isinstance(section, base_config.Config) and (
        type(section).__module__.startswith("official_yolact") or isinstance(section, oneof.OneOfConfig)
    )


def _format_row(name: str, config: base_config.Config, known: settings.Setting) -> str:
    hint = typing.get_type_hints(type(config))[name]
    types = [_TYPES[kind] for kind in typing.get_args(hint) or (hint,) if kind in _TYPES]
    allowed = _words(known) or " or ".join(types)
    meaning = known.meaning[:1].upper() + known.meaning[1:]
    return f"| `{name}` | `{_dump(getattr(config, name))}` | {allowed} | {meaning} |\n"


def _format_choice(config: oneof.OneOfConfig) -> str:
    """List the sections that `type` chooses among, with the rules of their fields."""
    rows = ""
    for field in dataclasses.fields(config):
        section = getattr(config, field.name)
        if isinstance(section, base_config.Config) and field.name not in values.NOT_BUILT:
            rules = _group({name: _words(one) for name, one in values.describe(section).items()})
            rows += (
                f"| `{field.name}` | {'; '.join(f'{rules[words]}: {words}' for words in rules if words)} |\n"
            )
    head = f"`type` chooses the section that is used; its default is `{_dump(config.type)}`.\n"
    return f"{head}\n| `type` | values of its fields |\n|---|---|\n{rows}"


def _group(of_names: Mapping[str, str]) -> dict[str, str]:
    """List the names that have the same text behind that text."""
    grouped: dict[str, list[str]] = {}
    for name, text in of_names.items():
        grouped.setdefault(text, []).append(f"`{name}`")
    return {text: ", ".join(names) for text, names in grouped.items()}


def _words(one: settings.Setting) -> str:
    return one.rule.words.replace("None", "null") if one.rule else ""


def _dump(value: object) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("...\n").strip()


if __name__ == "__main__":
    PAGE.write_text(format_page(), encoding="utf-8")
