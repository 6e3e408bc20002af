import itertools
import threading
import time

import pytest

from official_yolact.serving import ahead


@pytest.mark.parametrize(("distance", "workers"), [(0, 1), (1, 1), (5, 3), (100, 2)])
def test_results_come_in_order_whatever_takes_long(distance, workers):
    def work(number):
        time.sleep(0.002 * (number % 3 == 0))
        return 10 * number

    assert list(ahead.map_ahead(work, range(20), distance, workers)) == list(range(0, 200, 10))


def test_no_more_is_begun_than_was_allowed():
    made = []

    def endless():
        for number in itertools.count():
            made.append(number)
            yield number

    release = threading.Event()
    results = ahead.map_ahead(lambda number: (release.wait(), number)[1], endless(), ahead=3)
    timer = threading.Timer(0.05, release.set)
    timer.start()
    assert next(results) == 0
    assert len(made) == 4
    results.close()


def test_steps_go_on_while_the_caller_is_busy():
    both = threading.Barrier(2, timeout=10)
    results = ahead.map_ahead(lambda number: both.wait() * 0 + number, range(2), ahead=1, workers=1)
    found = []

    def consume():
        found.extend(results)

    caller = threading.Thread(target=consume)
    caller.start()
    for _ in range(2):
        both.wait()
    caller.join(10)
    assert found == [0, 1]


def test_an_error_is_raised_at_its_place_and_the_rest_is_given_up():
    done, closed = [], []

    def items():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    def work(number):
        if number == 3:
            raise ValueError("three")
        done.append(number)
        time.sleep(0.01)
        return number

    results = ahead.map_ahead(work, items(), ahead=50)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert closed == [True]
    assert len(done) < 50


def test_the_steps_of_a_chain_end_together():
    closed = []

    def items():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    first = ahead.map_ahead(lambda number: number + 1, items(), ahead=2)
    second = ahead.map_ahead(lambda number: number * 2, first, ahead=2)
    assert list(itertools.islice(second, 4)) == [2, 4, 6, 8]
    second.close()
    assert closed == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("yolact-ahead")]


def test_items_are_made_in_a_thread_of_their_own_no_more_than_were_allowed():
    made, threads = [], set()

    def endless():
        try:
            for number in itertools.count():
                made.append(number)
                threads.add(threading.current_thread())
                yield number
        finally:
            made.append("closed")

    items = ahead.make_ahead(endless(), 3)
    assert [next(items) for _ in range(2)] == [0, 1]
    time.sleep(0.05)
    assert len(made) == 6  # two given, three that wait, one that has no room
    items.close()
    assert made[-1] == "closed"
    assert threading.main_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_an_error_of_an_item_is_raised_behind_those_before_it():
    def items():
        yield 1
        yield 2
        raise OSError("the stream has ended")

    found = ahead.make_ahead(items(), 5)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(OSError, match="the stream has ended"):
        next(found)
    assert list(ahead.make_ahead([], 1)) == []
    assert list(ahead.make_ahead(range(9), 2)) == list(range(9))
