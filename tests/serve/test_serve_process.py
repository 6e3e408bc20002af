"""`yolact serve` as a process of its own: what it says, signals, exit codes."""

import concurrent.futures
import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading

import httpx
import pytest
import tiny_exports

import official_yolact_runtime
from official_yolact.cli import main
from official_yolact.cli import serve

_SCRIPT = """
import sys
from official_yolact.cli import main
code = main.main(sys.argv[1:])
print("LOADED", *(name for name in ("tensorflow", "tf_keras", "official", "cv2") if name in sys.modules))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An ONNX file, whose scores follow the picture."""
    return tiny_exports.write_onnx(
        tmp_path_factory.mktemp("export") / "tiny.onnx", tiny_exports.INFO.as_dict()
    )


class Process:
    """A server as a process."""

    def __init__(self, log, *arguments, **variables):
        self._log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, "serve", *map(str, arguments), "--port", "0"],
            stdout=log,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
        )
        self.said = []
        self.url = self.wait_for(r"http://[\d.]+:\d+")

    def wait_for(self, pattern):
        """Wait for a line on standard error; gives what the pattern matches."""
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(pattern, line):
                return found[0]
        raise AssertionError("".join(self.said))

    def end(self, number=signal.SIGTERM):
        """Send a signal; gives the exit code, the lines of the log, and the heavy modules."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        self._log.seek(0)
        *log, last = self._log.read().splitlines()
        assert last.startswith("LOADED"), err
        return self.process.returncode, [json.loads(line) for line in log], last.split()[1:]


@pytest.fixture
def launch(tmp_path):
    launched = []

    def start(*arguments, **variables):
        log = open(tmp_path / "log", "w+")  # noqa: SIM115
        launched.append(Process(log, *arguments, **variables))
        return launched[-1]

    yield start
    for one in launched:
        one.process.kill()
        one.process.communicate()
        one._log.close()


def test_a_server_says_what_it_serves_logs_each_request_and_needs_no_tensorflow(launch, model, picture):
    data = picture(40, 50)
    server = launch(model, "--workers", "2", YOLACT_SERVE_TOKEN="secret")
    assert any(f"tiny: {model}, computed by onnx" in line for line in server.said)
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer secret"}) as client:
        answer = client.post("/v1/predict?threshold=0.2", content=data)
        assert answer.text == official_yolact_runtime.load(model)(data, 0.2).to_json()
        assert client.post("/v1/predict", content=b"secret picture").status_code == 415
        (described,) = client.get("/v1/models").json()
        assert described["weights"] == {"step": 7, "kind": "training", "is_averaged": None}
        assert httpx.get(f"{server.url}/v1/models").status_code == 401
    code, log, heavy = server.end()
    assert (code, heavy) == (0, [])
    assert [(one["path"], one["status"]) for one in log] == [
        ("/v1/predict", 200), ("/v1/predict", 415), ("/v1/models", 200), ("/v1/models", 401),
    ]  # fmt: skip
    assert (log[0]["model"], log[0]["received"], log[0]["detections"]) == ("tiny", len(data), 2)
    assert log[0]["request"] == answer.headers["X-Request-Id"]
    assert "secret" not in json.dumps(log)


def test_a_server_that_ends_under_load_answers_all_that_it_accepted(launch, model, picture):
    data = picture(200, 300)
    expected = official_yolact_runtime.load(model)(data).to_json()
    server = launch(model, "--workers", "2")
    answered = threading.Semaphore(0)

    def ask():
        found = []
        # A connection that the server has not accepted yet is refused, or reset without an answer.
        unaccepted = contextlib.suppress(httpx.ConnectError, httpx.ReadError)
        with httpx.Client(base_url=server.url, timeout=30) as client, unaccepted:
            while True:
                found.append(client.post("/v1/predict", content=data))
                answered.release()
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        asking = [executor.submit(ask) for _ in range(8)]
        assert all(answered.acquire(timeout=60) for _ in range(40))
        code, log, _ = server.end()
        # Any other error of a client is one of this test.
        answers = [answer for one in asking for answer in one.result()]
    assert code == 0
    assert {answer.text for answer in answers} == {expected}
    assert len(answers) == len(log) >= 40
    assert {one["status"] for one in log} == {200}


def test_at_a_hangup_the_models_are_loaded_again(launch, model, tmp_path, picture):
    path = tiny_exports.write_onnx(tmp_path / "tiny.onnx", tiny_exports.INFO.as_dict())
    server = launch(f"mine={path}", "--no-access-log")

    def name():
        return httpx.post(f"{server.url}/v1/predict", content=picture()).json()["detections"][0][
            "category_name"
        ]

    assert name() == "date"
    info = tiny_exports.INFO.as_dict()
    info["categories"][1]["name"] = "plum"
    os.replace(tiny_exports.write_onnx(tmp_path / "new.onnx", info), path)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("model mine is loaded again")
    assert name() == "plum"
    path.write_bytes(b"damaged")
    server.process.send_signal(signal.SIGHUP)
    assert "tiny.onnx" in server.wait_for("model mine is not loaded again: .*")
    assert name() == "plum"
    code, log, _ = server.end(signal.SIGINT)
    assert (code, log) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.onnx"], "nowhere.onnx"),
        (["{model}", "{model}"], "two models are called tiny"),
        (["a b=c"], "cannot be a part of an address"),
        (["{model}", "--cors", "example.org"], "expected an origin"),
        (["{model}", "--token-file", "{empty}"], "the token is empty"),
        (["{model}", "--token-file", "nofile"], "nofile"),
        (["{model}", "--host", "nohost.invalid"], "name another --host"),
        (["{model}", "--batch-size", "4"], "no GPU"),
        (["{model}", "--runtime", "tensorflow"], "no SavedModel"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_served_is_named(model, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "_GPU", "no GPU")
    (tmp_path / "empty").write_text("\n")
    words = [word.format(model=model, empty=tmp_path / "empty") for word in arguments]
    assert main.main(["serve", *words, "--port", "0"]) == 2
    assert message in capsys.readouterr().err


def test_a_port_in_use_is_named(served, model, capsys):
    assert main.main(["serve", str(model), "--port", str(served.port)]) == 2
    assert f"127.0.0.1:{served.port}: cannot be listened on" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http", "²"])
def test_what_is_no_port_is_named(model, capsys, port):
    assert main.main(["serve", str(model), "--port", port]) == 2
    assert "is no port" in capsys.readouterr().err


def test_without_the_extra_the_extra_is_named(model, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "fastapi" else find(name, *rest)
    )
    assert main.main(["serve", str(model)]) == 2
    assert "needs fastapi" in (said := capsys.readouterr().err)
    assert "pip install 'official-yolact[serve]'" in said
