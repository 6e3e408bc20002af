import json
import shutil

import known_mistakes
import pytest

from official_yolact.cli import main

WORSE = [["right", "missed", "right"]] * 8 + [["right"] * 3] * 12
BETTER = [["right"] * 3] * 19 + [["right", "missed", "right"]]


@pytest.fixture
def paths(tmp_path):
    """Annotations, and the results of a worse and of a better model on them."""
    annotations, worse = known_mistakes.write_set(tmp_path, WORSE, "worse")
    _, better = known_mistakes.write_set(tmp_path, BETTER, "better")
    return annotations, worse, better


def run(capsys, *words):
    code = main.main(["compare", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_better_one_is_named_with_the_interval_of_the_difference(paths, capsys):
    annotations, worse, better = paths
    code, out, _ = run(capsys, worse, better, "--annotations", annotations, "--json")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    (pair,) = found["pairs"]
    assert found["main"] == "mask"
    ap = pair["kinds"]["mask"]["numbers"][0]
    assert ap["difference"] == pytest.approx(ap["second"] - ap["first"])
    assert 0 < ap["low"] < ap["difference"] < ap["high"]
    assert pair["verdict"] == (
        f"better-results.json is better by {100 * ap['difference']:.1f} mask AP, 95 % interval "
        f"{100 * ap['low']:.1f} to {100 * ap['high']:.1f}"
    )
    assert out.splitlines()[0] == pair["verdict"]
    assert {image["id"] for image in pair["better"]} == set(range(1, 9))
    assert [image["id"] for image in pair["worse"]] == [20]
    assert {each["name"] for each in pair["kinds"]["box"]["by_class"]} == {"class 1", "class 2", "class 3"}


def test_what_is_the_same_cannot_be_told_apart(paths, capsys):
    annotations, worse, _ = paths
    same = shutil.copy(worse, worse.parent / "same.json")
    code, out, _ = run(capsys, worse, same, "--annotations", annotations)
    assert code == 0
    assert "cannot be told apart on 20 images" in out.splitlines()[0]
    assert "images where" not in out


def test_reports_are_compared_on_their_annotations_and_folders_with_them(paths, tmp_path, capsys):
    annotations, worse, better = paths
    for name, found in (("a", worse), ("b", better)):
        words = ["eval", "--detections", found, "--annotations", annotations, "--report", tmp_path / name]
        assert main.main(list(map(str, words))) == 0
    capsys.readouterr()
    code, out, _ = run(capsys, tmp_path / "a", tmp_path / "b" / "report.json", better)
    assert code == 0
    assert out.count("is better by") == 2
    edited = json.loads((tmp_path / "b" / "report.json").read_text())
    edited["evaluated"]["annotations"]["sha256"] = "1" * 64
    (tmp_path / "b" / "report.json").write_text(json.dumps(edited))
    code, _, err = run(capsys, tmp_path / "a", tmp_path / "b")
    assert code == 2
    assert "compare what was measured on the same annotations" in err


def test_what_cannot_be_compared_is_one_line(paths, tmp_path, capsys):
    annotations, worse, _ = paths
    (tmp_path / "empty").mkdir()
    boxes = [{k: v for k, v in one.items() if k != "segmentation"} for one in json.loads(worse.read_text())]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    masks = [{k: v for k, v in one.items() if k != "bbox"} for one in json.loads(worse.read_text())]
    (tmp_path / "masks.json").write_text(json.dumps(masks))
    for words, says in (
        ([worse], "name two evaluations, or more, to compare"),
        ([worse, worse], "no report says which annotations it is on: name --annotations JSON"),
        ([worse, tmp_path / "empty", "--annotations", annotations], "has neither a report nor detections"),
        (
            [tmp_path / "boxes.json", tmp_path / "masks.json", "--annotations", annotations],
            "nothing can be compared",
        ),
    ):
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "")
        assert says in err
        assert len(err.strip().splitlines()) == 1
