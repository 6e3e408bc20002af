"""10,000 damaged PyTorch files: each is refused in one line, or read as Python's own unpickler reads it."""

from __future__ import annotations

import collections
import functools
import io
import os
import pickle
import pickletools
import random
import re
import signal
import struct
import time
import tracemalloc
import zipfile

import fuzzing
import numpy as np
import pytest

from official_yolact.importing import torch_file
from official_yolact.importing import torch_source

NUM_CASES = max(fuzzing.COUNT, 1000)
SECONDS_PER_CASE = 5
EXTREMES = [
    0,
    1,
    2,
    3,
    127,
    128,
    255,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63,
    2**64 - 1,
]
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
    "BFloat16Storage": "<u2",
}


class Reference(pickle._Unpickler):
    """Python's own unpickler with PyTorch's layout on top, for files that were found harmless."""

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")
        self.roots = {}

    def find_class(self, module, name):
        return {
            "OrderedDict": collections.OrderedDict,
            "Size": tuple,
            "Parameter": Parameter,
            "_rebuild_parameter": lambda tensor, *rest: tensor,
            "_rebuild_tensor": lambda *arguments: arguments,
            "_rebuild_tensor_v2": lambda *arguments: arguments,
        }.get(name, name)

    def persistent_load(self, identity):
        _, kind, key, _, length = identity[:5]
        self.roots[key] = (kind, length)
        start, count = (0, length) if identity[5:] in ((), (None,)) else identity[5][1:]
        return key, kind, start, count


class Parameter:
    def __new__(cls, tensor, *rest):
        return tensor


def read_by_reference(content):
    """Read a file again by other means; gives raw bytes and shape of each tensor."""
    file = io.BytesIO(content)
    if content[:2] == b"PK":
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                entry.CRC = entry.CRC or None  # PyTorch writes 0 where it computes no checksum
            folder = archive.namelist()[0].split("/")[0]
            unpickler = Reference(io.BytesIO(archive.read(f"{folder}/data.pkl")))
            state = unpickler.load()
            raw = {key: archive.read(f"{folder}/data/{key}") for key in unpickler.roots}
    else:
        for _ in range(3):
            Reference(file).load()
        unpickler = Reference(file)
        state = unpickler.load()
        raw = {}
        for key in Reference(file).load():
            (length,) = struct.unpack("<q", file.read(8))
            raw[key] = file.read(length * np.dtype(DTYPES[unpickler.roots[key][0]]).itemsize)
    inner = [value for value in state.values() if isinstance(value, dict)]
    state = state if not inner else inner[0]
    return {key: gather(raw, *tensor[:4]) for key, tensor in state.items()}


def gather(raw, storage, offset, shape, strides):
    key, kind, start, count = storage
    elements = np.frombuffer(raw[key], DTYPES[kind])[start : start + count]
    index = np.full(shape, offset, np.int64)
    for axis, stride in enumerate(strides):
        steps = np.arange(shape[axis]) * (stride if shape[axis] > 1 else 0)
        index += steps.reshape([-1] + [1] * (len(shape) - axis - 1))
    values = elements[index] if index.size else np.zeros(shape, elements.dtype)
    if kind == "BFloat16Storage":
        values = (values.astype("<u4") << 16).view("<f4")
    return shape, (values != 0 if kind == "BoolStorage" else values).tobytes()


def make_bases(torch_writer):
    """Small files of both forms: contents by name, as they are, and how to wrap a changed pickle."""
    rng = np.random.default_rng(11)
    storage = rng.normal(size=12).astype(np.float32)
    odd = collections.OrderedDict(
        turned=torch_writer.Tensor(storage, 0, (3, 4), (1, 3)),
        part=torch_writer.Tensor(storage, 5, (2, 2), (3, 1)),
        count=torch_writer.contiguous(np.array(5, np.int64)),
        half=torch_writer.Parameter(torch_writer.contiguous(np.arange(3, dtype=np.float16))),
        short=torch_writer.Tensor(np.arange(4, dtype=np.uint16), 0, (2, 2), (2, 1), "BFloat16Storage"),
        flags=torch_writer.contiguous(np.array([True, False])),
    )
    plain = torch_writer.state_dict(
        {"conv.weight": rng.normal(size=(2, 1, 2, 2)).astype(np.float32), "conv.bias": np.ones(2, np.float32)}
    )
    bases = []
    for value in (plain, odd, {"epoch": 3, "best": 0.5, "model": plain}):
        for protocol in (2, 4):
            for legacy in (True, False):
                content, storages = torch_writer.pickle_value(value, legacy=legacy, protocol=protocol)
                bases.append((legacy, content, storages, wrapper(torch_writer, legacy, storages)))
    return bases


def wrapper(torch_writer, legacy, storages):
    def wrap(content):
        file = io.BytesIO()
        if legacy:
            torch_writer.write_stream(file, content, list(storages), storages.values())
        else:
            torch_writer.write_archive(file, torch_writer.archive_entries(content, storages))
        return file.getvalue()

    return wrap


def flip(rng, content):
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def overwrite(rng, content):
    content[rng.randrange(len(content))] = rng.randrange(256)


def cut_end(rng, content):
    del content[rng.randrange(len(content)) :]


def cut_out(rng, content):
    start = rng.randrange(len(content))
    del content[start : start + rng.choice([1, 2, 8, 40])]


def insert(rng, content):
    start = rng.randrange(len(content) + 1)
    content[start:start] = rng.randbytes(rng.choice([1, 2, 8, 40]))


def repeat(rng, content):
    start, target = rng.randrange(len(content)), rng.randrange(len(content))
    content[target:target] = content[start : start + rng.choice([1, 4, 20, 200])]


def swap(rng, content):
    length = rng.choice([1, 4, 20, 60])
    a, b = sorted(rng.randrange(len(content)) for _ in range(2))
    if b - a >= length:
        content[a : a + length], content[b : b + length] = content[b : b + length], content[a : a + length]


def set_number(rng, content):
    form = rng.choice(["<B", "<H", "<I", "<Q"])
    value = rng.choice(EXTREMES) % 2 ** (8 * struct.calcsize(form))
    start = rng.randrange(len(content))
    content[start : start + struct.calcsize(form)] = struct.pack(form, value)


BYTE_EDITS = [flip, overwrite, cut_end, cut_out, insert, repeat, swap, set_number]


@functools.cache
def list_opcodes(content):
    return [(opcode, position) for opcode, _, position in pickletools.genops(content)]


def edit_opcode(rng, content):
    """Change an opcode or the number that follows it."""
    opcode, position = rng.choice(list_opcodes(bytes(content)))
    kind = rng.randrange(4)
    if kind == 0:
        content[position] = ord(rng.choice(pickletools.opcodes).code)
    elif kind == 1:
        content[position:position] = rng.choice(pickletools.opcodes).code.encode("latin-1")
    elif kind == 2:
        del content[position]
    else:
        width = {"T": 4, "X": 4, "r": 4, "j": 4, "J": 4, "M": 2, "\x95": 8}.get(opcode.code, 1)
        content[position + 1 : position + 1 + width] = (rng.choice(EXTREMES) % 256**width).to_bytes(
            width, "little"
        )


def edit_header(rng, content):
    """Change a number in one of a zip file's headers."""
    magic = rng.choice([b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"])
    places = [match.start() for match in re.finditer(re.escape(magic), content)]
    if places:
        width = rng.choice([2, 4, 8])
        start = rng.choice(places) + 4 + 2 * rng.randrange(24)
        content[start : start + width] = (rng.choice(EXTREMES) % 256**width).to_bytes(width, "little")


def mutate(rng, base):
    legacy, content, _, wrap = base
    place = rng.choice(["pickle", "opcodes", "file", "headers"])
    if place in ("pickle", "opcodes"):
        changed = bytearray(content)
        edit_opcode(rng, changed) if place == "opcodes" else rng.choice(BYTE_EDITS)(rng, changed)
        return wrap(bytes(changed))
    changed = bytearray(wrap(content))
    edit_header(rng, changed) if place == "headers" and not legacy else rng.choice(BYTE_EDITS)(rng, changed)
    return bytes(changed)


@pytest.fixture
def alarm():
    """Call to give the next case its seconds of processor time."""

    def fail(*_):
        raise AssertionError("takes too long")

    before = signal.signal(signal.SIGVTALRM, fail)
    yield lambda seconds: signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def put(path, content):
    # Emptying a file and writing it anew waits for the disk.
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        file.write(content)
        file.truncate()


def test_the_reference_reads_the_files_as_they_were_written(torch_writer, tmp_path):
    for _, content, _, wrap in make_bases(torch_writer):
        put(tmp_path / "a.pth", wrap(content))
        read = torch_file.open_torch_file(str(tmp_path / "a.pth")).tensors
        expected = read_by_reference(wrap(content))
        assert {k: (v.shape, v.tobytes()) for k, v in read.items()} == expected


def test_damaged_files_are_refused_or_read_rightly(torch_writer, tmp_path, alarm, record_property):
    rng = random.Random(20190404)
    bases = make_bases(torch_writer)
    path = str(tmp_path / "a.pth")
    outcomes: collections.Counter[str] = collections.Counter()
    reasons = set()
    most, longest = 0, 0.0
    tracemalloc.start()
    try:
        for number in range(NUM_CASES):
            content = mutate(rng, bases[number % len(bases)])
            put(path, content)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            begin = time.monotonic()
            alarm(SECONDS_PER_CASE)
            read, error = None, None
            try:
                read = torch_file.open_torch_file(path).tensors
            except torch_source.TorchFileError as caught:
                error = str(caught)
            alarm(0)
            longest = max(longest, time.monotonic() - begin)
            peak = tracemalloc.get_traced_memory()[1] - before
            most = max(most, peak)
            assert peak <= 4 * len(content) + 2**16, number
            if error is not None:
                outcomes["refused"] += 1
                reasons.add(re.sub(r"'.*?'|\".*?\"|\d+", "#", error[len(path) :])[:40])
                assert error.startswith(f"{path}: "), number
                assert "\n" not in error, number
                assert len(error) < len(path) + 600, number
            else:
                outcomes["read"] += 1
                found = {key: (value.shape, value.tobytes()) for key, value in read.items()}
                assert found == read_by_reference(content), number
    finally:
        tracemalloc.stop()
    fuzzing.report("foreign .pth", outcomes["read"], outcomes["refused"], 0, longest, most / 2**20)
    record_property("outcomes", dict(outcomes))
    record_property("kinds of refusal", len(reasons))
    record_property("largest peak in bytes", most)
    # A mutator that breaks every file at once, or none, would test little.
    assert outcomes["read"] > NUM_CASES / 20
    assert outcomes["refused"] > NUM_CASES / 4
    assert len(reasons) > 40
