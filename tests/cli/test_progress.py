"""Lines of progress, on a terminal and elsewhere."""

import io

import pytest

from official_yolact.cli import progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def show(monkeypatch, clock, stream, states):
    monkeypatch.setattr("sys.stderr", stream)
    shown = progress.Progress("pictures", rate=True)
    for seconds, done, total in states:
        clock[0] += seconds
        shown(done, total)
    shown.end()
    return stream.getvalue()


def test_a_terminal_shows_rate_and_time_left_in_one_line(monkeypatch, clock):
    states = [(2.0, 10, 300), (0.01, 11, 300), (1.99, 30, 300), (20, 300, 300)]
    assert show(monkeypatch, clock, _Terminal(), states).split("\r") == [
        "",
        "10/300 pictures, 5 a second, 0:58 left\x1b[K",
        "30/300 pictures, 7.5 a second, 0:36 left\x1b[K",
        "300/300 pictures, 12.5 a second\x1b[K\n",
    ]


def test_a_stream_without_an_end_shows_what_is_done_and_ends_its_line(monkeypatch, clock):
    states = [(1.0, 20, None), (1.0, 50, None)]
    assert show(monkeypatch, clock, _Terminal(), states).split("\r") == [
        "",
        "20 pictures, 20 a second\x1b[K",
        "50 pictures, 25 a second\x1b[K\n",
    ]


def test_elsewhere_a_line_comes_every_ten_seconds(monkeypatch, clock):
    states = [(2.0, 10, None), (9.0, 110, None), (1.0, 120, 120)]
    assert show(monkeypatch, clock, io.StringIO(), states).splitlines() == [
        "110 pictures, 10 a second",
        "120/120 pictures, 10 a second",
    ]
