"""One server: models, workers, bodies and counters, and how a request passes through them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from starlette import requests
from starlette import responses

from official_yolact import failures
from official_yolact.serve import bodies
from official_yolact.serve import metrics as metrics_lib
from official_yolact.serve import models
from official_yolact.serve import refusals
from official_yolact.serve import settings as settings_lib
from official_yolact.serve import workers

_logger = logging.getLogger(__name__)


class Service:
    """Answers requests with models.

    Attributes:
      settings: bounds and permissions.
      store: the models.
      pool: the workers.
      receiver: of bodies.
      metrics: that are counted.
      is_ending: whether no request is accepted any more.
    """

    def __init__(self, settings: settings_lib.Settings, store: models.Store) -> None:
        """Start the workers.

        Args:
          settings: bounds and permissions.
          store: the models.
        """
        self.settings, self.store = settings, store
        self.pool = workers.Pool(settings.workers, settings.queue, settings.batch_size)
        self.receiver = bodies.Receiver(settings)
        self.metrics = metrics_lib.Metrics(lambda: len(self.pool), lambda: self.receiver.held)
        self.is_ending = False
        self._loading = concurrent.futures.ThreadPoolExecutor(1, "loading")

    def close(self) -> None:
        """Finish what waits, and end the threads."""
        self.pool.close()
        self._loading.shutdown()

    async def answer(
        self, request: requests.Request, name: str | None, make_work: Callable[[bytes], workers.Work]
    ) -> responses.Response:
        """Answer a request by a worker.

        Args:
          request: whose body nobody has read.
          name: of the model; None: the first one.
          make_work: makes the work of the body.

        Raises:
          RefusedError: says why it is not answered.
          ClientDisconnect: nobody waits for the answer any more.
        """
        model = self.store.get(name)
        log: dict[str, Any] = request.scope["state"]["log"]
        log["model"] = model.name
        async with self.receiver.receive(request) as body:
            log["received"] = len(body)
            found = await _wait(request, self.pool.submit(model, make_work(body)))
        log["detections"] = found.detections
        return responses.Response(found.content, media_type=found.media_type, headers=dict(found.headers))

    async def reload(self, name: str) -> None:
        """Load a model again, while the old one answers.

        Raises:
          RefusedError: it cannot be loaded; the old one is still used.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._loading, self.store.reload, name)
        except refusals.RefusedError:
            raise
        except Exception as error:
            self.metrics.loads.labels(name, "failed").inc()
            _logger.error("model %s is not loaded again: %s", name, failures.describe(error, [name], "load"))
            message = (
                f"the model {name} cannot be loaded, and the old one is still used: the log has the reason"
            )
            raise refusals.RefusedError(400, message) from None
        self.metrics.loads.labels(name, "loaded").inc()
        _logger.warning("model %s is loaded again", name)

    async def reload_all(self) -> None:
        """Load each model again; what fails is in the log."""
        for name in self.store.names:
            with contextlib.suppress(refusals.RefusedError):
                await self.reload(name)


async def _wait(
    request: requests.Request, future: concurrent.futures.Future[workers.Answer]
) -> workers.Answer:
    """Wait for an answer; work that has not begun is cancelled where the client goes before."""
    answer = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise requests.ClientDisconnect
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()


async def _until_gone(request: requests.Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
