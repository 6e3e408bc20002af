"""Load a server with good, bad, slow and broken-off requests; compare good answers with the Predictor.

python benchmarks/serve.py MODEL [--clients 8] [--requests 500] [--workers 2] [--rounds 5]

MODEL is an export. Starts `yolact serve` as a process of its own and prints one JSON object:

- `mixed`: requests by kind, those that were answered wrongly (must be none), milliseconds of the good ones,
  the growth of the server's memory over 1,000 requests after a warm-up, and its threads and descriptors
  before and after.
- `reload`: requests that failed while SIGHUP had the model loaded again (must be 0).
- `throughput`: photos in a second by the clients, beside one after another in a Predictor of this process, in
  turns; and milliseconds of processor time of a photo, in which other work on the machine does not count.
- `end`: requests that were answered before a server had ended by SIGTERM, those that it had answered by its
  log and no client got (must be 0), and the exit code.

The clients share the processors with the server.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import http.client
import io
import itertools
import json
import os
import platform
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

import official_yolact_runtime

MAX_BYTES = 1_000_000
SIZES = ((480, 640), (640, 480), (120, 160), (33, 500), (721, 65), (300, 300), (1080, 1920), (16, 16))
KINDS = {
    "good": 70, "form": 6, "slow": 4, "corrupt": 5, "many pixels": 3, "many bytes": 2, "empty": 3,
    "no picture": 4, "aborted": 3,
}  # fmt: skip
STATUSES = {"corrupt": 415, "many pixels": 413, "many bytes": 413, "empty": 400, "no picture": 415}
_PAGE = os.sysconf("SC_PAGE_SIZE")


def draw_photos() -> list[bytes]:
    """Draw photos of many sizes and formats."""
    rng, photos = np.random.default_rng(0), []
    for index, (height, width) in enumerate(SIZES):
        coarse = Image.fromarray(rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8))
        buffer = io.BytesIO()
        coarse.resize((width, height)).save(buffer, ("JPEG", "JPEG", "PNG", "WEBP", "JPEG")[index % 5])
        photos.append(buffer.getvalue())
    return photos


def claim_pixels() -> bytes:
    """Make a PNG whose header claims 300 megapixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    small = bytearray(buffer.getvalue())
    small[16:24] = (30_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big")
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


class Server:
    """`yolact serve` as a process."""

    def __init__(self, model: str, workers: int, log: io.IOBase | None = None) -> None:
        command = [sys.executable, "-m", "official_yolact", "serve", model, "--port", "0"]
        command += ["--workers", str(workers), "--max-bytes", str(MAX_BYTES)]
        command += [] if log else ["--no-access-log"]
        self.process = subprocess.Popen(
            command, stdout=log or subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.port = int(self.wait_for(r"http://127.0.0.1:(\d+)/"))

    def wait_for(self, pattern: str) -> str:
        """Wait for a line on standard error."""
        said = []
        for line in self.process.stderr or ():
            said.append(line)
            if found := re.search(pattern, line):
                return found[found.lastindex or 0]
        raise RuntimeError("".join(said))

    def measure(self) -> dict[str, float]:
        """Read the memory in MB, the threads and the descriptors of the process."""
        root = f"/proc/{self.process.pid}"
        with open(f"{root}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1])
        counts = [len(os.listdir(f"{root}/{name}")) for name in ("task", "fd")]
        return {"memory_mb": resident * _PAGE / 1e6, "threads": counts[0], "descriptors": counts[1]}

    def read_seconds(self) -> float:
        """Read the seconds of processor time of the process."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """Send SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=90)
        return self.process.returncode


@dataclasses.dataclass
class Client:
    """Sends requests one after another, and notes what was wrong with the answers."""

    port: int
    photos: list[bytes]
    expected: list[str]
    rng: random.Random
    wrong: list[str] = dataclasses.field(default_factory=list)
    kinds: list[str] = dataclasses.field(default_factory=list)
    milliseconds: list[float] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def send_mixed(self) -> None:
        """Send a request of any kind."""
        (kind,) = self.rng.choices(list(KINDS), list(KINDS.values()))
        self.kinds.append(kind)
        index = self.rng.randrange(len(self.photos))
        photo = self.photos[index]
        if kind in ("good", "form"):
            self.send_good(index, kind == "form")
        elif kind in ("slow", "aborted"):
            self.send_in_pieces(index, kind == "aborted")
        else:
            body = {
                "corrupt": photo[: len(photo) // 3], "many pixels": claim_pixels(), "empty": b"",
                "many bytes": bytes(MAX_BYTES + 1), "no picture": b"no picture " * self.rng.randrange(1, 99),
            }[kind]  # fmt: skip
            status, text = self._ask(body, {})
            self.check(kind, status == STATUSES[kind] and "error" in json.loads(text), status)

    def send_good(self, index: int, as_form: bool = False) -> None:
        """Send a photo, by itself or in a form."""
        body, headers = self.photos[index], {}
        if as_form:
            body = (
                b'--x\r\nContent-Disposition: form-data; name="i"; filename="a"\r\n\r\n'
                + body
                + b"\r\n--x--\r\n"
            )
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
        start = time.perf_counter()
        status, text = self._ask(body, headers)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        self.check("good", status == 200 and text == self.expected[index], status)

    def send_in_pieces(self, index: int, breaks_off: bool) -> None:
        """Send a photo slowly, or half of one."""
        photo = self.photos[index]
        more = f"Connection: close\r\nContent-Length: {len(photo)}\r\n"
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\n{more}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as one:
            one.sendall(head.encode())
            if breaks_off:
                one.sendall(photo[: len(photo) // 2])
                return
            for at in range(0, len(photo), len(photo) // 5 + 1):
                one.sendall(photo[at : at + len(photo) // 5 + 1])
                time.sleep(0.03)
            answer = b"".join(iter(lambda: one.recv(65536), b"")).decode()
        self.check("slow", answer.endswith(self.expected[index]), answer[:20])

    def _ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        while True:
            self.connection.request("POST", "/v1/predict", body, headers)
            answer = self.connection.getresponse()
            text = answer.read().decode()
            if answer.status != 503:
                return answer.status, text
            self.kinds.append("told to come again")
            time.sleep(float(answer.headers["Retry-After"]))

    def check(self, kind: str, is_right: bool, found: object) -> None:
        """Note an answer that is wrong."""
        if not is_right:
            self.wrong.append(f"{kind}: {found}")


def run_clients(clients: list[Client], work: Callable[[Client], None]) -> float:
    """Let all clients work at once; gives the seconds."""
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as executor:
        list(executor.map(work, clients))
    return time.perf_counter() - start


def run_mixed(server: Server, clients: list[Client], requests: int, warm_up: int = 50) -> dict[str, Any]:
    """Send mixed requests, and watch the process."""
    rows: list[tuple[int, float]] = []
    count = itertools.count()

    def work(client: Client, times: int) -> None:
        for _ in range(times):
            client.send_mixed()
            done = next(count)
            if done % 20 == 0:
                rows.append((done, server.measure()["memory_mb"]))

    run_clients(clients, lambda client: work(client, warm_up))
    for client in clients:
        client.connection.close()
    time.sleep(0.5)
    before = server.measure()
    rows.clear()
    run_clients(clients, lambda client: work(client, requests))
    for client in clients:
        client.connection.close()
    time.sleep(0.5)
    kinds = [kind for client in clients for kind in client.kinds]
    times = [one for client in clients for one in client.milliseconds]
    return {
        "requests": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "wrong": [one for client in clients for one in client.wrong],
        "milliseconds": {"p50": quantile(times, 0.5), "p95": quantile(times, 0.95)},
        "mb_per_1000_requests": round(find_slope(rows), 3),
        "before": before,
        "after": server.measure(),
    }


def quantile(values: list[float], share: float) -> float:
    """Give a quantile."""
    return round(float(np.quantile(values, share)), 1)


def find_slope(rows: list[tuple[int, float]]) -> float:
    """Find how much the memory grows over 1,000 requests: the median of all pairs (Theil and Sen)."""
    pairs = itertools.combinations(rows[:: max(1, len(rows) // 200)], 2)
    slopes = [1000 * (b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if a[0] != b[0]]
    return statistics.median(slopes) if slopes else 0.0


def run_reload(server: Server, clients: list[Client], requests: int) -> dict[str, Any]:
    """Have the model loaded again while photos are sent."""
    before = sum(len(client.wrong) for client in clients)
    signalling = threading.Timer(0.2, server.process.send_signal, [signal.SIGHUP])
    signalling.start()
    run_clients(clients, lambda client: [client.send_good(i % len(client.photos)) for i in range(requests)])
    server.wait_for("is loaded again")
    return {
        "requests": requests * len(clients),
        "failed": sum(len(client.wrong) for client in clients) - before,
    }


def run_throughput(
    server: Server, clients: list[Client], model: Any, photo: int, requests: int, rounds: int
) -> dict[str, Any]:
    """Time the server and the Predictor in turns, on one photo."""
    served, bare, of_server, of_bare = [], [], [], []
    data = clients[0].photos[photo]
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        for _ in range(requests):
            model(data).to_json()
        bare.append(requests / (time.perf_counter() - start))
        of_bare.append((time.process_time() - busy) / requests)
        busy = server.read_seconds()
        share = requests // len(clients) + 1
        seconds = run_clients(clients, lambda one, share=share: [one.send_good(photo) for _ in range(share)])
        served.append(share * len(clients) / seconds)
        of_server.append((server.read_seconds() - busy) / (share * len(clients)))
    ratios = [a / b for a, b in zip(served, bare, strict=True)]
    return {
        "photo": list(SIZES[photo]),
        "served": round(statistics.median(served), 1),
        "bare": round(statistics.median(bare), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "processor_ms": {
            "server": round(1000 * statistics.median(of_server), 1),
            "bare": round(1000 * statistics.median(of_bare), 1),
        },
    }


def run_end(model: str, make_clients: Callable[[int], list[Client]], workers: int) -> dict[str, Any]:
    """End a server while photos are sent to it."""
    with tempfile.TemporaryFile("w+") as log:
        server = Server(model, workers, log)
        clients = make_clients(server.port)

        def work(client: Client) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    client.send_good(0)

        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            sending = executor.submit(run_clients, clients, work)
            while sum(len(client.milliseconds) for client in clients) < 5 * len(clients):
                time.sleep(0.05)
            code = server.end()
            sending.result()
        log.seek(0)
        statuses = [json.loads(line)["status"] for line in log]
    got = sum(len(client.milliseconds) for client in clients)
    wrong = sum(len(client.wrong) for client in clients)
    return {"answered": got, "lost": statuses.count(200) - got, "wrong": wrong, "exit_code": code}


def measure(model: str, clients: int, requests: int, workers: int, rounds: int) -> dict[str, Any]:
    """Measure everything."""
    photos = draw_photos()
    bare = official_yolact_runtime.load(model)
    expected = [bare(photo).to_json() for photo in photos]

    def make_clients(port: int) -> list[Client]:
        return [Client(port, photos, expected, random.Random(seed)) for seed in range(clients)]

    with running(Server(model, workers)) as server:
        made = make_clients(server.port)
        mixed = run_mixed(server, made, requests)
        reload = run_reload(server, made, max(5, requests // 10))
        throughput = run_throughput(server, made, bare, 0, max(clients, requests // 5), rounds)
    end = run_end(model, make_clients, workers)
    return {"mixed": mixed, "reload": reload, "throughput": throughput, "end": end}


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """End a server, whatever happens."""
    try:
        yield server
    finally:
        server.end()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", help="export; left out: one that returns constants")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=500, help="of each client")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(
            args.model or _write_tiny(folder), args.clients, args.requests, args.workers, args.rounds
        )
    versions = {"python": platform.python_version(), "cpus": len(os.sched_getaffinity(0))}
    print(json.dumps({**versions, "workers": args.workers, "clients": args.clients, **found}))


def _write_tiny(folder: str) -> str:
    """Write the export of the tests."""
    import pathlib

    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
    import tiny_exports

    return str(tiny_exports.write_onnx(pathlib.Path(folder) / "tiny.onnx", tiny_exports.INFO.as_dict()))


if __name__ == "__main__":
    main()
