"""PyTorch files made to run code, exhaust memory or time: each is refused, and nothing happens."""

from __future__ import annotations

import collections
import copyreg
import io
import pickle
import struct
import sys
import time
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from official_yolact.importing import torch_file
from official_yolact.importing import torch_source

FORMS = ["legacy", "zip"]
# What reading may allocate beside four times the file, for files of many small values.
CONSTANT = 18 * 2**20
WATCHED = ("exec", "compile", "import", "os.", "subprocess.", "ctypes.", "socket.", "shutil.", "pickle.")
FORBIDDEN = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("__builtin__", "eval"),
    ("__main__", "anything"),
    ("codecs", "encode"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("collections", "defaultdict"),
    ("collections", "OrderedDict.__reduce__"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "dtype"),
    ("torch", "load"),
    ("torch", "hub.load"),
    ("torch.hub", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("torch._utils", "_rebuild_tensor_v3"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch.jit", "load"),
    ("", ""),
]

_heard: list[str] | None = None


def _hear(event, arguments):
    if _heard is not None and event.startswith(WATCHED):
        _heard.append(f"{event} {arguments!r:.200}")


@pytest.fixture(scope="module", autouse=True)
def _listen(tmp_path_factory):
    path = tmp_path_factory.mktemp("first") / "a.pth"
    path.write_bytes(b"\x80\2cos\nsystem\n.")
    # The first refusal may load parts of the standard library.
    with pytest.raises(torch_source.TorchFileError):
        torch_file.open_torch_file(str(path))
    # The interpreter keeps a hook for good; this one does nothing while no file is read here.
    sys.addaudithook(_hear)


def write(torch_writer, form, folder, content, storages=None, keys=None):
    """Write a file around a hand-made pickle; the storages are 1-D arrays by key."""
    storages = storages or {}
    path = folder / "attack.pth"
    with open(path, "wb") as file:
        if form == "legacy":
            keys = list(storages) if keys is None else keys
            torch_writer.write_stream(file, content, keys, storages.values())
        else:
            torch_writer.write_archive(file, torch_writer.archive_entries(content, storages))
    return path


def read_and_listen(path):
    """Read a file; fail if anything is run, compiled or imported meanwhile."""
    global _heard
    _heard = heard = []
    try:
        return torch_file.open_torch_file(str(path)).tensors
    finally:
        _heard = None
        assert heard == []


def refuse(path, *messages):
    """Expect one line that names the file and says all of `messages`."""
    with pytest.raises(torch_source.TorchFileError) as caught:
        read_and_listen(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert len(text) < len(str(path)) + 600
    for message in messages:
        assert message in text


def text(value):
    return pickle.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG1 + bytes([len(raw)]) + raw


def numbers(values):
    return pickle.MARK + b"".join(number(value) for value in values) + pickle.TUPLE


def storage(key="0", length=6, kind="FloatStorage", window=None):
    parts = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(length)
    return pickle.MARK + parts + (window or b"") + pickle.TUPLE + pickle.BINPERSID


def tensor(offset=0, shape=(2, 3), strides=(3, 1), held=None):
    held = storage() if held is None else held
    arguments = held + number(offset) + numbers(shape) + numbers(strides) + pickle.NEWFALSE + pickle.NONE
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + pickle.MARK + arguments + pickle.TUPLE + pickle.REDUCE


def state(**values):
    items = b"".join(text(key) + value for key, value in values.items())
    return b"\x80\2" + pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


SIX = {"0": np.arange(6, dtype=np.float32)}


@pytest.mark.parametrize("form", FORMS)
def test_the_hand_made_pickle_is_right_where_nothing_is_wrong(torch_writer, tmp_path, form):
    read = torch_file.open_torch_file(
        str(write(torch_writer, form, tmp_path, state(w=tensor()), SIX))
    ).tensors
    np.testing.assert_array_equal(read["w"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("module", "name"), FORBIDDEN)
def test_names_that_no_state_dict_needs_are_refused_by_name(torch_writer, tmp_path, form, module, name):
    canary = tmp_path / "canary"
    argument = text(f"touch {canary}") + pickle.TUPLE1
    stacked = text(module) + text(name) + pickle.STACK_GLOBAL
    for named in (f"c{module}\n{name}\n".encode(), stacked):
        for call in (pickle.REDUCE, pickle.NEWOBJ, b""):
            for where in (state(w=named + argument + call), b"\x80\4" + named + argument + call + b"."):
                refuse(write(torch_writer, form, tmp_path, where, SIX), repr(f"{module}.{name}"))
    assert not canary.exists()


@pytest.mark.parametrize("place", range(5))
def test_every_pickle_of_the_stream_refuses_names(torch_writer, tmp_path, place):
    canary = tmp_path / "canary"
    bad = b"\x80\2cposix\nsystem\n" + text(f"touch {canary}") + b"\x85R."
    parts = [
        pickle.dumps(value, 2) for value in (torch_writer.MAGIC, torch_writer.PROTOCOL, torch_writer.SYSTEM)
    ]
    parts += [state(w=tensor()), pickle.dumps(["0"], 2)]
    parts[place] = bad
    path = tmp_path / "attack.pth"
    path.write_bytes(b"".join(parts) + struct.pack("<q", 6) + SIX["0"].tobytes())
    refuse(path, "refuses 'posix.system'")
    assert not canary.exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\2(S'touch x'\nios\nsystem\n.", "opcode"),
        (b"\x80\2(cos\nsystem\nS'x'\no.", "'os.system'"),
        (b"\x80\2Pkey\n.", "opcode PERSID"),
        (b"\x80\2\x82\x01.", "opcode EXT1"),
        (b"\x80\2\x83\x01\0.", "opcode EXT2"),
        (b"\x80\2\x84\x01\0\0\0.", "opcode EXT4"),
        (b"\x80\4ccollections\nOrderedDict\n)}\x92.", "opcode NEWOBJ_EX"),
        (b"\x80\5\x97.", "opcode NEXT_BUFFER"),
        (b"\x80\2I5\n.", "opcode INT"),
        (b"\x80\2\xff.", r"opcode b'\xff' unknown"),
        (b"\x80\1}.", "pickle protocol 1"),
        (b"\x80\x06}.", "pickle protocol 6"),
        (b"\x80\2}}R.", "arguments are no tuple"),
        (b"\x80\2})R.", "refuses to call what is no function"),
        (b"\x80\2ctorch\nFloatStorage\n)R.", "refuses to call torch.FloatStorage"),
        (b"\x80\2ctorch._utils\n_rebuild_parameter\n)R.", "refuses to call"),
        (b"\x80\2ctorch._utils\n_rebuild_tensor_v2\n)\x81.", "refuses to make an instance"),
        (b"\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor is made of 0 values"),
        (b"\x80\2ccollections\nOrderedDict\nN\x85R.", "no list of pairs"),
        (b"\x80\2ccollections\nOrderedDict\n]K\1a\x85R.", "no list of pairs"),
        (b"\x80\2ctorch\nSize\n]\x85R.", "refuses to call torch.Size"),
        (b"\x80\2}}b.", "sets the state"),
        (b"\x80\2]}b.", "sets the state"),
        (b"\x80\2ctorch\nFloatStorage\n}b.", "sets the state"),
        (b"\x80\2ccollections\nOrderedDict\n)RNb.", "sets the state"),
        (b"\x80\2NQ.", "holds more than storages"),
        (b"\x80\2(NNNNNtQ.", "holds more than storages"),
        (b"\x80\2(U\6moduleNNNNtQ.", "holds more than storages"),
        (b"\x80\2(U\7storageNNNNtQ.", "without type, key and place"),
        (
            b"\x80\2ctorch\nComplexFloatStorage\n.",
            "element type 'torch.ComplexFloatStorage' is not supported",
        ),
        (b"\x80\2ctorch\nQInt8Storage\n.", "element type 'torch.QInt8Storage' is not supported"),
        (b"\x80\2cevil\r\x1b[2J\nx\n.", r"'evil\r\x1b[2J.x'"),
        (b"\x80\2" + b"c" + b"a" * 500 + b"\nb\n.", "a name does not end"),
        (b"\x80\2NN\x93.", "a name is no text"),
    ],
)
def test_other_ways_to_call_are_refused(torch_writer, tmp_path, form, content, message):
    refuse(write(torch_writer, form, tmp_path, content), message)


def test_registered_extensions_are_not_looked_up(torch_writer, tmp_path):
    copyreg.add_extension("os", "system", 77)
    try:
        refuse(write(torch_writer, "zip", tmp_path, b"\x80\2\x82\x4dU\4true\x85R."), "opcode EXT1")
    finally:
        copyreg.remove_extension("os", "system", 77)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b".", "values left over"),
        (b"NN.", "values left over"),
        (b"(N.", "values left over"),
        (b"0.", "opcode POP"),
        (b"t.", "not opened"),
        (b"u.", "not opened"),
        (b"\x85.", "takes a value where there is none"),
        (b"s.", "takes a value where there is none"),
        (b"Ns.", "takes a value where there is none"),
        (b"]NNs.", "fills a dict where there is none"),
        (b"}Na.", "fills a list where there is none"),
        (b"}(Nu.", "last key has no value"),
        (b"q\0.", "remembers a value where there is none"),
        (b"h\0.", "recalls value 0"),
        (b"j\xff\xff\xff\xff.", "recalls value 4294967295"),
        (b"}NNs.", "neither a text nor a small integer"),
        (b"}\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x1fNs.", "neither a text nor a small integer"),
        (b"}U\1aNsU\1aNs.", "key 'a' occurs twice"),
        (b"ccollections\nOrderedDict\n](U\1aN\x86U\1aN\x86e\x85R.", "key 'a' occurs twice"),
        (b"U\2\xff\xff.", "not UTF-8"),
        (b"X\3\0\0\0\xed\xa0\x80.", "not UTF-8"),
        (b"c\\x74orch\nFloatStorage\n.", "with a backslash"),
        (b"X\xff\xff\xff\xffa.", "ends early: 4294967295 bytes"),
        (b"T\xff\xff\xff\xffa.", "byte count < 0: -1"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "byte count > sys.maxsize: 18446744073709551615"),
        (b"\x8a\xff" + b"1" * 255 + b".", "an integer of more than 16 bytes"),
        (b"\x8b\xff\xff\xff\x7fa.", "ends early: 2147483647 bytes"),
        (b"\x8b\xff\xff\xff\xffa.", "byte count < 0: -1"),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\xff}.", "a frame of 18446744073709551615 bytes"),
        (b"\x95\2\0\0\0\0\0\0\0K\1N.", "ends with values left over"),
        (b"\x95\6\0\0\0\0\0\0\0\x95\0\0\0\0\0\0\0\0}.", "ends early"),
        (b"\x95\3\0\0\0\0\0\0\0}.N", "ends inside a frame"),
        (b"J\1\2", "ends early"),
    ],
)
def test_damaged_pickles_are_refused(torch_writer, tmp_path, form, content, message):
    path = write(torch_writer, form, tmp_path, b"\x80\2" + content)
    if form == "zip" or not message.startswith("ends early"):
        refuse(path, message)
    else:
        # In the stream more bytes follow, which are then taken for opcodes.
        refuse(path)


def windowed(start, length):
    return storage(window=text("v") + number(start) + number(length) + pickle.TUPLE3)


TOO_LARGE = "does not fit into storage '0' of 6 elements"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("held", "message"),
    [
        (tensor(shape=(2, 4)), TOO_LARGE),
        (tensor(offset=1), TOO_LARGE),
        (tensor(offset=2**63), TOO_LARGE),
        (tensor(shape=(2**40,), strides=(0,)), TOO_LARGE),
        (tensor(shape=(2**40, 2**40), strides=(0, 0)), TOO_LARGE),
        (tensor(shape=(7,), strides=(0,)), TOO_LARGE),
        (tensor(shape=(2,), strides=(6,)), TOO_LARGE),
        (tensor(shape=(2,), strides=(2**64,)), TOO_LARGE),
        (tensor(shape=(2**32, 2**32), strides=(1, 1)), TOO_LARGE),
        (tensor(shape=(0, 2**62, 2**62), strides=(1, 1, 1)), TOO_LARGE),
        (tensor(offset=7, shape=(0,), strides=(1,)), TOO_LARGE),
        (tensor(shape=(2,) * 3 + (1,) * 29), "has 32 axes and 2 strides"),
        (tensor(shape=(1,) * 33, strides=(1,) * 33), "below 0"),
        (tensor(shape=(-2, -3)), "below 0"),
        (tensor(strides=(-3, -1), offset=5), "below 0"),
        (tensor(offset=-1), "below 0"),
        (tensor(shape=(2,)), "has 1 axes and 2 strides"),
        (tensor(held=b"N"), "lacks a storage"),
        (tensor(held=storage(length=2**40)), "is to have 1099511627776 elements"),
        (tensor(held=storage(length=2**100)), "elements, the file"),
        (tensor(held=storage(length=-6)), "has a length that is none"),
        (tensor(held=storage(kind="Size")), "has type torch.Size"),
        (tensor(held=windowed(0, 5)), "does not fit into storage '0' of 5 elements"),
        (tensor(held=windowed(1, 6)), "reaches beyond its 6 elements"),
        (tensor(held=windowed(2**63, 2**63)), "reaches beyond its 6 elements"),
        (tensor(held=windowed(-1, 6)), "a window of storage '0' is damaged"),
        (tensor() + tensor(held=storage(length=5)), "has two types or lengths"),
        (tensor() + tensor(held=storage(kind="IntStorage")), "has two types or lengths"),
    ],
)
def test_tensors_outside_their_storage_are_refused(torch_writer, tmp_path, form, held, message):
    refuse(write(torch_writer, form, tmp_path, state(w=held), SIX), message)


def test_the_storages_of_a_stream_must_be_those_of_its_tensors(torch_writer, tmp_path):
    content = state(w=tensor())
    for keys in ([], ["1"], ["0", "0"], ["0", "1"], [0], 3, None):
        path = tmp_path / "attack.pth"
        with open(path, "wb") as file:
            torch_writer.write_stream(file, content, keys, SIX.values())
        refuse(path, "its list of storages does not fit its tensors")
    for length in (5, 7, -6, 2**62):
        parts = [pickle.dumps(v, 2) for v in (torch_writer.MAGIC, torch_writer.PROTOCOL, torch_writer.SYSTEM)]
        parts += [content, pickle.dumps(["0"], 2), struct.pack("<q", length), SIX["0"].tobytes()]
        (tmp_path / "attack.pth").write_bytes(b"".join(parts))
        refuse(tmp_path / "attack.pth", f"storage '0' has {length} elements, its tensors expect 6")


@pytest.mark.parametrize("form", FORMS)
def test_many_views_of_one_storage_are_refused_as_a_whole(torch_writer, tmp_path, form):
    elements = np.zeros(2**16, np.float32)
    views = {f"w{i}": torch_writer.Tensor(elements, 0, (2**16,), (1,)) for i in range(100)}
    content, storages = torch_writer.pickle_value(dict(views), legacy=form == "legacy")
    refuse(write(torch_writer, form, tmp_path, content, storages), "bytes in all")


def measure(path, refused=True):
    """Read a file; give the bytes allocated at most and the seconds of processor time."""
    tracemalloc.start()
    started = time.process_time()
    try:
        if refused:
            refuse(path)
        else:
            read_and_listen(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak, time.process_time() - started


SIZE = 2**15
# More opcodes than the allowance admits.
LARGE = 2**18
OD = b"ccollections\nOrderedDict\n"
BOMBS = {
    "one memo index of 4 billion": b"Nr\xff\xff\xff\xff.",
    "memo indices far apart": b"N" + b"".join(b"r" + struct.pack("<I", i * 7919) for i in range(SIZE // 5)),
    "remembered over and over": b"]" + b"\x94" * SIZE,
    "open marks": b"(" * LARGE,
    "empty dicts": b"}" * LARGE,
    "empty lists": b"]" * SIZE,
    "ordered dicts": OD + b"q\0" + b"h\0)R" * (LARGE // 4),
    "floats": b"G\0\0\0\0\0\0\0\0" * (SIZE // 9),
    "wide integers": b"\x8a\x10" + b"\x7f" * 16 + (b"\x8a\x10" + b"\x7f" * 16) * (SIZE // 18),
    "nested tuples": b"N" + b"\x85" * SIZE + b".",
    "nested lists": b"]" * (SIZE // 2) + b"a" * (SIZE // 2 - 1) + b".",
    "doubling lists": b"]" + b"q\0]h\0ah\0a" * (SIZE // 9) + b".",
    "doubling tuples": b"N" + b"q\0h\0\x86" * (SIZE // 5) + b".",
    "small dicts": b"](" + b"}K\1Ns" * (SIZE // 5) + b"e.",
    "a large dict": b"}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(SIZE // 6)) + b"u.",
    "texts with one wide character": (b"X\0\4\0\0" + "\U0001f600".encode() + b"a" * 1020) * (SIZE // 1029)
    + b".",
    "copies of a list": b"]("
    + b"U\1aN\x86" * 1000
    + b"e\x85q\1"
    + OD
    + b"q\2"
    + b"h\2h\1R" * (SIZE // 5)
    + b".",
    "sizes of sizes": b"(" + b"K\1" * 32 + b"t\x85q\1ctorch\nSize\nq\2" + b"h\2h\1R" * (SIZE // 5) + b".",
    "a list of itself": b"]q\0h\0a.",
    "a dict of itself": b"}q\0U\1ah\0s.",
    "a state that is its own dict": OD + b")Rq\0U\1ah\0sh\0b.",
    "a dict named often": b"}q\0(U\1aNuq\1(" + b"".join(b"U\5%05dh\0" % i for i in range(20000)) + b"u.",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_little_memory_and_time(torch_writer, tmp_path, form, name):
    path = write(torch_writer, form, tmp_path, b"\x80\2" + BOMBS[name])
    peak, seconds = measure(path)
    assert peak <= 4 * path.stat().st_size + CONSTANT
    assert seconds < 10


def test_widened_elements_stay_within_four_times_the_file(torch_writer, tmp_path):
    bits = np.zeros(12 * 2**20, np.uint16)
    for count in (1, 3):
        views = {
            f"w{i}": torch_writer.Tensor(bits, 0, bits.shape, (1,), "BFloat16Storage") for i in range(count)
        }
        path = tmp_path / "wide.pth"
        torch_writer.write_zip(path, views)
        peak, _ = measure(path, refused=count > 1)
        assert peak <= 4 * path.stat().st_size + CONSTANT
        if count == 1:
            assert torch_file.open_torch_file(str(path)).tensors["w0"].dtype == np.float32
        else:
            refuse(path, "unpacks to far more than its own size")


def zip_of(torch_writer, entries):
    file = io.BytesIO()
    torch_writer.write_archive(file, entries)
    return bytearray(file.getvalue())


@pytest.fixture
def good(torch_writer):
    entries = torch_writer.archive_entries(state(w=tensor()), SIX)
    return [(name, bytes(data)) for name, data in entries]


def central(content, name):
    """The place of an entry's record in the directory."""
    return content.rindex(name.encode()) - 46


def put(content, position, form, value):
    content[position : position + struct.calcsize(form)] = struct.pack(form, value)


def save(tmp_path, content):
    (tmp_path / "attack.pth").write_bytes(content)
    return tmp_path / "attack.pth"


def test_entries_that_share_bytes_are_refused(torch_writer, tmp_path, good):
    content = zip_of(torch_writer, good)
    local = content.index(b"archive/version") - 30
    header = struct.unpack_from("<I", content, central(content, "archive/data/0") + 42)[0]
    # The storage's entry grows over all that lies behind it up to the next one's header and beyond.
    for size in (local - header, 200):
        changed = bytearray(content)
        put(changed, central(changed, "archive/data/0") + 20, "<I", size)
        put(changed, central(changed, "archive/data/0") + 24, "<I", size)
        refuse(save(tmp_path, changed), "shares bytes with another")


def test_two_entries_with_one_header_are_refused(torch_writer, tmp_path, good):
    content = zip_of(torch_writer, [*good, ("archive/data/1", good[2][1])])
    header = struct.unpack_from("<I", content, central(content, "archive/data/0") + 42)[0]
    put(content, central(content, "archive/data/1") + 42, "<I", header)
    refuse(save(tmp_path, content), "does not lie where the directory says")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("archive/data/0", "occurs twice"),
        ("archive/data/../../x", "leads out"),
        ("../archive/x", "leads out"),
        ("/etc/passwd", "leads out"),
        ("archive\\x", "leads out"),
        ("archive/x\0y", "leads out"),
        ("", "leads out"),
        ("other/data.pkl", "no single folder"),
    ],
)
def test_names_of_entries_are_checked(torch_writer, tmp_path, good, entry, message):
    refuse(save(tmp_path, zip_of(torch_writer, [*good, (entry, b"1")])), message)


@pytest.mark.parametrize(
    ("offset", "form", "value", "message"),
    [
        (6, "<B", 99, "needs features"),
        (8, "<H", 0x809, "is encrypted"),
        (8, "<H", 0x848, "needs features"),
        (10, "<H", 8, "does not lie where"),
        (16, "<I", 1, "has not the content its checksum states"),
        (20, "<I", 25, "is compressed"),
        (20, "<I", 2**32 - 1, "more than 4 GiB"),
        (24, "<I", 2**31, "is compressed"),
        (28, "<H", 2**16 - 1, "ends early"),
        (30, "<H", 60, "ends early"),
        (42, "<I", 2**32 - 1, "more than 4 GiB"),
        (42, "<I", 2**31, "ends early"),
        (42, "<I", 3, "does not lie where"),
    ],
)
def test_records_of_the_directory_are_checked(torch_writer, tmp_path, good, offset, form, value, message):
    content = zip_of(torch_writer, good)
    put(content, central(content, "archive/data/0") + offset, form, value)
    path = save(tmp_path, content)
    refuse(path) if offset in (28, 30) else refuse(path, message)


@pytest.mark.parametrize(
    ("magic", "offset", "form", "value"),
    [
        (b"PK\5\6", 20, "<H", 9),
        (b"PK\6\7", 4, "<I", 1),
        (b"PK\6\7", 8, "<Q", 2**63),
        (b"PK\6\7", 16, "<I", 7),
        (b"PK\6\6", 4, "<Q", 2**64 - 1),
        (b"PK\6\6", 24, "<Q", 2**60),
        (b"PK\6\6", 32, "<Q", 2**60),
        (b"PK\6\6", 40, "<Q", 2**63),
        (b"PK\6\6", 48, "<Q", 2**63),
        (b"PK\6\6", 48, "<Q", 0),
    ],
)
def test_the_end_of_the_archive_is_checked(torch_writer, tmp_path, good, magic, offset, form, value):
    content = zip_of(torch_writer, good)
    position = content.rindex(magic) + offset
    assert struct.unpack_from(form, content, position)[0] != value
    put(content, position, form, value)
    refuse(save(tmp_path, content))


def test_an_archive_that_states_more_entries_than_it_has_is_refused(torch_writer, tmp_path, good):
    content = zip_of(torch_writer, good)
    for offset in (24, 32):
        put(content, content.rindex(b"PK\6\6") + offset, "<Q", 2**40)
    peak, seconds = measure(save(tmp_path, content))
    refuse(tmp_path / "attack.pth", "ends early")
    assert peak < 2**20
    assert seconds < 5


def test_a_compression_bomb_is_refused_unopened(tmp_path):
    path = tmp_path / "attack.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\2" + b"]" * 10**7)
    peak, _ = measure(path)
    refuse(path, "is compressed")
    assert peak < 2**20


def test_a_good_checksum_does_not_admit_a_bad_pickle(torch_writer, tmp_path, good):
    changed = state(w=tensor(shape=(2, 4)))
    content = zip_of(torch_writer, [(good[0][0], changed), *good[1:]])
    assert struct.unpack_from("<I", content, central(content, "archive/data.pkl") + 16)[0] == zlib.crc32(
        changed
    )
    refuse(save(tmp_path, content), TOO_LARGE)


@pytest.mark.parametrize("form", FORMS)
def test_attributes_of_a_state_dict_are_admitted_and_forgotten(torch_writer, tmp_path, form):
    value = collections.OrderedDict(w=torch_writer.contiguous(SIX["0"]))
    value.update_hook = "anything"
    content, storages = torch_writer.pickle_value(value, legacy=form == "legacy")
    assert b"update_hook" in content
    read = torch_file.open_torch_file(str(write(torch_writer, form, tmp_path, content, storages))).tensors
    np.testing.assert_array_equal(read["w"], SIX["0"])
