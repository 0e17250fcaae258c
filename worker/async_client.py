"""`AsyncClient`: the client's calls on an event loop, each in a thread."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Engine

from ruie.db.progress import JobProgress
from ruie.db.record_pages import PAGE, DocumentRecords
from ruie.settings import Settings
from ruie.worker.client import Client

P = ParamSpec("P")
T = TypeVar("T")


def _threaded(
    method: Callable[Concatenate[Client, P], T],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """The method, with the same arguments, to be awaited."""

    async def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(lambda: method(self._opened(), *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


class AsyncClient:
    """`Client` for an event loop, which no call blocks. An asynchronous context manager.

    Its methods are those of `Client`, to be awaited; arguments that are called back, and rows that
    are iterated, are so in a thread. A call that is cancelled goes on there to its end, apart from
    `wait`. The database is opened by the first call.
    """

    def __init__(self, config: Settings | None = None, engine: Engine | None = None) -> None:
        self._config = config
        self._engine = engine
        self._client: Client | None = None
        self._opening = threading.Lock()

    def _opened(self) -> Client:
        with self._opening:
            if self._client is None:
                self._client = Client(self._config, self._engine)
            return self._client

    async def close(self) -> None:
        """Close the connections to the database, unless its engine was given."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._opened)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    enqueue = _threaded(Client.enqueue)
    enqueue_files = _threaded(Client.enqueue_files)
    dry_run = _threaded(Client.dry_run)
    estimate = _threaded(Client.estimate)
    progress = _threaded(Client.progress)
    job = _threaded(Client.job)
    jobs = _threaded(Client.jobs)
    to_arrow = _threaded(Client.to_arrow)
    pause = _threaded(Client.pause)
    resume = _threaded(Client.resume)
    cancel = _threaded(Client.cancel)
    set_cap = _threaded(Client.set_cap)
    committed_usd = _threaded(Client.committed_usd)
    quarantined = _threaded(Client.quarantined)
    retry = _threaded(Client.retry)
    change_job = _threaded(Client.change_job)
    import_reviews = _threaded(Client.import_reviews)
    export_reviews = _threaded(Client.export_reviews)
    bundle = _threaded(Client.bundle)
    endpoints_away = _threaded(Client.endpoints_away)
    models = _threaded(Client.models)
    batches = _threaded(Client.batches)
    batch = _threaded(Client.batch)
    cancel_batch = _threaded(Client.cancel_batch)

    async def wait(
        self,
        job_id: str,
        timeout_s: float | None = None,
        *,
        report: Callable[[JobProgress], object] = lambda _: None,
    ) -> JobProgress:
        """As `Client.wait`. Many may wait at once, and one that is cancelled waits no longer."""
        stopped = threading.Event()

        def pause(seconds: float) -> None:
            if stopped.wait(seconds):
                raise asyncio.CancelledError

        def wait() -> JobProgress:
            return self._opened().wait(job_id, timeout_s, report=report, pause=pause)

        # A thread of its own: those of the loop are few, and other calls need them meanwhile.
        thread = ThreadPoolExecutor(1, "ruie-wait")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, wait)
        finally:
            stopped.set()
            thread.shutdown(wait=False)

    async def results(
        self, job_id: str, *, limit: int | None = None
    ) -> AsyncIterator[DocumentRecords]:
        """As `Client.results`, to be iterated with `async for`."""
        found: Iterator[DocumentRecords] = await asyncio.to_thread(
            lambda: self._opened().results(job_id, limit=limit)
        )
        while page := await asyncio.to_thread(lambda: list(islice(found, PAGE))):
            for document in page:
                yield document
