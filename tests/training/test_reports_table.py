"""results.csv: rows that are whole whatever happens."""

import csv
import io
import math
import multiprocessing
import os
import pathlib
import signal
import time

import pandas
import pytest

from official_yolact.training.reports import results_table


def fill(table, steps, evaluate_at=()):
    for step in steps:
        table.append("train", step, {"total_loss": 1 / step, "epoch": step / 3, "unknown": 1.0})
        if step in evaluate_at:
            table.append("eval", step, {"mask_AP": step / 100, "mask_AP50": -1.0})


def list_rows(table):
    return [(row["kind"], int(row["step"])) for row in table.read()]


def test_csv_and_pandas_read_the_table(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    fill(table, [2, 4, 6], evaluate_at=[4])
    expected = [("train", 2), ("train", 4), ("eval", 4), ("train", 6)]
    assert list_rows(table) == expected
    with open(table.path, newline="") as file:
        read = list(csv.DictReader(file))
    assert [(row["kind"], int(row["step"])) for row in read] == expected
    assert tuple(read[0]) == results_table.COLUMNS
    frame = pandas.read_csv(table.path, parse_dates=["time"])
    assert tuple(frame.columns) == results_table.COLUMNS
    assert frame["step"].tolist() == [2, 4, 4, 6]
    assert frame["total_loss"][0] == pytest.approx(0.5)
    assert math.isnan(frame["total_loss"][2])
    assert frame["mask_AP"][2] == 0.04


def test_a_value_that_is_not_finite_stays_visible(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    table.append("train", 1, {"total_loss": math.nan, "box_loss": math.inf})
    (row,) = table.read()
    assert (row["total_loss"], row["box_loss"]) == ("nan", "inf")
    assert math.isnan(pandas.read_csv(table.path)["total_loss"][0])


def test_whatever_byte_the_file_ends_at_reading_and_going_on_give_whole_rows(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    fill(table, [100, 200], evaluate_at=[200])
    path = tmp_path / "results.csv"
    content = path.read_bytes()
    whole = [("train", 100), ("train", 200), ("eval", 200)]
    for end in range(len(content) + 1):
        path.write_bytes(content[:end])
        kept = max(0, content[:end].count(b"\n") - 1)
        assert list_rows(table) == whole[:kept], end
        table.append("train", 300, {"total_loss": 1.0})
        assert list_rows(table) == [*whole[:kept], ("train", 300)], end
        text = path.read_text()
        assert text.startswith("kind,step,")
        assert {len(cells) for cells in csv.reader(io.StringIO(text))} == {len(results_table.COLUMNS)}
    assert os.listdir(tmp_path) == ["results.csv"]


def test_rows_beyond_the_step_of_a_restart_are_dropped_and_steps_rise(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    assert table.drop_after(0) == 0
    assert not os.path.exists(table.path)
    fill(table, range(2, 12, 2), evaluate_at=[4, 8])
    assert table.drop_after(4) == 4
    assert list_rows(table) == [("train", 2), ("train", 4), ("eval", 4)]
    fill(table, [6, 8], evaluate_at=[8])
    steps = pandas.read_csv(table.path)["step"]
    assert steps.is_monotonic_increasing
    assert table.drop_after(0) == 6
    assert pandas.read_csv(table.path).empty
    assert os.listdir(tmp_path) == ["results.csv"]


def test_an_evaluation_that_is_done_again_replaces_its_row(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    fill(table, [2, 4], evaluate_at=[2, 4])
    table.append("eval", 4, {"mask_AP": 0.5})
    table.append("train", 6, {})
    assert list_rows(table) == [("train", 2), ("eval", 2), ("train", 4), ("eval", 4), ("train", 6)]
    assert [row["mask_AP"] for row in table.read()] == ["", "0.02", "", "0.5", ""]
    assert os.listdir(tmp_path) == ["results.csv"]


CLASSES = {
    "fig": {"objects": 12, "mask_AP": 0.25, "box_AR1": 0.5},
    'a, "b"\nö': {"objects": 3, "mask_AP": 0.0, "mask_AP50": -1.0},
}


def test_classes_have_rows_of_their_own_which_a_repeated_evaluation_replaces(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    for _ in range(2):
        table.append("train", 2, {"total_loss": 1.0})
        table.append("eval", 2, {"mask_AP": 0.125}, CLASSES)
        table.drop_after(2)
    assert list_rows(table) == [("train", 2), ("train", 2), ("eval", 2), ("class", 2), ("class", 2)]
    assert table.find_best("mask_AP") == (2, 0.125)
    frame = pandas.read_csv(table.path)
    found = frame[frame.kind == "class"].set_index("class")
    assert found["objects"].to_dict() == {"fig": 12, 'a, "b"\\nö': 3}
    assert found["mask_AP"].tolist() == [0.25, 0.0]
    table.drop_after(1)
    assert list_rows(table) == []


def test_of_many_classes_the_hundred_with_the_most_objects_have_rows(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    table.append("eval", 2, {}, {str(index): {"objects": index % 600} for index in range(1203)})
    kept = [int(row["objects"]) for row in table.read() if row["kind"] == "class"]
    assert len(kept) == 100
    assert sorted(kept)[0] == sorted(index % 600 for index in range(1203))[-100]


@pytest.mark.parametrize("end", [-1, -20], ids=["whole", "torn"])
def test_a_table_of_fewer_columns_is_read_and_goes_on(tmp_path, end):
    table = results_table.ResultsTable(str(tmp_path))
    fill(table, [2, 4, 6], evaluate_at=[4])
    before = table.read()
    text = pathlib.Path(table.path).read_text()
    text = "".join(line.rsplit(",", 2)[0] + "\n" for line in text.splitlines())
    (tmp_path / "results.csv").write_text(text if end == -1 else text[:end])
    expected = before if end == -1 else before[:-1]
    assert table.read() == expected
    table.append("train", 8, {})
    assert table.read()[:-1] == expected
    assert tuple(pandas.read_csv(table.path).columns) == results_table.COLUMNS
    assert os.listdir(tmp_path) == ["results.csv"]


@pytest.mark.parametrize("text", ["epoch,loss\n1,2\n", "a line without an end", "x"])
def test_a_table_with_other_columns_is_kept_beside_and_replaces_none(tmp_path, text):
    table = results_table.ResultsTable(str(tmp_path))
    for name in ("results.csv.old", "results.csv.old.2"):
        (tmp_path / "results.csv").write_text(text)
        assert table.read() == []
        fill(table, [2])
        assert list_rows(table) == [("train", 2)]
        assert (tmp_path / name).read_text() == text
    assert len(os.listdir(tmp_path)) == 3


def test_the_best_evaluation_is_the_first_of_the_best_also_after_a_restart(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    assert table.find_best("mask_AP") is None
    for step, value in ((2, 0.1), (4, 0.3), (6, math.nan), (8, 0.3), (10, 0.2)):
        table.append("eval", step, {"mask_AP": value})
    again = results_table.ResultsTable(str(tmp_path))
    assert again.find_best("mask_AP") == (4, 0.3)
    assert again.find_best("mask_AP", higher_is_better=False) == (2, 0.1)
    assert again.find_best("other") is None


def append_many(folder, kind, count):
    table = results_table.ResultsTable(folder)
    for step in range(1, count + 1):
        table.append(kind, step, {"total_loss": 0.5})


def test_two_processes_may_append_while_one_drops_rows(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=append_many, args=(str(tmp_path), kind, 150)) for kind in ("train", "eval")
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        table.drop_after(10**6)
        table.append("train", 1000, {})
        table.drop_after(999)
    for writer in writers:
        writer.join()
    rows = list_rows(table)
    assert {writer.exitcode for writer in writers} == {0}
    for kind in ("train", "eval"):
        assert [step for found, step in rows if found == kind] == list(range(1, 151))


def test_a_killed_writer_leaves_whole_rows(tmp_path):
    table = results_table.ResultsTable(str(tmp_path))
    context = multiprocessing.get_context("fork")
    for _ in range(10):
        writer = context.Process(target=append_many, args=(str(tmp_path), "train", 10**6))
        writer.start()
        time.sleep(0.05)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    before = len(table.read())
    assert before > 10
    table.append("eval", 7, {})
    assert list_rows(table)[before:] == [("eval", 7)]
    assert len(pandas.read_csv(table.path)) == before + 1
