"""The folder of a conversion in progress: what is complete in it is kept, only one process writes to it.

`DIR/.NAME.incomplete/` holds shards that are complete once their summary is there. The last step moves
them to their final names; `publishing.json` says what that step is doing, so that it can be finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

from official_yolact.data.conversion import shard_writer
from official_yolact.files import locks
from official_yolact.files import storage
from official_yolact.records import manifest as manifest_lib
from official_yolact_runtime.files import json_text
from official_yolact_runtime.files import outputs

_LOCK, _WORKERS, _JOB, _PUBLISHING = "lock", "workers", "job.json", "publishing.json"
_LOCK_SECONDS = 10.0


def path_of(output_dir: str, split: str) -> str:
    """Name the work folder of a split."""
    return os.path.join(output_dir, f".{split}{outputs.INCOMPLETE}")


@contextlib.contextmanager
def hold(folder: str) -> Iterator[None]:
    """Hold the folder for one conversion, once the workers of an earlier one have ended.

    Args:
      folder: the work folder; is made.

    Raises:
      OSError: another conversion holds it.
    """
    held = _lock_alone(folder, _LOCK)
    try:
        os.close(_lock_alone(folder, _WORKERS))
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def work_in(folder: str) -> Iterator[None]:
    """Be a worker of the conversion that holds the folder."""
    descriptor, _ = locks.acquire(os.path.join(folder, _WORKERS), shared=True)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock_alone(folder: str, name: str) -> int:
    try:
        return locks.acquire(os.path.join(folder, name), seconds=_LOCK_SECONDS)[0]
    except BlockingIOError:
        raise OSError(
            f"{folder}: another conversion of this split is running: wait for it or stop it"
        ) from None


def prepare(folder: str, job: dict[str, Any]) -> bool:
    """Keep what an earlier run of the very same conversion left, clear everything else.

    Args:
      folder: the work folder, held.
      job: what decides every byte of the conversion.

    Returns:
      Whether there was an earlier run of it.
    """
    path = os.path.join(folder, _JOB)
    if _load(path) == job:
        for name in os.listdir(folder):
            if name.endswith(outputs.INCOMPLETE):
                os.remove(os.path.join(folder, name))
        return True
    for name in os.listdir(folder):
        if name not in (_LOCK, _WORKERS, _PUBLISHING):
            os.remove(os.path.join(folder, name))
    storage.store_json(path, job)
    return False


def find_complete(folder: str, output_dir: str, name: str, inputs: str) -> bool:
    """Check whether a shard is complete, in the work folder or already under its final name.

    An incomplete one is removed from the work folder.
    """
    path = os.path.join(folder, name)
    summary = load_summary(folder, name)
    if summary is not None and (summary.shard.file, summary.inputs) == (name, inputs):
        written = path if os.path.exists(path) else os.path.join(output_dir, name)
        entries = f"{path}{shard_writer.ENTRIES_SUFFIX}"
        shard = (summary.shard.bytes, summary.shard.sha256)
        if _holds(written, shard) and _holds(entries, summary.entries):
            return True
    for suffix in (shard_writer.SUMMARY_SUFFIX, shard_writer.ENTRIES_SUFFIX, ""):
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{path}{suffix}")
    return False


def load_summary(folder: str, name: str) -> shard_writer.Summary | None:
    """Read the summary of a shard, or None where there is none."""
    return shard_writer.Summary.load(os.path.join(folder, f"{name}{shard_writer.SUMMARY_SUFFIX}"))


def read_entries(folder: str, names: list[str]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Read each image's COCO entry and those of its annotations, shard after shard."""
    for name in names:
        with open(os.path.join(folder, f"{name}{shard_writer.ENTRIES_SUFFIX}"), "rb") as file:
            for line in file:
                image, annotations = json.loads(line)
                yield image, annotations


def find_earlier_shards(output_dir: str, split: str, force: bool = False) -> set[str]:
    """List the shards of this split that are there from an earlier conversion.

    Args:
      output_dir: where they are.
      split: their name.
      force: replace what was changed since.

    Raises:
      ValueError: there are shards of no conversion, which a reader's pattern would match too; or a file
        that is to be replaced is not as a conversion wrote it.
    """
    for name in (f"instances-{split}.json", manifest_lib.file_name(split)):
        outputs.check(os.path.join(output_dir, name), force=force)
    pattern = re.compile(re.escape(split) + r"-\d{5,}-of-\d{5,}\.tfrecord")
    found = {name for name in os.listdir(output_dir) if pattern.fullmatch(name)}
    path = os.path.join(output_dir, manifest_lib.file_name(split))
    ours: set[str] = set()
    if os.path.exists(path):
        try:
            ours = {shard.file for shard in manifest_lib.Manifest.load(path).shards}
        except ValueError:
            if not force:
                raise
    publishing = _load(os.path.join(path_of(output_dir, split), _PUBLISHING))
    if isinstance(publishing, dict):
        ours.update(publishing.get("shards", []))
    if found - ours:
        raise ValueError(
            f"{output_dir}: {sorted(found - ours)[0]} belongs to no finished conversion:"
            " remove it or choose another output folder"
        )
    for name in sorted(found):
        outputs.check(os.path.join(output_dir, name), force=force)
    return found


def find_published(output_dir: str, split: str) -> manifest_lib.Manifest | None:
    """Return the manifest of a run that published everything and was stopped before it removed the folder."""
    publishing = _load(os.path.join(path_of(output_dir, split), _PUBLISHING))
    path = os.path.join(output_dir, manifest_lib.file_name(split))
    if not isinstance(publishing, dict) or not os.path.isfile(path):
        return None
    is_last = storage.measure(path)[1] == publishing.get("manifest")
    return manifest_lib.Manifest.load(path) if is_last else None


def publish(
    output_dir: str, manifest: manifest_lib.Manifest, instances: Iterator[bytes], earlier: set[str]
) -> None:
    """Move everything to its final name, the manifest last.

    Args:
      output_dir: where the work folder is.
      manifest: names the shards.
      instances: content of the JSON of what was written.
      earlier: shards of an earlier conversion; those with no successor of that name are removed.
    """
    folder = path_of(output_dir, manifest.name)
    names = [shard.file for shard in manifest.shards]
    manifest_path = os.path.join(output_dir, manifest_lib.file_name(manifest.name))
    _, listed = storage.store(os.path.join(folder, manifest.annotations), instances, staged=True)
    staged = os.path.join(folder, os.path.basename(manifest_path))
    manifest.save(staged)
    digest = storage.measure(staged)[1]
    note = {"shards": sorted(earlier.union(names)), "manifest": digest}
    storage.store_json(os.path.join(folder, _PUBLISHING), note)
    with contextlib.suppress(FileNotFoundError):
        os.remove(manifest_path)
    for name in earlier.difference(names):
        os.remove(os.path.join(output_dir, name))
    for shard in manifest.shards:
        with contextlib.suppress(FileNotFoundError):
            outputs.move(os.path.join(folder, shard.file), os.path.join(output_dir, shard.file), shard.sha256)
    outputs.move(
        os.path.join(folder, manifest.annotations), os.path.join(output_dir, manifest.annotations), listed
    )
    outputs.move(staged, manifest_path, digest)


def remove_if_empty(folder: str) -> None:
    """Remove the work folder, unless a shard in it is complete."""
    complete = f".tfrecord{shard_writer.SUMMARY_SUFFIX}"
    with contextlib.suppress(FileNotFoundError):
        if not any(name.endswith(complete) or name == _PUBLISHING for name in os.listdir(folder)):
            remove(folder)


def remove(folder: str) -> None:
    """Remove the work folder."""
    shutil.rmtree(folder, ignore_errors=True)


def _holds(path: str, expected: tuple[int, str]) -> bool:
    """Compare the size and sha256 of a file, which need not exist."""
    try:
        return os.path.getsize(path) == expected[0] and storage.measure(path) == expected
    except OSError:
        return False


def _load(path: str) -> Any:
    try:
        return json_text.load(path)
    except (OSError, ValueError):
        return None
