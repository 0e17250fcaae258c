"""What a job would cost, before anything is sent.

Calls are counted over the whole corpus. Tokens are those of real prompts for a sample of the
questions that nobody paid for, times their number. Every figure says where it comes from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from ruie.bundle import Bundle
from ruie.chunking import Chunker
from ruie.db.call_statistics import past_calls, past_events
from ruie.db.engine import reading
from ruie.extractor import Decoding, Extractor
from ruie.llm import LLMClient
from ruie.packaged import packaged_llm
from ruie.records import Task
from ruie.schema import Schema
from ruie.settings import Settings
from ruie.worker.estimate.survey import Survey, survey
from ruie.worker.estimate.token_counter import token_counter
from ruie.worker.estimate.token_estimator import Outlook, events_a_call, stand_ins
from ruie.worker.estimate.types import Estimate, TaskEstimate
from ruie.worker.ingest.documents import Read
from ruie.worker.prices import price_of


def estimate(
    config: Settings,
    engine: Engine,
    read: Iterable[Read],
    schema: Schema,
    model: str,
    decoding: Decoding,
    *,
    chunker: Chunker,
    context: str = "",
    sample: int = 200,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Estimate:
    """Go through everything that is read; make no job, write nothing, send nothing.

    sample: questions of each task that prompts are built for. progress is told how many documents
    were read. Raises `BundleError`, `SettingsError`.
    """
    counter = token_counter(model, config.llm_tokenizer)
    bundle = Bundle.open(config.bundle, threads=config.encoder_threads)
    extractor = Extractor(bundle, LLMClient(config.llm_base_url), model, decoding)
    found = survey(
        read,
        schema,
        extractor,
        engine,
        chunker=chunker,
        context=context,
        sample=sample,
        seed=seed,
        progress=progress,
    )
    with reading(engine) as conn:
        past = past_calls(conn, model)
        types = [name for name, roles in schema.events.items() if roles]
        detections = past_events(conn, model, schema.digest, types)
    outlook = Outlook(extractor, counter, past)
    tasks = [_counted(outlook, found, task) for task in schema.tasks]
    if types:
        tasks.append(_following(outlook, found, schema, types, detections, sample, seed))
    price = price_of(model, config.llm_prices)
    return Estimate(
        model=model,
        documents=found.documents,
        texts=found.texts,
        refused=found.refused,
        errors=tuple(found.errors),
        tasks=tuple(tasks),
        seed=seed,
        max_tokens=decoding.max_tokens,
        tokens_from=counter.how,
        price=price,
    )


def first_model(config: Settings) -> str:
    """The model that a worker takes where none is named: the first that the endpoint lists, or
    the local one. Raises `UnavailableError`."""
    if not config.llm_base_url:
        return packaged_llm().stem

    async def ask() -> str:
        client = LLMClient(config.llm_base_url, config.llm_api_key.get_secret_value())
        try:
            return await client.resolve_model()
        finally:
            await client.close()

    # in a thread of its own: a notebook has an event loop already
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


def _counted(outlook: Outlook, found: Survey, task: Task) -> TaskEstimate:
    """A task that is asked of every text."""
    paid = found.paid[task]
    sample = found.samples[task].queries()
    return outlook.of(
        task,
        found.calls[task] - paid,
        paid,
        sample,
        "one a text" if found.chunks == found.texts else "one a chunk",
        drawn=True,
    )


def _following(
    outlook: Outlook,
    found: Survey,
    schema: Schema,
    types: list[str],
    detections: tuple[int, int],
    sample: int,
    seed: int,
) -> TaskEstimate:
    """EAE: one call for each event of a type with roles that ED finds, or found before."""
    known = found.samples[Task.EAE].queries()
    paid = found.paid[Task.EAE]
    certain = found.calls[Task.EAE] - paid
    open_detections = found.calls[Task.ED] - found.paid[Task.ED]
    if not open_detections:
        whence = "one for each event that was found before"
        return outlook.of(Task.EAE, certain, paid, known, whence, drawn=True)
    shown = outlook.shown.get(Task.ED, [])
    share, whence = events_a_call(detections, shown, types)
    invented = stand_ins(schema, found.samples[Task.ED].queries(), shown, types, seed)
    calls = certain + round(share * open_detections)
    return outlook.of(
        Task.EAE,
        calls,
        paid,
        (known + invented)[:sample],
        f"{share:.2f} for each of {open_detections:,} ED calls, {whence}",
        drawn=False,
    )
