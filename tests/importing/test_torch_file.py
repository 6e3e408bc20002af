"""Reading of PyTorch state dicts: both forms, every element type, views, and files that are none."""

from __future__ import annotations

import collections
import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from official_yolact.importing import torch_file
from official_yolact.importing import torch_source

FORMS = ["legacy", "zip"]
# Written by PyTorch 1.0.1: torch.save(OrderedDict(w=torch.tensor([[1., 2.], [3., 4.]]).t()), FILE).
RECORDED = bytes.fromhex(
    "80028a0a6cfc9c46f9206aa850192e80024de9032e80027d710028581000000070726f746f636f6c5f76657273696f6e7101"
    "4de903580d0000006c6974746c655f656e6469616e710288580a000000747970655f73697a657371037d7104285805000000"
    "73686f727471054b025803000000696e7471064b0458040000006c6f6e6771074b0475752e800263636f6c6c656374696f6e"
    "730a4f726465726564446963740a710029527101580100000077710263746f7263682e5f7574696c730a5f72656275696c64"
    "5f74656e736f725f76320a71032828580700000073746f72616765710463746f7263680a466c6f617453746f726167650a71"
    "05580e00000039343735313833383038383836347106580300000063707571074b044e747108514b004b024b028671094b01"
    "4b0286710a8968002952710b74710c52710d732e80025d7100580e00000039343735313833383038383836347101612e0400"
    "0000000000000000803f000000400000404000008040"
)


def write(torch_writer, form, path, tensors, **options):
    (torch_writer.write_legacy if form == "legacy" else torch_writer.write_zip)(path, tensors, **options)
    return str(path)


def write_value(torch_writer, form, path, value, protocol=2):
    """Write any value in place of a state dict."""
    content, storages = torch_writer.pickle_value(value, legacy=form == "legacy", protocol=protocol)
    with open(path, "wb") as file:
        if form == "legacy":
            torch_writer.write_stream(file, content, list(storages), storages.values(), protocol)
        else:
            torch_writer.write_archive(file, torch_writer.archive_entries(content, storages))
    return str(path)


def some_tensors():
    rng = np.random.default_rng(3)
    return {
        "backbone.conv.weight": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "backbone.conv.bias": rng.normal(size=4).astype(np.float32),
        "backbone.bn.running_mean": rng.normal(size=4).astype(np.float32),
        "backbone.bn.num_batches_tracked": np.array(7, np.int64),
    }


def assert_same(read, expected):
    assert list(read) == list(expected)
    for key, value in expected.items():
        assert (read[key].dtype, read[key].shape) == (value.dtype, value.shape), key
        np.testing.assert_array_equal(read[key], value)


def test_a_file_that_pytorch_1_wrote_reads_as_it_was(tmp_path):
    (tmp_path / "recorded.pth").write_bytes(RECORDED)
    read = torch_file.open_torch_file(str(tmp_path / "recorded.pth")).tensors
    assert_same(read, {"w": np.array([[1, 3], [2, 4]], np.float32)})


@pytest.mark.parametrize("form", FORMS)
def test_a_state_dict_reads_as_it_was_written(torch_writer, tmp_path, form):
    path = write(torch_writer, form, tmp_path / "a.pth", some_tensors())
    read = torch_file.open_torch_file(path)
    assert (read.form, read.wrapper, read.ignored) == (form, None, [])
    assert_same(read.tensors, some_tensors())
    for array in read.tensors.values():
        assert not array.flags.writeable


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_torch_save_is_read(torch_writer, tmp_path, form, protocol):
    value = torch_writer.state_dict(some_tensors())
    path = write_value(torch_writer, form, tmp_path / "a.pth", value, protocol)
    assert_same(torch_file.open_torch_file(path).tensors, some_tensors())


@pytest.mark.parametrize("form", FORMS)
def test_element_types_are_those_of_the_file(torch_writer, tmp_path, form):
    kinds = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
    arrays = {kind: np.array([[0, 1, 0], [1, 1, 0]]).astype(kind) for kind in kinds}
    arrays |= {f"{kind} alone": np.array(1).astype(kind) for kind in kinds}
    arrays |= {f"no {kind}": np.zeros((0, 3), kind) for kind in kinds}
    assert_same(
        torch_file.open_torch_file(write(torch_writer, form, tmp_path / "a.pth", arrays)).tensors, arrays
    )


@pytest.mark.parametrize("form", FORMS)
def test_bfloat16_is_read_as_the_same_numbers_in_float32(torch_writer, tmp_path, form):
    # Sign, eight bits of exponent, seven of fraction: 1, -2.5, the largest below 2, infinity.
    bits = np.array([0x3F80, 0xC020, 0x3FFF, 0x7F80], np.uint16)
    expected = np.array([1.0, -2.5, 1.9921875, np.inf], np.float32)
    tensors = {
        "whole": torch_writer.Tensor(bits, 0, (2, 2), (2, 1), "BFloat16Storage"),
        "turned": torch_writer.Tensor(bits, 0, (2, 2), (1, 2), "BFloat16Storage"),
        "one": torch_writer.Tensor(bits, 1, (), (), "BFloat16Storage"),
    }
    read = torch_file.open_torch_file(write(torch_writer, form, tmp_path / "a.pth", tensors)).tensors
    whole = expected.reshape(2, 2)
    assert_same(read, {"whole": whole, "turned": whole.T, "one": np.array(-2.5, np.float32)})


@pytest.mark.parametrize("form", FORMS)
def test_views_of_one_storage_have_their_own_shapes_and_strides(torch_writer, tmp_path, form):
    storage = np.arange(24, dtype=np.float32)
    table = storage.reshape(4, 6)
    tensors = {
        "table": torch_writer.Tensor(storage, 0, (4, 6), (6, 1)),
        "turned": torch_writer.Tensor(storage, 0, (6, 4), (1, 6)),
        "window": torch_writer.Tensor(storage, 8, (2, 3), (6, 1)),
        "every second": torch_writer.Tensor(storage, 1, (12,), (2,)),
        "last": torch_writer.Tensor(storage, 23, (), ()),
        "repeated": torch_writer.Tensor(storage, 5, (3, 2), (0, 6)),
        "odd stride of one": torch_writer.Tensor(storage, 0, (1, 6), (2**62, 1)),
        "empty": torch_writer.Tensor(storage, 24, (2, 0), (1, 1)),
    }
    expected = {
        "table": table,
        "turned": table.T,
        "window": table[1:3, 2:5],
        "every second": storage[1::2],
        "last": np.array(23, np.float32),
        "repeated": np.array([[5, 11]] * 3, np.float32),
        "odd stride of one": table[:1],
        "empty": np.zeros((2, 0), np.float32),
    }
    assert_same(
        torch_file.open_torch_file(write(torch_writer, form, tmp_path / "a.pth", tensors)).tensors, expected
    )


def test_a_window_of_a_storage_as_before_pytorch_04_is_read(torch_writer, tmp_path):
    storage = np.arange(10, dtype=np.float32)
    tensor = torch_writer.Tensor(storage, 1, (3,), (1,))
    content, storages = torch_writer.pickle_value({"w": tensor}, legacy=True)
    # The persistent id ends with None where there is no window: put (key, 4, 5) there.
    assert content.count(b"K\nNt") == 1
    content = content.replace(b"K\nNt", b"K\nX\1\0\0\0vK\4K\5\x87t")
    with open(tmp_path / "a.pth", "wb") as file:
        torch_writer.write_stream(file, content, list(storages), storages.values())
    assert_same(torch_file.open_torch_file(str(tmp_path / "a.pth")).tensors, {"w": storage[5:8]})


@pytest.mark.parametrize("form", FORMS)
def test_parameters_are_read_as_their_tensors(torch_writer, tmp_path, form):
    array = np.arange(3, dtype=np.float32)
    value = collections.OrderedDict(w=torch_writer.Parameter(torch_writer.contiguous(array)))
    path = write_value(torch_writer, form, tmp_path / "a.pth", value)
    assert_same(torch_file.open_torch_file(path).tensors, {"w": array})


def test_a_file_of_python_2_is_read(torch_writer, tmp_path):
    """There an ordered dict is made of a list of pairs, texts are bytes, and tensors have four values."""
    pickled = (
        b"\x80\2ccollections\nOrderedDict\nq\0]q\1]q\2(U\1wq\3ctorch._utils\n_rebuild_tensor\n((U\7storage"
        b"ctorch\nFloatStorage\nU\x0293U\3cpuK\3NtQK\1K\2\x85K\1\x85tRea\x85R}U\t_metadataccollections\n"
        b"OrderedDict\n]\x85Rsb."
    )
    with open(tmp_path / "a.pth", "wb") as file:
        torch_writer.write_stream(file, pickled, ["93"], [np.array([1, 2, 3], np.float32)])
    assert_same(
        torch_file.open_torch_file(str(tmp_path / "a.pth")).tensors, {"w": np.array([2, 3], np.float32)}
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_the_one_dict_of_tensors_in_a_checkpoint_is_unwrapped(torch_writer, tmp_path, form, wrapper):
    path = write(torch_writer, form, tmp_path / "a.pth", some_tensors(), wrapper=wrapper)
    read = torch_file.open_torch_file(path)
    assert (read.wrapper, read.ignored) == (wrapper, ["epoch"])
    assert_same(read.tensors, some_tensors())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"a": 1, "b": "text", "c": [1.5, None]}, "has 0 (none)"),
        ({}, "has 0 (none)"),
        (3, "holds a int, not a state dict"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_file_without_tensors_is_refused(torch_writer, tmp_path, form, extra, message):
    path = write_value(torch_writer, form, tmp_path / "a.pth", extra)
    refuse(path, message)


@pytest.mark.parametrize("form", FORMS)
def test_two_dicts_of_tensors_are_refused_by_name(torch_writer, tmp_path, form):
    state = torch_writer.state_dict(some_tensors())
    path = write_value(torch_writer, form, tmp_path / "a.pth", {"model": state, "average": dict(state)})
    refuse(path, "has 2 ('model', 'average')")


def refuse(path, *messages):
    """Expect one line that names the file and says all of `messages`."""
    with pytest.raises(torch_source.TorchFileError) as caught:
        torch_file.open_torch_file(str(path))
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert text == f"{path}: {caught.value.reason}"
    assert "\n" not in text
    assert len(text) < 600
    for message in messages:
        assert message in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "is a web page"),
        pytest.param(gzip.compress(b"abc", mtime=0), "gzip", id="gzip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5"),
        (b"\x93NUMPY" + bytes(90), "NumPy"),
        (struct.pack("<Q", 40) + b'{"w":{"dtype":"F32"}}', "safetensors"),
        (b"pickle".ljust(257, b"\0") + b"ustar" + bytes(300), "tar form"),
        (b"\0\n\xffabc", r"begins with b'\x00\n\xffabc'"),
        (pickle.dumps({"w": 1}, 2), "none of torch.save"),
        (pickle.dumps(True, 2), "none of torch.save"),
        (b"PK\3\4", "without its directory"),
        (b"\x80", "ends early"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, message):
    (tmp_path / "a.pth").write_bytes(content)
    refuse(tmp_path / "a.pth", message)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.pth"):
        torch_file.open_torch_file(str(tmp_path / "none.pth"))
    with pytest.raises((OSError, torch_source.TorchFileError), match=str(tmp_path)):
        torch_file.open_torch_file(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path / "pipe", "no regular file")


def write_entries(tmp_path, entries, compression=zipfile.ZIP_STORED):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return str(path)


def state_entries(torch_writer, tensors=None):
    content, storages = torch_writer.pickle_value(torch_writer.state_dict(tensors or some_tensors()))
    return [(name, bytes(data)) for name, data in torch_writer.archive_entries(content, storages)]


def test_an_archive_of_another_zip_writer_is_read(torch_writer, tmp_path):
    path = write_entries(tmp_path, state_entries(torch_writer))
    assert_same(torch_file.open_torch_file(path).tensors, some_tensors())


def test_a_program_is_told_from_a_state_dict(torch_writer, tmp_path):
    entries = state_entries(torch_writer)
    path = write_entries(tmp_path, [*entries, ("archive/code/__torch__.py", b"pass")], zipfile.ZIP_DEFLATED)
    refuse(path, "TorchScript", "torch.save(model.state_dict(), FILE)")
    refuse(write_entries(tmp_path, [*entries, ("archive/constants.pkl", b"N.")]), "TorchScript")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a.txt", b"1"), ("b.txt", b"2")], "no single folder"),
        ([("a/b.txt", b"1")], "no data.pkl"),
        ([], "no single folder"),
        ([("a/data.pkl", b"\x80\2}."), ("a/byteorder", b"big")], "big-endian"),
        ([("a/data.pkl", b"\x80\2}.}")], "goes on behind its pickle"),
        ([("a/data.pkl", b"\x80\2}.")], "has 0 (none)"),
    ],
)
def test_archives_that_are_no_state_dict_are_refused(tmp_path, entries, message):
    refuse(write_entries(tmp_path, entries), message)


def test_a_compressed_archive_is_refused(torch_writer, tmp_path):
    refuse(write_entries(tmp_path, state_entries(torch_writer), zipfile.ZIP_DEFLATED), "is compressed")


def test_a_storage_that_is_missing_or_short_is_refused(torch_writer, tmp_path):
    entries = dict(state_entries(torch_writer))
    refuse(
        write_entries(tmp_path, [e for e in entries.items() if e[0] != "archive/data/0"]),
        "storage '0' is missing or has another length",
    )
    entries["archive/data/2"] += b"\0"
    refuse(write_entries(tmp_path, entries.items()), "storage '2' is missing or has another length")


def test_data_that_differ_from_their_checksum_are_refused(torch_writer, tmp_path):
    tensors = {"w": np.full(64, 0.123, np.float32)}
    path = tmp_path / "a.pth"
    torch_writer.write_zip(path, tensors)
    whole = bytearray(path.read_bytes())
    whole[whole.index(tensors["w"].tobytes()) + 7] ^= 1
    path.write_bytes(whole)
    refuse(path, "'archive/data/0' has not the content its checksum states")


def test_a_big_endian_stream_is_refused(torch_writer, tmp_path, monkeypatch):
    monkeypatch.setitem(torch_writer.SYSTEM, "little_endian", False)
    refuse(write(torch_writer, "legacy", tmp_path / "a.pth", some_tensors()), "big-endian")


@pytest.mark.parametrize("form", FORMS)
def test_every_truncation_is_refused(torch_writer, tmp_path, form):
    path = write(torch_writer, form, tmp_path / "a.pth", {"w": np.arange(6, dtype=np.float32)})
    with open(path, "rb") as file:
        whole = file.read()
    for length in range(len(whole)):
        (tmp_path / "b.pth").write_bytes(whole[:length])
        refuse(tmp_path / "b.pth")
    (tmp_path / "b.pth").write_bytes(whole + b"\0")
    refuse(tmp_path / "b.pth")


def test_the_module_needs_no_tensorflow(torch_writer, tmp_path):
    path = write(torch_writer, "zip", tmp_path / "a.pth", some_tensors())
    script = (
        "import sys; from official_yolact.importing import torch_file; "
        f"assert len(torch_file.open_torch_file({path!r}).tensors) == 4; "
        "assert not {'tensorflow', 'tf_keras', 'torch'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


MEASURE = """
import sys
from peak_memory import peak_kb
from official_yolact.importing import torch_file
before = peak_kb()
total = sum(float(array.sum()) for array in torch_file.open_torch_file(sys.argv[1]).tensors.values())
print(peak_kb() - before, total)
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_200_mb_is_read_in_seconds_and_half_a_gigabyte(
    torch_writer, tmp_path, form, helper_environment
):
    tensors = {f"layer{i}.weight": np.full((512, 512, 2), i, np.float32) for i in range(100)}
    path = write(torch_writer, form, tmp_path / "a.pth", tensors)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path],
        check=True,
        capture_output=True,
        text=True,
        env=helper_environment,
    )
    seconds = time.monotonic() - started
    os.remove(path)
    kilobytes, total = done.stdout.split()
    assert float(total) == 2**19 * sum(range(100))
    assert seconds < 20
    assert int(kilobytes) < 500_000, "the pages of the file itself are among them"


def test_the_writer_makes_archives_that_zipfile_reads(torch_writer, tmp_path):
    file = io.BytesIO()
    torch_writer.write_archive(file, state_entries(torch_writer))
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == state_entries(torch_writer)
        assert archive.read("archive/version") == b"3\n"
