"""Records of documents that a corpus has replaced or no longer has.

Of such a document in a job, the work items go, and with them the records that no other item shows.
Their calls stay, with what they cost and, under the key of the prompt, what was answered: a text
that comes back is read anew from that and not paid for again. The key of the question goes, since
an answer that is found by it is taken with its records.

A worker that has found an answer takes it in a transaction of its own, in which the extraction is
locked (`ruie.db.results`); here it is locked before anybody looks who shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, exists, func, or_, select

from ruie.db.models import (
    attempts,
    chunks,
    documents,
    extractions,
    jobs,
    origins,
    provider_requests,
    quarantine,
    reviews,
    work_items,
)
from ruie.db.pruning.attempts import FailedCalls, delete_attempts
from ruie.db.pruning.items import delete_items
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, Kind, id_spans, within
from ruie.db.pruning.shown_records import count_records, lock_extractions, thin
from ruie.db.sql import in_ids, pieces

Item = Any
"""A row of `_COLUMNS` and the item's document."""
Pair = tuple[str, int]
"""A job, and a document that is no longer current in it."""

ITEMS = "work items of superseded documents"
KEPT = "superseded documents"
ENDED = ("done", "cancelled")
"""The states of items that nothing happens to any more."""


class SupersededRecords:
    """By their documents' origins in the jobs."""

    kind = Kind.RECORDS

    def spans(self, engine: Engine) -> Iterator[tuple[int, int]]:
        return id_spans(engine, origins)

    def find(self, conn: Connection, cutoff: Cutoff, span: tuple[int, int]) -> Found:
        found = Found()
        pairs = _superseded(conn, cutoff, within(origins, span))
        for some in pieces(sorted(pairs), 500):
            items = _items(conn, some)
            kept = _kept(conn, cutoff, items)
            for reason in kept.values():
                found.stays[KEPT, reason] += 1
            going = [row for pair, rows in items.items() if pair not in kept for row in rows]
            found.going(ITEMS, len(going), cutoff.bytes(work_items, len(going)))
            found.add(count_records(conn, cutoff, going))
        return found

    def choose(
        self, conn: Connection, cutoff: Cutoff, span: tuple[int, int]
    ) -> Sequence[tuple[int, int]]:
        """Ids of the origins, with the numbers of their work items."""
        pairs = _superseded(conn, cutoff, within(origins, span))
        chosen: list[tuple[int, int]] = []
        for some in pieces(sorted(pairs), 500):
            items = _items(conn, some)
            kept = _kept(conn, cutoff, items)
            chosen += ((pairs[pair], len(rows)) for pair, rows in items.items() if pair not in kept)
        return sorted(chosen)

    def weight(self, one: tuple[int, int]) -> int:
        return one[1]

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[tuple[int, int]]) -> Found:
        found = Found()
        of_these = in_ids(conn, origins.c.id, [origin for origin, _ in chosen])
        pairs = _superseded(conn, cutoff, of_these, lock=True)
        items = _items(conn, sorted(pairs), lock=True)
        shown = lock_extractions(conn, [row for rows in items.values() for row in rows])
        kept = _kept(conn, cutoff, items)
        going = [
            row
            for pair, rows in items.items()
            if pair not in kept and all(shown.held(row) for row in rows)
            for row in rows
        ]
        ids = [row.id for row in going]
        of_items = select(attempts.c.id).where(in_ids(conn, attempts.c.work_item_id, ids))
        failed = delete_attempts(conn, conn.scalars(of_items).all())
        found.going(FailedCalls.what, failed, cutoff.bytes(attempts, failed))
        found.going(ITEMS, delete_items(conn, ids), cutoff.bytes(work_items, len(ids)))
        found.add(thin(conn, cutoff, shown, going))
        return found


def _superseded(
    conn: Connection, cutoff: Cutoff, among: Any, *, lock: bool = False
) -> dict[Pair, int]:
    """Of these origins, pairs that a job has ended with and that nothing makes current; with one of
    the ids. lock: the jobs, so that nobody opens them again meanwhile."""
    others = origins.alias("others")
    current = exists().where(
        others.c.job_id == origins.c.job_id,
        others.c.document_id == origins.c.document_id,
        or_(others.c.state == "current", others.c.changed_at >= cutoff.before),
    )
    query = (
        select(origins.c.id, origins.c.job_id, origins.c.document_id)
        .join(jobs, jobs.c.id == origins.c.job_id)
        .where(
            among,
            origins.c.state != "current",
            origins.c.changed_at < cutoff.before,
            JOB_ENDED,
            ~current,
            ~exists().where(
                documents.c.id == origins.c.document_id, documents.c.forgotten_at.is_not(None)
            ),
        )
        .order_by(origins.c.id)
    )
    if lock:
        query = query.with_for_update(read=True, of=jobs)
    return {(row.job_id, row.document_id): row.id for row in conn.execute(query)}


_COLUMNS = (
    "id", "job_id", "task", "state", "extraction_id", "event_id", "demonstrations",
)  # fmt: skip  # a list of columns


def _items(
    conn: Connection, pairs: Sequence[Pair], *, lock: bool = False
) -> dict[Pair, list[Item]]:
    """The work items of each pair that has any."""
    found: dict[Pair, list[Item]] = defaultdict(list)
    wanted: dict[str, list[int]] = defaultdict(list)
    for job, document in pairs:
        wanted[job].append(document)
    for job, ids in wanted.items():
        # In two halves, each of which has an index by job and chunk.
        for half in (work_items.c.event_id.is_(None), work_items.c.event_id.is_not(None)):
            query = (
                select(*(work_items.c[name] for name in _COLUMNS), chunks.c.document_id)
                .join(chunks, chunks.c.id == work_items.c.chunk_id)
                .where(work_items.c.job_id == job, in_ids(conn, chunks.c.document_id, ids), half)
                .order_by(work_items.c.id)
            )
            if lock:
                query = query.with_for_update(of=work_items)
            for row in conn.execute(query):
                found[job, row.document_id].append(row)
    return dict(found)


def _kept(conn: Connection, cutoff: Cutoff, items: dict[Pair, list[Item]]) -> dict[Pair, str]:
    """The pairs that stay although they are superseded, and why."""
    rows = [row for listed in items.values() for row in listed]
    uncounted = _with(conn, attempts, rows, attempts.c.id > cutoff.counted_to)
    late = _with(conn, provider_requests, rows)
    given_up = _with(conn, quarantine, rows)
    unkept = _unkept(conn, rows)
    of_reviews = select(reviews.c.document_id)
    reviewed = set(
        conn.scalars(of_reviews.where(in_ids(conn, reviews.c.document_id, {d for _, d in items})))
    )
    kept: dict[Pair, str] = {}
    for pair, listed in items.items():
        if any(row.state not in ENDED or row.id in given_up for row in listed):
            kept[pair] = "an item is in quarantine"
        elif pair[1] in reviewed:
            kept[pair] = "a person reviewed them"
        elif any(row.demonstrations is not None or row.extraction_id in unkept for row in listed):
            kept[pair] = "their records are needed to pay once"
        elif any(row.id in uncounted for row in listed):
            kept[pair] = "failed calls are not yet counted into the metrics"
        elif any(row.id in late for row in listed):
            kept[pair] = "an answer came too late, and is kept"
    return kept


def _with(conn: Connection, table: Table, rows: Sequence[Item], *conditions: Any) -> set[int]:
    """The items that have rows in a table."""
    of_items = in_ids(conn, table.c.work_item_id, [row.id for row in rows])
    return set(conn.scalars(select(table.c.work_item_id).where(of_items, *conditions)))


def _unkept(conn: Connection, rows: Sequence[Item]) -> set[int]:
    """Extractions whose answer is found by no prompt: their records are all there is of it. Of one
    that was taken from another, that one's prompt was the same."""
    source = extractions.alias("source")
    query = (
        select(extractions.c.id)
        .outerjoin(source, source.c.id == extractions.c.reused_from)
        .where(
            in_ids(conn, extractions.c.id, {row.extraction_id for row in rows} - {None}),
            func.coalesce(extractions.c.prompt_key, source.c.prompt_key).is_(None),
        )
    )
    return set(conn.scalars(query))
