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
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from official.modeling import hyperparams
from official_yolact.configs import check
from official_yolact.configs import experiments
from official_yolact.configs import fields
from official_yolact.configs import finding
from official_yolact.configs import names
from official_yolact.configs import no_effect
from official_yolact.configs import schedules
from official_yolact.configs import yaml_document
from official_yolact_runtime import values
from official_yolact_runtime.files import inputs

YAML_DIR = os.path.join(os.path.dirname(__file__), "yaml")

_TERM = re.compile(r"^\s*[A-Za-z_][\w.]*\s*=")
_NEXT_TERM = re.compile(r",(?=\s*[A-Za-z_][\w.]*\s*=)")
_OVERRIDE = "override"


def load_experiment(
    experiment: str | None = None,
    config_files: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> experiments.YolactExperiment:
    """Build and check the configuration of an experiment.

    Args:
      experiment: a registered name, or the original's; None: the key `experiment` of the first file
        that has one.
      config_files: YAML files or names of ones that come with the package, later ones override
        earlier ones.
      overrides: `a.b=value` terms, or whole YAML or JSON mappings; they override the files.

    Returns:
      The configuration, checked; what has no effect is logged.

    Raises:
      OSError: a file cannot be read.
      ValueError: lists everything that is wrong, one a line, each with file and line, key path, value,
        rule and cure.
    """
    return _require(*examine_experiment(experiment, config_files, overrides))


def examine_experiment(
    experiment: str | None = None,
    config_files: Sequence[str] = (),
    overrides: Sequence[str] = (),
    find_more: Callable[[experiments.YolactExperiment], Iterable[finding.Finding]] = lambda _: (),
) -> tuple[experiments.YolactExperiment | None, list[finding.Finding]]:
    """Build the configuration of an experiment, and collect all that is wrong with it.

    Args:
      experiment: as for `load_experiment`.
      config_files: as for `load_experiment`.
      overrides: as for `load_experiment`.
      find_more: a check of files that the configuration names, for one whose values are right.

    Returns:
      The configuration, its schedule scaled, or None where there are errors; and the findings, in the
      order of files and lines.

    Raises:
      OSError: a file cannot be read.
    """
    layers = [_read_file(find_config_file(path) or path) for path in config_files]
    for text in overrides:
        layers += _read_override(text)
    findings = [one for layer in layers for one in layer.findings]
    name, about_name = _find_name(experiment, layers)
    findings += about_name
    if name is None:
        return None, findings
    default: experiments.YolactExperiment = experiments.EXPERIMENTS[name]()
    params = default.replace()
    for layer in layers:
        findings += _override(params, layer)
    params.experiment = name
    wrong = {one.path for one in findings}
    # Where a value was refused, its field has the default, about which nobody asked.
    errors = [one for one in check.find_errors(params) if not wrong & {one.path, *one.others}]
    findings += [_locate(one, layers, name) for one in errors]
    if any(one.severity == finding.ERROR for one in findings):
        return None, _sort([_name_default(one, default) for one in findings], layers)
    fields.make_floats(params)
    schedules.scale_schedule(params)
    more = [
        *no_effect.find_ignored(params, default),
        *no_effect.find_unlikely(params),
        *find_more(params),
    ]
    findings += [_locate(one, layers, name) for one in more]
    is_usable = all(one.severity != finding.ERROR for one in more)
    return params if is_usable else None, _sort(findings, layers)


def examine_config(
    config: str,
    overrides: Sequence[str] = (),
    find_more: Callable[[experiments.YolactExperiment], Iterable[finding.Finding]] = lambda _: (),
) -> tuple[experiments.YolactExperiment | None, list[finding.Finding]]:
    """Examine the configuration that a person means; see `load_config` and `examine_experiment`."""
    path = find_config_file(config)
    name, paths = (None, [path]) if path else (config, [])
    return examine_experiment(name, paths, overrides, find_more)


def load_config(config: str, overrides: Sequence[str] = ()) -> experiments.YolactExperiment:
    """Build the configuration that a person means.

    Args:
      config: a YAML file, the name of one that comes with the package, or an experiment (by our
        name or the original's).
      overrides: as for `load_experiment`.

    Returns:
      The configuration, checked.
    """
    return _require(*examine_config(config, overrides))


def _require(
    params: experiments.YolactExperiment | None, findings: list[finding.Finding]
) -> experiments.YolactExperiment:
    finding.report(findings)
    assert params is not None  # there were no errors
    return params


def find_config_file(config: str) -> str | None:
    """Find the YAML file that `config` names; None when it has no such ending and is no file.

    Raises:
      FileNotFoundError: it ends like a YAML file, and is neither on disk nor in the package.
    """
    if tf.io.gfile.exists(config) and not tf.io.gfile.isdir(config):
        return config
    if not config.endswith((".yaml", ".yml", ".json")):
        return None
    shipped = os.path.join(YAML_DIR, config)
    if os.path.basename(config) == config and os.path.isfile(shipped):
        return shipped
    known = sorted(os.listdir(YAML_DIR))
    near = inputs.suggest(config) or next(iter(difflib.get_close_matches(config, known, n=1)), "")
    if near:
        raise FileNotFoundError(f"{config}: no such file: did you mean {near}?")
    raise FileNotFoundError(f"{config}: no such file, and none of the package's: {known}")


def find_usual(config: str, params: experiments.YolactExperiment) -> experiments.YolactExperiment:
    """Build what the package ships: the YAML file that `config` names, or the experiment of `params`."""
    path = find_config_file(config)
    is_shipped = path is not None and os.path.dirname(path) == YAML_DIR
    shipped = examine_config(config)[0] if is_shipped else None
    return shipped or experiments.EXPERIMENTS[params.experiment]()


def to_yaml(params: hyperparams.Config) -> str:
    """Write a configuration as Model Garden writes it into `params.yaml`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "params.yaml")
        hyperparams.save_params_dict_to_yaml(params, path)
        with open(path, encoding="utf-8") as file:
            return file.read()


def read_yaml(path: str) -> Mapping[str, Any]:
    """Read a YAML or JSON mapping.

    Raises:
      OSError: the file is missing or a directory.
      ValueError: it is no YAML, no mapping, or has a key twice; the message names file and line.
    """
    document = _read_file(path)
    finding.report(document.findings)
    data: Mapping[str, Any] = document.data
    return data


def _read_file(path: str) -> yaml_document.YamlDocument:
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"{path}: no such configuration file{inputs.hint(path)}")
    inputs.check(path)
    with tf.io.gfile.GFile(path, "rb") as file:
        content: bytes = file.read()
    document = yaml_document.YamlDocument("{}", path)
    if b"\0" in content[:4] and content[:1] not in (b"\xff", b"\xfe"):
        document.add("", "is UTF-16 or UTF-32", "save the file as UTF-8", line=1)
        return document
    try:
        return _read_mapping(content.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        rule = f"is not UTF-8: byte 0x{content[error.start]:02x} stands there"
        document.add("", rule, "save the file as UTF-8", line=line)
        return document


def _read_mapping(text: str, origin: str) -> yaml_document.YamlDocument:
    document = yaml_document.YamlDocument(text, origin)
    if not isinstance(document.data, dict):
        if not document.findings:
            value = "" if document.data is None else finding.show(document.data)
            held = "nothing" if document.data is None else type(document.data).__name__
            rule = f"holds {held}, not a mapping of keys to values"
            document.add("", rule, "write `experiment: NAME` and the sections below it", value)
        document.data = {}
    return document


def _read_override(text: str) -> list[yaml_document.YamlDocument]:
    """Read `a.b=value`, several of them joined by commas, a mapping, or the name of a YAML file."""
    if os.path.isfile(text):
        return [_read_file(text)]
    if _TERM.match(text):
        return [_read_term(term) for term in _NEXT_TERM.split(text)]
    if "{" in text or ":" in text:
        document = _read_mapping(text, _OVERRIDE)
        document.findings = [
            one if one.path or one.value else dataclasses.replace(one, value=values.shorten(text))
            for one in document.findings
        ]
    else:
        document = yaml_document.YamlDocument("{}", _OVERRIDE)
        cure = "write key.path=value, for example task.model.num_classes=4"
        document.add("", "is no key and value", cure, repr(text))
    return [_without_lines(document)]


def _read_term(term: str) -> yaml_document.YamlDocument:
    path, _, value = term.partition("=")
    document = yaml_document.YamlDocument(value, _OVERRIDE)
    keys = path.strip().split(".")
    document.findings = [
        dataclasses.replace(one, path=".".join(filter(None, [path.strip(), one.path])))
        for one in document.findings
    ]
    for key in reversed(keys):
        document.data = {key: document.data} if not document.findings else {}
    document.lines = {path.strip(): 1, **{f"{path.strip()}.{below}": 1 for below in document.lines}}
    return _without_lines(document)


def _without_lines(document: yaml_document.YamlDocument) -> yaml_document.YamlDocument:
    """Forget the lines of a text that no one sees as lines."""
    document.findings = [dataclasses.replace(one, line=None) for one in document.findings]
    document.lines = dict.fromkeys(document.lines, 0)
    return document


def _find_name(
    experiment: str | None, layers: Sequence[yaml_document.YamlDocument]
) -> tuple[str | None, list[finding.Finding]]:
    """Find the experiment that is asked for, or why there is none."""
    found = names.resolve_name(experiment) if experiment else None
    findings: list[finding.Finding] = []
    for layer in layers:
        stated = layer.data.get("experiment")
        if not stated:
            continue
        problem = None
        try:
            named = names.resolve_name(str(stated))
        except ValueError as error:
            cure = str(error).removeprefix(f"unknown experiment {str(stated)!r}").lstrip(":; ")
            problem = "is an unknown experiment", cure
        else:
            if found and named != found:
                problem = f"but {found!r} was asked for", "name one of them"
            found = found or named
        if problem:
            one = finding.Finding("experiment", finding.show(stated), *problem)
            findings.append(_locate(one, [layer], layer.origin))
    if not found and not findings:
        cure = f"give the key `experiment`, one of {', '.join(sorted(experiments.EXPERIMENTS))}"
        origin = layers[0].origin if layers else ""
        findings.append(finding.Finding("experiment", "", "no experiment is named", cure, origin=origin))
    return found, findings


def _override(
    params: experiments.YolactExperiment, layer: yaml_document.YamlDocument
) -> list[finding.Finding]:
    """Put into a configuration what of a layer can be; report the rest."""
    data = {key: value for key, value in layer.data.items() if key != "experiment"}
    known, findings = fields.take_known(data, params)
    try:
        params.override(known, is_strict=True)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        rule = f"cannot be used: {' '.join(str(error).split())}"
        findings.append(finding.Finding("", "", rule, "correct the values"))
    return [_locate(one, [layer], layer.origin) for one in findings]


def _locate(
    found: finding.Finding, layers: Sequence[yaml_document.YamlDocument], name: str
) -> finding.Finding:
    """Find where the value of a finding was written, last of all; otherwise the nearest key above it."""
    keys = found.path.split(".")
    above = [".".join(keys[:length]) for length in range(len(keys) - 1, 0, -1)]
    for path in (found.path, *found.others, *above):
        for layer in reversed(layers):
            if path in layer.lines:
                return dataclasses.replace(found, origin=layer.origin, line=layer.lines[path] or None)
    return dataclasses.replace(found, origin=name)


def _name_default(found: finding.Finding, default: experiments.YolactExperiment) -> finding.Finding:
    """Add to a cure that falls back on the experiment's value what that is."""
    if not found.cure.endswith(finding.KEEP_DEFAULT):
        return found
    value: Any = default
    for key in found.path.split("."):
        value = getattr(value, key, None)
    return dataclasses.replace(found, cure=f"{found.cure} ({finding.show(value)})")


def _sort(
    findings: Sequence[finding.Finding], layers: Sequence[yaml_document.YamlDocument]
) -> list[finding.Finding]:
    """Sort findings by file and line, and drop those that occur twice."""
    order = {layer.origin: index for index, layer in reversed(list(enumerate(layers)))}
    unique = list(dict.fromkeys(findings))
    return sorted(unique, key=lambda one: (order.get(one.origin, len(order)), one.line or 0))
