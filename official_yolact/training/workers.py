"""A look at the other workers before they begin together: same configuration, same data, same directory."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from official_yolact import hosts
from official_yolact.configs import architecture
from official_yolact.configs import experiments
from official_yolact.dataloaders import shards
from official_yolact.training import config_changes

_WAIT_SECONDS = 30.0
# What may differ from host to host; of the data, what counts is what they find there.
_OF_A_HOST = (
    "runtime.task_index",
    "runtime.num_gpus",
    "task.train_data.input_path",
    "task.validation_data.input_path",
)


def check_alike(params: experiments.YolactExperiment, mode: str, model_dir: str, strategy: Any) -> None:
    """Refuse to begin with workers that would not do the same; each of them must call this.

    Workers that disagree on the configuration wait for each other for ever, those that read different
    files train on some examples twice, and one that does not see the chief's directory would begin at
    step 0. It also makes the others wait until the chief has set the directory up.

    Args:
      params: the experiment.
      mode: of the run.
      model_dir: its directory.
      strategy: `tf.distribute.Strategy`; with one worker nothing is looked at.

    Raises:
      ValueError: configurations or data differ.
      OSError: a worker does not see the chief's directory.
    """
    num_workers = hosts.count_workers(strategy)
    if num_workers == 1:
        return
    own = {"host": socket.gethostname(), **_describe(params, mode)}
    gathered = [json.loads(each) for each in hosts.gather_bytes(json.dumps(own).encode(), strategy)]
    _check_directory(model_dir, strategy, [str(each["host"]) for each in gathered])
    difference = _find_difference(gathered)
    if difference:
        raise ValueError(difference)
    logging.info("%d workers have the same configuration and data and share %s", num_workers, model_dir)


def _describe(params: experiments.YolactExperiment, mode: str) -> dict[str, Any]:
    config = architecture.flatten(params.as_dict())
    paths = [params.task.train_data.input_path] if "train" in mode else []
    paths += [params.task.validation_data.input_path] if "eval" in mode else []
    return {
        "config": {key: value for key, value in config.items() if key not in _OF_A_HOST},
        "mode": mode,
        "data": {str(path): _digest(path) for path in paths},
    }


def _digest(path: Any) -> str:
    """Summarise the files in one text; their folder may have another name on another host."""
    files = shards.list_files(path)
    stated = [(os.path.basename(file), int(tf.io.gfile.stat(file).length)) for file in files]
    digest = hashlib.sha256(json.dumps(stated).encode()).hexdigest()
    return f"{len(files)} files, {sum(size for _, size in stated)} bytes, names and sizes {digest[:8]}"


def _find_difference(gathered: Sequence[Mapping[str, Any]]) -> str:
    """Compare the workers with the chief; return a message about the first difference, or ""."""
    chief = gathered[0]
    for index, other in enumerate(gathered[1:], start=1):
        where = f"worker {index} ({other['host']})"
        if other["mode"] != chief["mode"]:
            return f"{where} runs mode {other['mode']!r}, the chief ({chief['host']}) {chief['mode']!r}"
        keys = sorted(
            key
            for key in chief["config"].keys() | other["config"].keys()
            if chief["config"].get(key) != other["config"].get(key)
        )
        if keys:
            listed = [f"{key}: {chief['config'].get(key)!r} -> {other['config'].get(key)!r}" for key in keys]
            return (
                f"{where} has another configuration than the chief ({chief['host']}): "
                f"{config_changes.some(listed)}. Give every host the same files and overrides"
            )
        for (path, ours), theirs in zip(chief["data"].items(), other["data"].values(), strict=True):
            if ours != theirs:
                return (
                    f"{path}: {where} finds {theirs}, the chief ({chief['host']}) {ours}: the same files "
                    "must be on every host"
                )
    return ""


def _check_directory(model_dir: str, strategy: Any, names: Sequence[str]) -> None:
    """Let the chief write a file that all others must see."""
    is_chief = hosts.is_chief(strategy)
    mark = os.path.join(model_dir, f".workers-{uuid.uuid4().hex}") if is_chief else ""
    if is_chief:
        tf.io.gfile.makedirs(model_dir)
        with tf.io.gfile.GFile(mark, "w") as stream:
            stream.write("written for a moment by the chief of several workers\n")
    name = hosts.send_from_chief(os.path.basename(mark), strategy)
    try:
        seen = hosts.gather_bytes(json.dumps(_wait_for(os.path.join(model_dir, name))).encode(), strategy)
    finally:
        if is_chief:
            tf.io.gfile.remove(mark)
    blind = [f"worker {index} ({names[index]})" for index, each in enumerate(seen) if not json.loads(each)]
    if blind:
        raise OSError(
            f"{model_dir}: {', '.join(blind)} does not see what the chief ({names[0]}) writes there: several "
            "hosts need one directory that all of them see, on a shared file system or in a bucket (gs://...)"
        )


def _wait_for(path: str) -> bool:
    """Wait for a file: a network file system may show it late."""
    end = time.monotonic() + _WAIT_SECONDS
    while not tf.io.gfile.exists(path):
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
        # Opening the folder makes NFS ask the server again.
        if tf.io.gfile.isdir(os.path.dirname(path)):
            tf.io.gfile.listdir(os.path.dirname(path))
    return True
