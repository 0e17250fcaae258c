"""What a job would cost, before anything is sent.

Calls are counted over the whole corpus. Tokens are the mean of real prompts for a sample of the
queries that were not paid for, times their number. Every figure states how it was determined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, Engine

from ruie.annotations import schema_demonstrations
from ruie.bundle import Bundle
from ruie.chunking import Chunker
from ruie.db import demonstrations, kept_answers, targets
from ruie.db.call_statistics import calls_by_task, count_events
from ruie.db.engine import reading
from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import connect
from ruie.llm.profile import GRAMMARS
from ruie.modes import Mode
from ruie.packaged import packaged_llm
from ruie.parsing import OutputForm
from ruie.records import Demonstration, Task
from ruie.schema import Schema
from ruie.settings import Settings
from ruie.worker.batches.demonstrations import known_vectors
from ruie.worker.estimate.survey import Survey, survey
from ruie.worker.estimate.token_counter import token_counter
from ruie.worker.estimate.token_estimator import (
    TokenEstimator,
    events_per_call,
    placeholder_queries,
)
from ruie.worker.estimate.types import Estimate, TaskEstimate
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.prices import price_of


def estimate(
    config: Settings,
    engine: Engine,
    rows: Iterable[DocumentOrError],
    schema: Schema,
    model: str,
    decoding: Decoding,
    *,
    chunker: Chunker,
    context: str = "",
    mode: Mode = "standard",
    sample: int = 200,
    seed: int = 0,
    added: Sequence[Demonstration] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Estimate:
    """Go through all rows; make no job, write nothing, send nothing.

    sample: queries of each task that prompts are built for. added: what lies over the bundle; by
    default the rows of the schema's file, and what was learned for the schema. progress is called
    with the number of documents read. Raises `BundleError`, `SettingsError`.
    """
    counter = token_counter(model, config.llm_tokenizer)
    bundle = _shown(config, engine, schema, added)
    decoding = _proved(decoding, config, engine, model)
    extractor = Extractor(bundle, connect(config), model, decoding)
    surveyed = survey(
        rows,
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
        past = calls_by_task(conn, model)
        types = [name for name, roles in schema.events.items() if roles]
        detections = count_events(conn, model, schema.digest, types)
    estimator = TokenEstimator(extractor, counter, past, partial(_answered, engine))
    tasks = [_estimate_task(estimator, surveyed, task) for task in schema.tasks]
    if types:
        tasks.append(_estimate_eae(estimator, surveyed, schema, types, detections, sample, seed))
    return Estimate(
        model=model,
        documents=surveyed.documents,
        texts=surveyed.texts,
        refused=surveyed.refused,
        errors=tuple(surveyed.errors),
        tasks=tuple(tasks),
        seed=seed,
        max_tokens=decoding.max_tokens,
        tokens_from=counter.method,
        price=price_of(model, config.llm_prices, config.llm_base_url),
        mode=mode,
        batch_requests=config.llm_batch_requests,
        batch_tokens=config.llm_batch_tokens,
    )


def _shown(
    config: Settings, engine: Engine, schema: Schema, added: Sequence[Demonstration] | None
) -> Bundle:
    """The bundle with what lies over it."""
    bundle = Bundle.open(config.bundle, threads=config.encoder_threads)
    with reading(engine) as conn:
        over = _added(conn, schema, bundle.encoder_digest, added)
    return bundle.over([row.demonstration for row in over], known_vectors(bundle, over))


def _added(
    conn: Connection, schema: Schema, encoder: str, rows: Sequence[Demonstration] | None
) -> list[demonstrations.StoredDemonstration]:
    if rows is not None:
        return demonstrations.with_vectors(conn, rows, encoder)
    learned = demonstrations.in_force(conn, schema.name)
    return [
        *demonstrations.with_vectors(conn, schema_demonstrations(schema), encoder),
        *demonstrations.read(conn, [learned.id] if learned else [], encoder),
    ]


def _answered(engine: Engine, prompt_keys: Sequence[str]) -> Collection[str]:
    with reading(engine) as conn:
        return kept_answers.find_kept(conn, prompt_keys)


def _proved(decoding: Decoding, config: Settings, engine: Engine, model: str) -> Decoding:
    """With the form that the endpoint is known to hold answers to; the linear one where nothing is
    known."""
    if decoding.proved:
        return decoding
    constraint = GRAMMARS[0]  # the local LLM's
    if config.llm_base_url:
        with reading(engine) as conn:
            constraint = targets.constraint(conn, config.llm_endpoint, model)
    if not constraint:
        return replace(decoding, form=OutputForm.LINEAR)
    return decoding.resolved(constraint)


def first_model(config: Settings) -> str:
    """The model that a worker uses where none is named: the first that the endpoint lists, or the
    local one. Raises `UnavailableError`."""
    if not config.llm_base_url:
        return packaged_llm().stem

    async def ask() -> str:
        client = connect(config)
        try:
            return await client.resolve_model()
        finally:
            await client.close()

    # in a thread: a notebook already runs an event loop in this one
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


def _estimate_task(estimator: TokenEstimator, surveyed: Survey, task: Task) -> TaskEstimate:
    """A task that is asked of every text."""
    paid = surveyed.paid[task]
    return estimator.estimate(
        task,
        surveyed.calls[task] - paid,
        paid,
        surveyed.samples[task].queries(),
        "one a text" if surveyed.chunks == surveyed.texts else "one a chunk",
        finite=True,
    )


def _estimate_eae(
    estimator: TokenEstimator,
    surveyed: Survey,
    schema: Schema,
    types: list[str],
    detections: tuple[int, int],
    sample: int,
    seed: int,
) -> TaskEstimate:
    """EAE: one call for each event of a type with roles that ED finds, or found before."""
    known = surveyed.samples[Task.EAE].queries()
    paid = surveyed.paid[Task.EAE]
    certain = surveyed.calls[Task.EAE] - paid
    ed_calls = surveyed.calls[Task.ED] - surveyed.paid[Task.ED]
    if not ed_calls:
        basis = "one for each event that was found before"
        return estimator.estimate(Task.EAE, certain, paid, known, basis, finite=True)
    shown = estimator.shown.get(Task.ED, [])
    rate, basis = events_per_call(detections, shown, types)
    placeholders = placeholder_queries(
        schema, surveyed.samples[Task.ED].queries(), shown, types, seed
    )
    return estimator.estimate(
        Task.EAE,
        certain + round(rate * ed_calls),
        paid,
        (known + placeholders)[:sample],
        f"{rate:.2f} for each of {ed_calls:,} ED calls, {basis}",
        finite=False,
    )
