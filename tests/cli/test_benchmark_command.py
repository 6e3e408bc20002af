import json

import pytest
import tiny_exports

from official_yolact.cli import main
from official_yolact.serving import benchmark

PARTS = {"decode", "network", "suppression", "masks", "draw", "total"}


def run(*words):
    return main.main(["benchmark", *map(str, words)])


def test_a_model_is_timed_part_by_part(tiny_model_dir, photos, annotations, capsys):
    words = [tiny_model_dir, "--photo", photos / "8.jpg", "--batch", "1,3", "--rounds", 2, "--threads", 1]
    words += ["--precision", "float32", "--annotations", annotations, "--images", photos, "--json"]
    assert run(*words) == 0
    out, err = capsys.readouterr()
    *table, line = out.splitlines()
    assert table[0].split()[:3] == ["model", "runtime", "batch"]
    assert [row.split()[-4:-2] for row in table[1:]] == [row.split()[-4:-2] for row in table[1:2]] * 2
    account = json.loads(line)
    assert account["threads"] == 1
    assert [row["batch"] for row in account["results"]] == [1, 3]
    for row in account["results"]:
        assert (row["model"], row["runtime"]) == (tiny_model_dir, "TensorFlow, float32")
        assert (row["at_once"], row["detections"]) == (3, 100)
        assert set(row["milliseconds"]) == PARTS
        assert set(row["over_first"].values()) == {1.0}
        times = [times["median"] for part, times in row["milliseconds"].items() if part != "total"]
        assert 0 < min(times) <= sum(times)
        assert row["first_s"] >= row["load_s"] > 0
        assert row["memory_mb"] > 100
        assert 0.01 < row["size_mb"] < 10
        assert 0 <= row["mask_AP"] <= 1
        assert 0 <= row["box_AP"] <= 1
    assert "3/3 rounds" in err or "2/2 rounds" in err


def test_an_export_is_timed_with_each_library_and_its_graph_as_one_part(tmp_path, capsys):
    path = tiny_exports.write_onnx(tmp_path / "model.onnx", tiny_exports.INFO.as_dict())
    assert run(path, "--batch", 2, "--rounds", 2, "--json") == 0
    *table, line = capsys.readouterr().out.splitlines()
    rows = json.loads(line)["results"]
    assert [row["runtime"] for row in rows] == ["onnx", "openvino"]
    for row in rows:
        assert set(row["milliseconds"]) == PARTS - {"network", "suppression"} | {benchmark.TOGETHER}
        assert (row["at_once"], row["detections"]) == (1, 2)
        assert row["over_first"].keys() == row["milliseconds"].keys()
    assert all("network + suppression:" in row for row in table[1:])


def test_models_are_compared_with_the_first_where_both_have_the_part():
    def times(**milliseconds):
        return {part: {"median": value, "p95": value} for part, value in milliseconds.items()}

    parted = times(decode=1.0, network=6.0, suppression=2.0, total=9.0)
    whole = times(decode=2.0, total=6.0) | {benchmark.TOGETHER: {"median": 4.0, "p95": 4.0}}
    assert benchmark._compare(whole, parted) == {"decode": 2.0, "total": 0.667, benchmark.TOGETHER: 0.5}
    assert benchmark._compare(parted, whole)[benchmark.TOGETHER] == 2.0
    assert set(benchmark._compare(parted, parted).values()) == {1.0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{}/none"], "none: no such model directory or export"),
        (["{}", "--annotations", "a.json"], "--annotations JSON and --images DIR belong together"),
        (
            ["{}", "--precision", "int4"],
            "'int4' is not a precision: expected some of auto, float32, bfloat16",
        ),
        (["{}", "--batch", "1,0"], "0 is not a whole number that is 1 or more"),
    ],
    ids=["no model", "no images", "precision", "batch"],
)
def test_what_cannot_be_timed_is_named(tmp_path, capsys, words, says):
    assert run(*(word.format(tmp_path) for word in words)) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_what_a_process_cannot_load_or_read_ends_with_one_message(tmp_path, photos, capsys):
    (photos / "7.jpg").write_bytes(b"<html>")
    assert run(tmp_path, "--photo", photos / "7.jpg") == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "params.yaml: no such file" in err.splitlines()[-1]
