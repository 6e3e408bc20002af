"""From an experiment name, YAML files and overrides to a checked ExperimentConfig.

Every way in (the Model Garden flags, the command line, a model directory) passes through here, so
that one text is refused everywhere for the same reason. Model Garden's own parser accepts duplicate
keys, any type for any field, and YAML tags that name Python objects.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from official.core import exp_factory
from official.modeling.hyperparams import base_config
from official_yolact.configs import check
from official_yolact.configs import experiments
from official_yolact.configs import names
from official_yolact.configs import schedules

YAML_DIR = os.path.join(os.path.dirname(__file__), "yaml")

_FLOAT = re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and reads 1e-3 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if key in seen:
                raise ValueError(f"key {key!r} stands on line {seen[key]} and again on line {line}: keep one")
            seen[key] = line
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))


def load_experiment(
    experiment: str | None = None,
    config_files: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> experiments.YolactExperiment:
    """Build and check the configuration of an experiment.

    Args:
      experiment: a registered name, or the original's; None takes the key `experiment` of the first
        file that has one.
      config_files: YAML files, later ones override earlier ones.
      overrides: `a.b=value` terms, or whole YAML or JSON mappings; they override the files.

    Returns:
      The configuration, checked.

    Raises:
      OSError: a file cannot be read.
      ValueError: unknown experiment; text that is not a mapping; unknown key; wrong type or value.
    """
    layers = [(path, read_yaml(path)) for path in config_files]
    layers += [("override", parse_override(text)) for text in overrides]
    name = _experiment_name(experiment, layers)
    params: experiments.YolactExperiment = exp_factory.get_exp_config(name)
    for origin, layer in layers:
        _refuse_unknown_keys(layer, params, origin, "")
        try:
            params.override(dict(layer), is_strict=True)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{origin}: {_plain(error)}") from error
    params.experiment = name
    check.check(params)
    schedules.scale_schedule(params)
    return params


def load_config(config: str, overrides: Sequence[str] = ()) -> experiments.YolactExperiment:
    """Build the configuration that a person means.

    Args:
      config: a YAML file, the name of one that comes with the package, or an experiment (by our
        name or the original's).
      overrides: as for `load_experiment`.

    Returns:
      The configuration, checked.
    """
    path = find_config_file(config)
    return load_experiment(None, [path], overrides) if path else load_experiment(config, [], overrides)


def find_config_file(config: str) -> str | None:
    """Find the YAML file that `config` names; None when it has no such ending and is no file.

    Raises:
      FileNotFoundError: it ends like a YAML file, and is neither on disk nor in the package.
    """
    if os.path.isfile(config):
        return config
    if not config.endswith((".yaml", ".yml", ".json")):
        return None
    shipped = os.path.join(YAML_DIR, config)
    if os.path.basename(config) == config and os.path.isfile(shipped):
        return shipped
    raise FileNotFoundError(
        f"{config}: no such file, and none of the package's: {sorted(os.listdir(YAML_DIR))}"
    )


def load_params(path: str) -> experiments.YolactExperiment:
    """Read the `params.yaml` of a model directory.

    Args:
      path: the file.

    Returns:
      The configuration as it was trained, checked.
    """
    return load_experiment(None, [path])


def read_yaml(path: str) -> Mapping[str, Any]:
    """Read a YAML or JSON mapping.

    Raises:
      OSError: the file is missing or a directory.
      ValueError: it is no YAML, no mapping, or has a key twice; the message names the file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such configuration file")
    with open(path, encoding="utf-8") as file:
        return _parse_mapping(file.read(), path)


def parse_override(text: str) -> Mapping[str, Any]:
    """Read `a.b=value`, several of them joined by commas, a mapping, or the name of a YAML file."""
    if os.path.isfile(text):
        return read_yaml(text)
    if re.match(r"^\s*[\w.]+\s*=", text):
        return _parse_terms(text)
    if "{" not in text and ":" not in text:
        raise ValueError(f"override {text!r}: write key.path=value, for example task.model.num_classes=4")
    return _parse_mapping(text, "override")


def _parse_terms(text: str) -> Mapping[str, Any]:
    nested: dict[str, Any] = {}
    for term in re.split(r",(?=\s*[A-Za-z_][\w.]*\s*=)", text):
        path, _, value = term.partition("=")
        keys = path.strip().split(".")
        node = nested
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = _load(value, f"override {term!r}")
    return nested


def _parse_mapping(text: str, origin: str) -> Mapping[str, Any]:
    loaded = _load(text, origin)
    if not isinstance(loaded, dict):
        raise ValueError(f"{origin}: holds {type(loaded).__name__}, not a mapping of keys to values")
    return loaded


def _load(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{origin}: not valid YAML: {_plain(error)}") from error
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error


def _experiment_name(experiment: str | None, layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    found = names.resolve_name(experiment) if experiment else None
    for origin, layer in layers:
        stated = layer.get("experiment")
        if not stated:
            continue
        named = names.resolve_name(str(stated))
        if found and named != found:
            raise ValueError(
                f"{origin}: experiment is {stated!r}, but {found!r} was asked for: name one of them"
            )
        found = named
    if not found:
        known = sorted(experiments.EXPERIMENTS)
        raise ValueError(f"no experiment is named: give the key `experiment`, one of {known}")
    return found


def _refuse_unknown_keys(
    layer: Mapping[str, Any], config: base_config.Config, origin: str, prefix: str
) -> None:
    known = [field.name for field in dataclasses.fields(config)]
    for key, value in layer.items():
        path = f"{prefix}{key}"
        if key not in known:
            raise ValueError(f"{origin}: unknown key {path!r}{_nearest(str(key), known)}")
        child = getattr(config, key)
        if isinstance(child, base_config.Config):
            if isinstance(value, Mapping):
                _refuse_unknown_keys(value, child, origin, f"{path}.")
            elif value is not None:
                raise ValueError(f"{origin}: {path} is a section, but its value is {value!r}")


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f"; valid here are {sorted(known)}"


def _plain(error: Exception) -> str:
    return " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
