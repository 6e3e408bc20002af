"""The queue and the workers: who waits, who is refused, and that nobody gets another's answer."""

import concurrent.futures
import threading
import time

import httpx
import numpy as np
import pytest
import small_runtime
import tiny_exports

from official_yolact_runtime import graphs
from official_yolact_runtime import predictor


class Held(small_runtime.SmallRuntime):
    """Computes when it is told to; notes the heights of the pictures of each batch."""

    def __init__(self, batch_size=4):
        super().__init__(batch_size)
        self.go, self.begun, self.batches = threading.Event(), threading.Semaphore(0), []

    def detect(self, images):
        if images[0].shape[:2] != self.input_size:  # that of the first try
            self.begun.release()
            assert self.go.wait(30)
        self.batches.append([len(image) for image in images])
        if any(len(image) == 13 for image in images):
            raise RuntimeError("cannot compute this")
        return super().detect(images)


@pytest.fixture
def held(start):
    """A server whose runtime computes when it is told to, and that runtime."""
    runtime = Held()

    def begin(**settings):
        loaded = predictor.Predictor(runtime, small_runtime.CATEGORIES)
        return start(loader=lambda path, threads: loaded, **settings), runtime

    yield begin
    runtime.go.set()


def _post_all(running, bodies):
    executor = concurrent.futures.ThreadPoolExecutor(len(bodies))
    return [executor.submit(running.post, body) for body in bodies]


def _wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_finds_the_queue_full_is_told_when_to_come_again(held, picture):
    running, runtime = held(queue=2)
    first = _post_all(running, [picture(20, 30)])
    assert runtime.begun.acquire(timeout=30)
    waiting = _post_all(running, [picture(21, 30), picture(22, 30)])
    _wait_until(lambda: len(running.service.pool) == 2)
    refused = running.post(picture(23, 30))
    assert (refused.status_code, "wait already" in refused.json()["error"]) == (503, True)
    assert int(refused.headers["Retry-After"]) >= 1
    assert running.client.get("/v2/health/ready").status_code == 200
    assert "yolact_waiting_requests 2.0" in running.client.get("/metrics").text
    runtime.go.set()
    assert [one.result().json()["height"] for one in first + waiting] == [20, 21, 22]


def test_work_of_a_client_that_has_gone_is_not_done(held, picture):
    running, runtime = held(queue=1)
    first = _post_all(running, [picture(20, 30)])
    assert runtime.begun.acquire(timeout=30)
    with pytest.raises(httpx.ReadTimeout):
        running.client.post("/v1/predict", content=picture(21, 30), timeout=0.2)
    _wait_until(lambda: running.service.receiver.held == len(picture(20, 30)))
    # Its room in the queue is free.
    third = _post_all(running, [picture(22, 30)])
    _wait_until(lambda: running.service.receiver.held > len(picture(20, 30)))
    runtime.go.set()
    assert [one.result().status_code for one in first + third] == [200, 200]
    assert [20] in runtime.batches
    assert [21] not in runtime.batches
    assert 'status="499"' in running.client.get("/metrics").text


def test_a_batch_has_what_waits_and_one_that_fails_spoils_no_other(held, picture):
    running, runtime = held(batch_size=4)
    first = _post_all(running, [picture(20, 30)])
    assert runtime.begun.acquire(timeout=30)
    bodies = [picture(21, 30), b"no picture", picture(13, 30), picture(24, 30)]
    rest = []
    for number, body in enumerate(bodies, 1):
        rest += _post_all(running, [body])
        _wait_until(lambda number=number: len(running.service.pool) == number)
    runtime.go.set()
    assert [one.result().status_code for one in first + rest] == [200, 200, 415, 500, 200]
    assert [one.result().json().get("height") for one in rest] == [21, None, None, 24]
    assert [21, 13, 24] in runtime.batches


def test_many_clients_at_once_get_each_its_own_answer(served, picture):
    bodies = [picture(20 + index, 90 - index, seed=index) for index in range(40)]
    expected = [small_runtime.make_predictor()(body).to_json() for body in bodies]
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(served.post, bodies))
    assert [answer.text for answer in answers] == expected


def test_bodies_of_all_requests_together_are_bounded(held, picture):
    body = picture(20, 30)
    running, runtime = held(max_held_bytes=int(1.5 * len(body)))
    first = _post_all(running, [body])
    assert runtime.begun.acquire(timeout=30)
    refused = running.post(body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    runtime.go.set()
    assert first[0].result().status_code == 200
    assert running.post(body).status_code == 200


def test_each_worker_has_a_graph_of_its_own(start, picture):
    opened, both = [], threading.Barrier(2)

    def load(path, threads):
        runtime = graphs.GraphRuntime("litert", tiny_exports.INFO, None)
        small, used = small_runtime.SmallRuntime(), set()
        opened.append(used)

        def detect(images):
            name = threading.current_thread().name
            if name.startswith("worker") and name not in used:
                both.wait(30)  # one worker alone might do everything
            used.add(name)
            return small.detect(images)

        runtime.detect = detect
        return predictor.Predictor(runtime, small_runtime.CATEGORIES)

    running = start(loader=load, workers=2)
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(running.post, [picture()] * 60))
    assert {answer.status_code for answer in answers} == {200}
    # The first was tried in the thread that loaded it.
    assert [used - {threading.current_thread().name} for used in opened] == [{"worker-0"}, {"worker-1"}]


def test_a_model_is_loaded_again_under_load_and_no_request_fails(start, picture):
    loaded = []

    def load(path, threads):
        if len(loaded) == 2:
            loaded.append("failed")
            raise ValueError("a damaged file")
        loaded.append(path)
        scores = np.float32([0.9, 0.8, 0.5]) - 0.01 * len(loaded)
        one = small_runtime.make_predictor()
        find = one.runtime.detect

        def detect(images):
            found = find(images)
            rows = np.tile(scores, (len(images), 1))
            return {**found, "detection_scores": rows, "detection_mask_scores": rows}

        one.runtime.detect = detect
        return one

    running = start(loader=load, token="secret", workers=2)
    running.client.headers["Authorization"] = "Bearer secret"
    executor, stop = concurrent.futures.ThreadPoolExecutor(4), threading.Event()

    def ask():
        scores = []
        while not stop.is_set():
            scores.append(running.post(picture(20, 30)).json()["detections"][0]["score"])
        return scores

    asking = [executor.submit(ask) for _ in range(4)]
    again = [running.client.post("/v2/repository/models/small/load") for _ in range(3)]
    time.sleep(0.1)
    stop.set()
    assert [one.status_code for one in again] == [200, 400, 200]
    assert "the old one is still used" in again[1].json()["error"]
    assert "damaged" not in again[1].text
    for one in asking:
        scores = np.round(one.result(), 4).tolist()
        assert scores == sorted(scores, reverse=True)
        assert set(scores) <= {0.89, 0.88, 0.86}
        assert scores[-1] == 0.86
    assert running.client.post("/v2/repository/models/missing/load").status_code == 404


def test_without_a_token_no_model_is_loaded_on_request(served):
    answer = served.client.post("/v2/repository/models/small/load")
    assert (answer.status_code, "needs a token" in answer.json()["error"]) == (403, False)
    assert "without a token" in answer.json()["error"]


def test_every_request_needs_the_token_but_those_for_health(start, picture):
    running = start(token="secret")
    for wrong in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer secrets"},
        {"Authorization": "Basic secret"},
    ):
        refused = running.post(picture(), **wrong)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert running.client.get("/metrics", headers=wrong).status_code == 401
        assert running.client.get("/openapi.json", headers=wrong).status_code == 401
    assert running.post(picture(), Authorization="Bearer secret").status_code == 200
    assert running.client.get("/v2/health/live").status_code == 200
    assert running.client.get("/v2/health/ready").status_code == 200


def test_pages_of_other_sites_are_let_in_where_they_are_named(start, served, picture):
    site = {"Origin": "https://a.example"}
    assert "Access-Control-Allow-Origin" not in served.post(picture(), **site).headers
    running = start(origins=["https://a.example"], token="secret")
    asked = {
        **site,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Authorization",
    }
    allowed = running.client.options("/v1/predict", headers=asked)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert running.post(picture(), **site).headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = running.post(picture(), Origin="https://b.example")
    assert "Access-Control-Allow-Origin" not in other.headers
