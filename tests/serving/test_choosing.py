import pytest

from official_yolact.environment import machine
from official_yolact.serving import choosing


@pytest.mark.parametrize(
    ("instructions", "name", "reason"),
    [
        ({"avx512_bf16"}, "bfloat16", "this processor has AVX-512 BF16"),
        ({"avx512_bf16", "amx_bf16"}, "bfloat16", "this processor has AMX"),
        ({"avx2", "avx512_vnni"}, "float32", "this processor would emulate bfloat16"),
    ],
    ids=["AVX-512", "AMX", "neither"],
)
def test_the_processor_decides_about_bfloat16(monkeypatch, instructions, name, reason):
    monkeypatch.setattr(choosing.os.path, "exists", lambda path: False)
    monkeypatch.setattr(machine, "read_instructions", lambda: instructions)
    assert choosing.choose_precision("auto") == (name, reason)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_not_questioned(monkeypatch, name):
    monkeypatch.setattr(machine, "read_instructions", set)
    assert choosing.choose_precision(name) == (name, "")


def test_a_graphics_card_computes_in_float32(monkeypatch):
    monkeypatch.setattr(choosing.os.path, "exists", lambda path: path == "/dev/nvidiactl")
    assert choosing.choose_precision("auto") == ("float32", "a GPU computes")


def test_an_unknown_precision_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="precision is 'int4': expected one of auto, float32, bfloat16"):
        choosing.choose_precision("int4")
