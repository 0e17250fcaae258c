"""What came of a batch that has ended: its lines are stored, and what had none goes back."""

from __future__ import annotations

import logging
import tempfile
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from ruie.db import provider_batches, provider_lines
from ruie.db.provider_batches import ProviderBatch
from ruie.llm.batches import BatchService, RemoteBatch
from ruie.llm.batches import Line as RemoteLine
from ruie.llm.batches.answers import line_usage
from ruie.worker.prices import Price, usage_nusd
from ruie.worker.provider_batches.custom_ids import CustomId, read_custom_id
from ruie.worker.provider_batches.fenced import FencedStore

log = logging.getLogger("ruie.batches")

AT_A_TIME = 500
DOUBLED = "doubled_batch"
"""The error_class of calls in a batch that the provider made twice of one."""


async def harvest(
    store: FencedStore,
    service: BatchService,
    batch: ProviderBatch,
    remote: RemoteBatch,
    price: Price | None,
) -> None:
    """Store every line of the batch. Safe to do again: a line that is stored changes nothing.
    Raises `CallError`, `NotLeadingError`."""
    waiting: list[provider_lines.Line] = []
    with tempfile.TemporaryDirectory(prefix="ruie-batch-") as folder:
        async for line in service.results(remote, Path(folder)):
            custom_id = read_custom_id(line.custom_id)
            if custom_id is None or custom_id.token != batch.token:
                log.warning("batch %d: a line of an id that is not its own is left out", batch.id)
                continue
            waiting.append(stored_line(custom_id, line, price))
            if len(waiting) >= AT_A_TIME:
                await store.write(partial(_store, batch_id=batch.id, lines=waiting))
                waiting = []
    if waiting:
        await store.write(partial(_store, batch_id=batch.id, lines=waiting))


async def book_double(
    store: FencedStore,
    service: BatchService,
    batch: ProviderBatch,
    token: str,
    remote: RemoteBatch,
    price: Price | None,
) -> None:
    """Book what a batch cost that the provider made twice of one, in one transaction with its end.
    token: of the batch that it doubles."""
    costs: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="ruie-batch-") as folder:
        async for line in service.results(remote, Path(folder)):
            custom_id = read_custom_id(line.custom_id)
            if custom_id is not None and custom_id.token == token:
                cost = stored_line(custom_id, line, price).cost_nusd
                costs.setdefault(custom_id.item, cost or 0)
    await store.write(partial(_book, batch_id=batch.id, costs=costs))


def _book(conn: Connection, batch_id: int, costs: dict[int, int]) -> None:
    if not provider_batches.harvested(conn, batch_id):
        return
    error = "The provider made two batches of one, and this call is in the second."
    more = 0  # of items that are gone since, with a document that was forgotten
    for item, cost in costs.items():
        booked = provider_lines.book(conn, item, DOUBLED, error, cost + more, batch_id)
        more = 0 if booked else cost + more
    if more:
        log.error("batch %d: %d billionths of a US dollar are of no item any more", batch_id, more)


def _store(conn: Connection, batch_id: int, lines: list[provider_lines.Line]) -> None:
    answered, failed = provider_lines.store_lines(conn, batch_id, lines)
    provider_batches.count_lines(conn, batch_id, answered, failed)


def stored_line(custom_id: CustomId, line: RemoteLine, price: Price | None) -> provider_lines.Line:
    """A line as it is stored, with what it cost."""
    answer = {"status": line.status, "body": line.body}
    usage = line_usage(answer)
    failed = line.status is None or line.status >= 400
    cost = None
    if usage is not None:
        tier = usage.service_tier if usage.service_tier in _tiers(price) else "batch"
        cost = usage_nusd(price, usage, tier=tier) or 0
    return provider_lines.Line(custom_id.request, answer, cost, failed)


def _tiers(price: Price | None) -> set[str]:
    """Those that a provider may say, apart from what it calls an ordinary one."""
    return set(price.tiers) if price else set()
