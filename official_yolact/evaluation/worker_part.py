"""The detections of one worker, and the check that all workers evaluated every record once."""

from __future__ import annotations

import collections
import dataclasses
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence

from official_yolact.evaluation import results as results_lib

_MAX_LISTED = 20


@dataclasses.dataclass
class WorkerPart:
    """What a worker has evaluated.

    Attributes:
      num_records: length of the data set that the worker reads.
      num_examples: examples that it evaluated, also those that only fill up a batch.
      positions: index in the data set of each record that it evaluated.
      image_ids: image of each of these records; -1 where the record was unusable.
      num_unlisted: images that the annotation file does not list.
      boxes: detections with boxes.
      masks: detections with masks.
    """

    num_records: int
    num_examples: int
    positions: list[int]
    image_ids: list[int]
    num_unlisted: int
    boxes: list[results_lib.Result]
    masks: list[results_lib.Result]

    def to_bytes(self) -> bytes:
        """Encode all fields."""
        # Of the fields themselves: `asdict` would copy each detection. JSON keeps floats to the last bit.
        return zlib.compress(json.dumps(vars(self)).encode(), level=1)

    @classmethod
    def from_bytes(cls, content: bytes) -> WorkerPart:
        """Decode what `to_bytes` returned."""
        return cls(**json.loads(zlib.decompress(content)))


def check_parts(parts: Sequence[WorkerPart]) -> None:
    """Check that the workers have evaluated each record once, as many as one process would have.

    Raises:
      ValueError: they have not; the message names records and images.
    """
    counts = [part.num_records for part in parts]
    if len(set(counts)) > 1:
        raise ValueError(
            f"the workers read validation data of {counts} records: task.validation_data.input_path must "
            "name the same files on every host"
        )
    found = collections.Counter(position for part in parts for position in part.positions)
    expected = min(counts[0], sum(part.num_examples for part in parts))
    ids = {p: i for part in parts for p, i in zip(part.positions, part.image_ids, strict=True)}
    for what, positions in (
        ("not evaluated", [p for p in range(expected) if p not in found]),
        ("evaluated more than once", sorted(p for p, count in found.items() if count > 1)),
    ):
        if positions:
            named = [f"{p} (image {ids[p]})" if p in ids else str(p) for p in positions[:_MAX_LISTED]]
            more = f" and {len(positions) - len(named)} more" if len(positions) > len(named) else ""
            raise ValueError(
                f"{len(positions)} of {counts[0]} validation records were {what}: record "
                f"{', '.join(named)}{more}. Each worker must take the records of its input pipeline"
            )


def find_owners(parts: Sequence[WorkerPart]) -> dict[int, int]:
    """Find the worker whose detections of an image count: the first one in the order of records.

    Only where a data set has an image twice do two workers have it.
    """
    rows = sorted(
        (position, image_id, worker)
        for worker, part in enumerate(parts)
        for position, image_id in zip(part.positions, part.image_ids, strict=True)
        if image_id != -1
    )
    owners: dict[int, int] = {}
    for _, image_id, worker in rows:
        owners.setdefault(image_id, worker)
    return owners


def select_results(
    parts: Iterable[list[results_lib.Result]], owners: Mapping[int, int]
) -> list[results_lib.Result]:
    """Join the detections of all workers, those of each image from its owner alone.

    Args:
      parts: detections of each worker.
      owners: image id -> worker.
    """
    return [
        result
        for worker, results in enumerate(parts)
        for result in results
        if owners[result["image_id"]] == worker
    ]
