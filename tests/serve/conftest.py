"""A server in a thread, over a runtime of NumPy alone."""

import asyncio
import io
import threading

import httpx
import numpy as np
import pytest
import small_runtime
from PIL import Image

from official_yolact.serve import models
from official_yolact.serve import server
from official_yolact.serve import service
from official_yolact.serve import settings as settings_lib


def encode(height=48, width=64, kind="JPEG", seed=0):
    """The bytes of a picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


class Running:
    """A server that runs in a thread."""

    def __init__(self, paths, loader, **settings):
        self.settings = settings_lib.Settings(**{"access_log": False, **settings})
        self.store = models.Store(paths, self.settings.workers, loader)
        self.service = service.Service(self.settings, self.store)
        listener = server.listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.server = server.Server(self.service)
        self._thread = threading.Thread(target=self.server.run, args=([listener],))
        self._thread.start()
        self.client = httpx.Client(base_url=f"http://{self.address}", timeout=60)

    def call(self, function):
        """Run a function in the thread of the server."""
        loop = next(iter(self.server.servers)).get_loop()
        return asyncio.run_coroutine_threadsafe(_call(function), loop).result(30)

    def post(self, data, query="", **headers):
        return self.client.post(f"/v1/predict{query}", content=data, headers=headers)

    def close(self):
        self.client.close()
        self.server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive()


async def _call(function):
    return function()


@pytest.fixture(scope="session")
def picture():
    """Makes the bytes of a picture: `encode(height, width, kind, seed)`."""
    return encode


def load_small(path, threads):
    return small_runtime.make_predictor()


@pytest.fixture
def start():
    """Start servers with settings, and other models or another loader."""
    running = []

    def begin(paths=None, loader=load_small, **settings):
        running.append(Running(paths or {"small": "small"}, loader, **settings))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture(scope="module")
def served():
    """A server that many tests share."""
    one = Running(
        {"small": "small", "other": "other"}, load_small, workers=2, max_bytes=400_000, max_pixels=40_000
    )
    yield one
    one.close()
