"""Whether the records and the checkpoint that a configuration names are there, found before a run."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from official_yolact.checkpoints import model_dir
from official_yolact.configs import experiments
from official_yolact.configs import finding
from official_yolact.configs import yolact as configs
from official_yolact.dataloaders import manifests
from official_yolact.dataloaders import shards
from official_yolact.files import storage
from official_yolact.weights import named_weights
from official_yolact_runtime.files import inputs

_CONVERT = "`yolact data convert` writes DIR/train-*.tfrecord: give that glob"
_CHECKPOINT = "name a directory that training or import-weights wrote, or a name of `yolact weights list`"
_SHARD = re.compile(r"(.+)-[0-9]+-of-[0-9]+(\.tfrecord)?")
_REMOTE = "://"


def find_faults(
    params: experiments.YolactExperiment,
    mode: str = "train_and_eval",
    *,
    usual: configs.YolactTask | None = None,
    checkpoint: bool = True,
) -> Iterator[finding.Finding]:
    """Look for the files that a configuration names.

    Args:
      params: the experiment, checked.
      mode: of the run; records that it does not read are passed over.
      usual: a task whose records are not missed: nobody has named them.
      checkpoint: look for `task.init_checkpoint`, too.

    Yields:
      An error for each key whose file is not there: with the directory that was looked in, and what is there
      and is most like it.
    """
    for section, use in (("train_data", "train"), ("validation_data", "eval")):
        named = getattr(params.task, section).input_path
        is_default = usual is not None and named == getattr(usual, section).input_path
        if use in mode and named and not is_default:
            yield from _look_for_records(f"task.{section}.input_path", named)
    if "train" in mode and "eval" in mode:
        yield from _compare_depths(params.task)
    named = params.task.init_checkpoint or ""
    if checkpoint and named and not named_weights.is_name(named):
        yield from _look_for_checkpoint(named)


def _look_for_records(key: str, named: str | list[str]) -> Iterator[finding.Finding]:
    for pattern in shards.split_patterns(named):
        try:
            shards.list_files(pattern)
        except FileNotFoundError:
            near = _suggest_pattern(pattern)
            cure = f"did you mean {near!r}?" if near else _CONVERT
            yield finding.Finding(
                key, repr(pattern), f"but there is no such file{_describe_place(pattern)}", cure
            )
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = storage.describe(error)
            yield finding.Finding(key, repr(pattern), f"but it cannot be read: {reason}", _CONVERT)


def _compare_depths(task: configs.YolactTask) -> Iterator[finding.Finding]:
    """Warn of photos of 16 bits that were converted otherwise for validation than for training."""
    paths = (task.train_data.input_path, task.validation_data.input_path)
    try:
        options = [manifests.find_manifest(path)[1].options for path in paths]
    except (OSError, ValueError, tf.errors.OpError):
        return
    train, val = (one.get("bit_depth", 16) for one in options)
    if train != val:
        rule = f"was converted with --bit-depth {val}, the training records with {train}"
        cure = "convert both with the same"
        key = "task.validation_data.input_path"
        yield finding.Finding(key, repr(paths[1]), rule, cure, finding.WARNING)


def _look_for_checkpoint(named: str) -> Iterator[finding.Finding]:
    key = "task.init_checkpoint"
    try:
        model_dir.find_checkpoint(named)
    except FileNotFoundError as error:
        is_folder = tf.io.gfile.isdir(named)
        near = "" if is_folder else inputs.suggest(named)
        cure = f"did you mean {near!r}?" if near else _CHECKPOINT
        reason = storage.describe(error).removeprefix(f"{named}: ")
        what = f"but it {reason}" if is_folder else f"but there is {reason}"
        yield finding.Finding(key, repr(named), f"{what}{_describe_place(named)}", cure)
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = storage.describe(error).removeprefix(f"{named}: ")
        yield finding.Finding(key, repr(named), f"but it cannot be used: {reason}", _CHECKPOINT)


def _describe_place(path: str) -> str:
    """Say in which directory a path was looked for: a relative one begins in that of the process."""
    if _REMOTE in path:
        return ""
    folder = os.path.dirname(os.path.abspath(path))
    gone = "" if os.path.isdir(folder) else ", which does not exist"
    relative = "" if os.path.isabs(path) else f" (a relative path begins in {os.getcwd()})"
    return f": looked in {folder}{gone}{relative}"


def _suggest_pattern(pattern: str) -> str:
    """Find the glob of shards, or the file, that a pattern without a file means most likely."""
    if _REMOTE in pattern:
        return ""
    folder, name = os.path.split(pattern)
    near = folder if not folder or os.path.isdir(folder) else inputs.suggest(folder)
    if not near and folder:
        return ""
    try:
        listed = os.listdir(near or os.curdir)
    except OSError:
        return ""
    shapes = [match.expand(r"\1-*") + (match[2] or "") for match in map(_SHARD.fullmatch, listed) if match]
    globs = sorted(set(shapes))
    likely = [one for one in globs if one.startswith(f"{name.rstrip('*').rstrip('-')}-")]
    found = likely[:1] or difflib.get_close_matches(name, [*globs, *listed], n=1, cutoff=0.5)
    return os.path.join(near, found[0]) if found else ""
