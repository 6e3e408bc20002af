"""A mutated record of a checkpoint says what was written, or nothing."""

import json
import random

import fuzzing

from official_yolact.checkpoints import sidecar

_RECORD = sidecar.Sidecar(
    3, {"ckpt-3.index": (9, "ab"), "ckpt-3.data-00000-of-00001": (7, "cd")}, {"classes": ["a"]}, {"AP": 0.25}
)


def test_a_mutated_record_is_the_one_that_was_written_or_none(tmp_path):
    draw = random.Random(31)
    prefix = str(tmp_path / "ckpt-3")
    path = tmp_path / "ckpt-3.json"
    sidecar.write(prefix, _RECORD)
    text = path.read_text()

    def read(content):
        path.write_bytes(content)
        found = sidecar.read(prefix)
        assert found in (None, _RECORD)
        return fuzzing.REFUSED if found is None else fuzzing.READ

    assert read(text.encode()) == fuzzing.READ
    mutations = (
        fuzzing.mutate_json(draw, json.loads(text)).encode("utf-8", "surrogatepass")
        if number % 2
        else fuzzing.mutate_bytes(draw, text.encode())
        for number in range(fuzzing.COUNT)
    )
    fuzzing.hold("checkpoint records", mutations, read)
