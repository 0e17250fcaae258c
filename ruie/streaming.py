"""Texts in work, their results one after another; on an event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from ruie.extraction import Asker, extract_text
from ruie.questions import Question
from ruie.records import Query
from ruie.result import Result
from ruie.results import warning_of
from ruie.schema import Schema

Progress = Callable[[int, int], object]
"""Called with the number of texts that are done, and of all."""

T = TypeVar("T")


class TextsInWork:
    """Texts whose calls are in flight, at most `ahead` of them; their results come in order."""

    def __init__(self, asker: Asker, schema: Schema, ahead: int) -> None:
        self._asker = asker
        self._schema = schema
        self._ahead = ahead
        self._prepare = _Preparation(asker)
        self._tasks: deque[asyncio.Task[Result]] = deque()
        self._failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._added = 0

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether a result has to be taken before another text is added."""
        return len(self._tasks) >= self._ahead

    @property
    def ready(self) -> bool:
        """Whether the next result can be had without waiting."""
        return bool(self._tasks) and self._tasks[0].done()

    async def add(self, text: str) -> None:
        """Begin with a text. Raises `TypeError` for what is none."""
        self._added += 1
        if not isinstance(text, str):
            raise TypeError(f"Text {self._added} is no str, but of type {type(text).__name__}.")
        work = extract_text(self._asker, self._prepare, text, self._schema)
        task = asyncio.create_task(work)
        task.add_done_callback(self._note)
        self._tasks.append(task)

    def _note(self, task: asyncio.Task[Result]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failure.done():
            self._failure.set_result(error)

    async def next(self) -> Result:
        """The result of the first of the texts. The failure of any that is fatal is raised at once:
        no other would succeed."""
        first = self._tasks[0]
        await asyncio.wait((first, self._failure), return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            raise self._failure.result()
        self._tasks.popleft()
        return first.result()

    async def aclose(self) -> None:
        """Cancel what is still in work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Preparation:
    """Prepares in one go whatever waits for it: encoding is quicker so, and an extractor can do
    only one thing at a time. In a thread, so that the event loop can serve calls in flight."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._one_at_a_time = asyncio.Lock()
        self._waiting: list[tuple[Sequence[Query], asyncio.Future[list[Question]]]] = []

    async def __call__(self, queries: Sequence[Query]) -> list[Question]:
        mine: asyncio.Future[list[Question]] = asyncio.get_running_loop().create_future()
        self._waiting.append((queries, mine))
        async with self._one_at_a_time:
            await asyncio.sleep(0)  # the others that begin now come along
            if not mine.done():
                await self._prepare_all()
        return mine.result()

    async def _prepare_all(self) -> None:
        taken, self._waiting = self._waiting, []
        every = [query for queries, _ in taken for query in queries]
        try:
            prepared = iter(await asyncio.to_thread(self._asker.prepare, every))
        except asyncio.CancelledError:
            self._waiting = taken + self._waiting  # the next one does it
            raise
        except Exception as error:
            for _, future in taken:
                future.set_exception(error)
                future.exception()  # whoever was cancelled meanwhile does not fetch it
            return
        for queries, future in taken:
            future.set_result([next(prepared) for _ in queries])


class LoopThread:
    """An event loop in a thread, in which coroutines are run to their ends, one after another."""

    def __init__(self, name: str) -> None:
        self._started = threading.Event()
        # A daemon: an iteration that is never ended must not keep the program from ending.
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._started.set()
            self._loop.run_forever()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for its result; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """What the manager gives, for as long as the block lasts."""

        async def enter() -> T:
            return await manager.__aenter__()

        async def leave() -> None:
            await manager.__aexit__(None, None, None)

        value = self.run(enter())
        try:
            yield value
        finally:
            self.run(leave())


def refuse_one_text(texts: object) -> None:
    """Raise `TypeError` for one text where several are expected: each letter would be one."""
    if isinstance(texts, (str, bytes)):
        raise TypeError("extract() takes a list of texts, and this is one: extract([text]).")


def texts_of(texts: Iterable[str]) -> list[str]:
    """All texts. Raises `TypeError` for one that is no list."""
    refuse_one_text(texts)
    return list(texts)


async def each(texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    """The texts of an iterable of either kind."""
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text


def warn_of(results: Iterable[Result], above: int = 2) -> None:
    """Warn of texts that lack records. above: frames between this one and the user's."""
    if warning := warning_of(results):
        warnings.warn(warning, stacklevel=above + 1)


def warned(result: Result, wanted: bool) -> Result:
    """The result, once it is warned of if it lacks records."""
    if wanted:
        warn_of([result], above=3)
    return result
