"""`Extractor`: the records of texts, in one process. No queue and no database.

from ruie import Extractor, Schema
extractor = Extractor.open(llm="http://127.0.0.1:8000/v1")
for result in extractor.extract(["Crude fell 2 % as OPEC ..."], Schema.load("oil.yaml")):
    print(result.entities, result.relations, result.events)
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Generator,
    Iterable,
)
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Self

from ruie.chunking import Chunker
from ruie.confidence.model import ConfidenceModel, opened
from ruie.decoding import Decoding
from ruie.errors import UsageError
from ruie.llm import CallHook, LLMClient, Transport
from ruie.packaged import packaged_bundle
from ruie.questioner import Questioner, Retriever
from ruie.records import Demonstration
from ruie.result import Result
from ruie.results import Results
from ruie.schema import Schema
from ruie.streaming import (
    LoopThread,
    Progress,
    TextsInWork,
    each,
    refuse_one_text,
    texts_of,
    warn_of,
    warned,
)

INCLUDED_BUNDLE = packaged_bundle()


class Extractor(Questioner):
    """Extracts with one model. Not thread-safe; for one event loop at a time."""

    def __init__(
        self,
        retriever: Retriever | None,
        llm: LLMClient,
        model: str,
        decoding: Decoding | None = None,
        salt: str = "",
        chunker: Chunker | None = None,
        confidence: ConfidenceModel | None = None,
    ) -> None:
        """salt: part of every idempotency key: a new one makes every call be made again.
        confidence: of records; default, the model that comes with ruie."""
        super().__init__(retriever, llm, model, decoding, salt, chunker, confidence)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sessions = 0

    @classmethod
    def open(
        cls,
        bundle: str | Path | None = INCLUDED_BUNDLE,
        llm: str | Transport = "",
        model: str = "",
        *,
        demonstrations: str | Path | Iterable[Demonstration] = (),
        api_key: str = "",
        decoding: Decoding | None = None,
        chunker: Chunker | None = None,
        timeout_s: float = 120.0,
        max_in_flight: int = 16,
        threads: int | None = None,
        hook: CallHook | None = None,
        calibration: str | Path | None = None,
    ) -> Self:
        """Open a bundle (by default the one that is included in ruie; None: no demonstrations) and
        an endpoint: its base URL, or how it is reached.

        demonstrations: further ones, of types of your own: a file of annotated rows, in any of the
        formats of docs/data.md, or what `load_corpus(file).demonstrations()` gives. They take the
        place of the bundle's of the same text. Without `model` the first that the endpoint lists
        is used. calibration: by which confidences are told (docs/confidence.md); default, the
        one that is included in ruie. Raises `BundleError`, `AnnotationError`, `UsageError`.
        """
        from ruie.bundle import Bundle

        if not llm:
            raise UsageError("No endpoint is given.", 'Give its base URL: llm="http://.../v1".')
        retriever = Bundle.open(Path(bundle), threads=threads) if bundle is not None else None
        if added := _demonstrations(demonstrations):
            if retriever is None:
                raise UsageError(
                    "Demonstrations are retrieved with the encoder of a bundle, and none is given.",
                    "Leave `bundle` out: the one that is included in ruie will do.",
                )
            retriever = retriever.over(added)
        client = LLMClient(
            llm, api_key, timeout_s=timeout_s, max_in_flight=max_in_flight, hook=hook
        )
        confidence = opened(Path(calibration)) if calibration is not None else None
        return cls(retriever, client, model, decoding, chunker=chunker, confidence=confidence)

    def extract(
        self, texts: Iterable[str], schema: Schema, *, progress: Progress | None = None
    ) -> Results:
        """The records of each text, in order.

        Failed calls are in the `errors` of their text, and there is a `FailedCallsWarning` for them
        all. progress: called with the number of texts that are done, and of all. Works inside the
        running event loop of a notebook, which waits meanwhile. Raises `FatalCallError` if no call
        can succeed (the key is refused, no such model), `TypeError` for one text that is no list.
        """
        listed = texts_of(texts)
        results = Results()
        with closing(self._stream(listed, schema)) as stream:
            for result in stream:
                results.append(result)
                if progress:
                    progress(len(results), len(listed))
        warn_of(results)
        return results

    async def aextract(
        self, texts: Iterable[str], schema: Schema, *, progress: Progress | None = None
    ) -> Results:
        """As `extract`, on the running event loop, which goes on meanwhile. Several may run at
        once; together they have `max_in_flight` calls in flight."""
        listed = texts_of(texts)
        results = Results()
        async with aclosing(self._astream(listed, schema)) as stream:
            async for result in stream:
                results.append(result)
                if progress:
                    progress(len(results), len(listed))
        warn_of(results)
        return results

    def stream(self, texts: Iterable[str], schema: Schema) -> Generator[Result]:
        """The records of each text, in order, as soon as it and those before it are done.

        The texts may be endless: they are taken one by one, in the thread that iterates, at most
        `max_in_flight` x 2 ahead of it. There is a `FailedCallsWarning` for each text with failed
        calls. Whoever ends early cancels the calls in flight. Raises as `extract` does.
        """
        refuse_one_text(texts)
        return self._stream(texts, schema, warn=True)

    def astream(
        self, texts: Iterable[str] | AsyncIterable[str], schema: Schema
    ) -> AsyncGenerator[Result]:
        """As `stream`, on the running event loop."""
        refuse_one_text(texts)
        return self._astream(texts, schema, warn=True)

    def _stream(
        self, texts: Iterable[str], schema: Schema, *, warn: bool = False
    ) -> Generator[Result]:
        # A thread of its own: no event loop can be started inside a running one (a notebook).
        with LoopThread("ruie-extract") as thread, thread.entered(self._session(schema)) as work:
            for text in texts:
                thread.run(work.add(text))
                if work.full or work.ready:  # one comes for each that goes: none is idle
                    yield warned(thread.run(work.next()), warn)
            while len(work):
                yield warned(thread.run(work.next()), warn)

    async def _astream(
        self, texts: Iterable[str] | AsyncIterable[str], schema: Schema, *, warn: bool = False
    ) -> AsyncGenerator[Result]:
        async with self._session(schema) as work:
            async for text in each(texts):
                await work.add(text)
                if work.full or work.ready:  # one comes for each that goes: none is idle
                    yield warned(await work.next(), warn)
            while len(work):
                yield warned(await work.next(), warn)

    @asynccontextmanager
    async def _session(self, schema: Schema) -> AsyncIterator[TextsInWork]:
        """Texts in work on this event loop. The last of several sessions closes the connections."""
        loop = asyncio.get_running_loop()
        if self._sessions and self._loop is not loop:
            raise UsageError(
                "This extractor is at work in another thread or event loop.",
                "Open one for each, or use `aextract` for several at once.",
            )
        self._loop = loop
        self._sessions += 1
        try:
            await self.resolve()
            work = TextsInWork(self, schema, 2 * self.llm.max_in_flight)
            async with aclosing(work):
                yield work
        finally:
            self._sessions -= 1
            if not self._sessions:
                await self.llm.close()


def _demonstrations(given: str | Path | Iterable[Demonstration]) -> list[Demonstration]:
    if not isinstance(given, (str, Path)):
        return list(given)
    from ruie.annotations import load_corpus

    return load_corpus(Path(given)).demonstrations()
