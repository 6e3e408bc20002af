"""Clients that are slow, go away, or do not read: they hold nothing up, and nothing of them is left."""

import contextlib
import json
import os
import socket
import threading
import time

import pytest

from official_yolact.serve import middleware
from official_yolact.serve import server


@contextlib.contextmanager
def _connect(running, **options):
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as one:
        yield one


def _head(length, path="/v1/predict", more=""):
    return f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def _read_all(connection):
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            found += block
    return found


def _wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def quick(start):
    """A server that waits a third of a second alone."""
    return start(body_seconds=0.3, header_seconds=0.3)


def test_a_body_that_is_too_slow_is_refused(quick, picture):
    with _connect(quick) as slow:
        slow.sendall(_head(1000) + b"a")
        answer = _read_all(slow)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"error":"the body did not arrive in 0.3 seconds' in answer
    assert quick.post(picture()).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"POST /v1/pre", _head(10)[:-2]], ids=["nothing", "a word", "no end"])
def test_a_head_that_does_not_come_is_not_waited_for(quick, sent):
    with _connect(quick) as slow:
        slow.sendall(sent)
        assert _read_all(slow) == b""


def test_a_second_head_is_not_waited_for_either(quick, picture):
    data = picture()
    with _connect(quick) as slow:
        slow.sendall(_head(len(data)) + data)
        assert slow.recv(10) == b"HTTP/1.1 2"
        slow.sendall(b"POST /v1/pre")
        assert b"HTTP" not in _read_all(slow)


def test_an_upload_that_is_broken_off_leaves_nothing(quick, picture):
    for sent in (_head(1000) + b"half", _head(1000), b"POST"):
        with _connect(quick) as one:
            one.sendall(sent)
    _wait_until(lambda: not quick.server.server_state.tasks)
    assert quick.service.receiver.held == 0
    assert quick.post(picture()).status_code == 200


def test_who_does_not_read_the_answer_is_cut_off(quick, picture):
    data = picture(2000, 2500, "PNG")
    content = {"inputs": [{"name": "image_bytes", "datatype": "BYTES", "shape": [1]}]}
    content["inputs"][0]["parameters"] = {"binary_data_size": len(data) + 4}
    content["outputs"] = [{"name": "detection_masks", "parameters": {"binary_data": True}}]
    text = json.dumps(content).encode()
    more = f"Inference-Header-Content-Length: {len(text)}\r\n"
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        lazy.connect(("127.0.0.1", quick.port))
        body = text + len(data).to_bytes(4, "little") + data
        lazy.sendall(_head(len(body), "/v2/models/small/infer", more) + body)
        _wait_until(lambda: quick.server.server_state.total_requests)
        _wait_until(lambda: not quick.server.server_state.connections)


@pytest.mark.parametrize("path", ["/v1/predict", "/nothing"])
def test_who_sends_first_and_reads_then_gets_the_reason(served, path):
    size = 1_500_000
    for more in ("Connection: close\r\n", ""):
        with _connect(served) as stubborn:
            stubborn.sendall(_head(size, path, more))
            for _ in range(size // 10_000):
                stubborn.sendall(bytes(10_000))
            assert stubborn.recv(12) in (b"HTTP/1.1 413", b"HTTP/1.1 404")


def test_a_connection_is_used_again_once_the_rest_of_a_refused_body_has_come(start, monkeypatch, picture):
    monkeypatch.setattr(server, "_LINGER_SECONDS", 0.5)
    monkeypatch.setattr(middleware, "_DISCARD_SECONDS", 0.05)
    running, data = start(max_bytes=10_000), picture()
    with _connect(running) as patient:
        patient.sendall(_head(20_000))
        assert patient.recv(12) == b"HTTP/1.1 413"
        patient.sendall(bytes(20_000))
        time.sleep(0.8)
        patient.sendall(_head(len(data)) + data)
        found = b""
        while b"HTTP/1.1 200" not in found:
            block = patient.recv(65536)
            assert block
            found += block


def test_too_large_a_body_is_refused_before_it_is_sent(served):
    with _connect(served) as polite:
        polite.sendall(_head(10**9, more="Expect: 100-continue\r\n"))
        assert polite.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\n\n", b"GET / HTTP/9\r\n\r\n", b"GET /" + b"a" * 100_000, b"POST / HTTP/1.1\r\n\r\n"],
    ids=["TLS", "no version", "long", "no host"],
)
def test_what_is_no_http_is_refused(served, sent):
    with _connect(served) as strange:
        with contextlib.suppress(ConnectionError):
            strange.sendall(sent)
        assert _read_all(strange).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404")) or len(sent) > 100
    assert served.client.get("/v2/health/live").status_code == 200


def test_a_server_that_has_ended_leaves_no_thread_and_no_descriptor(start, picture):
    def count():
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    running = start()
    running.post(picture())
    running.close()
    before = count()
    again = start()
    assert again.post(picture()).status_code == 200
    again.close()
    assert count() == before
