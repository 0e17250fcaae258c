"""A review's records in the place of the model's: in views, exports and pages.

They are rows of the same tables as the model's, under an extraction of their own for each task
(`source` is `person`). A work item says what is shown of it: `extraction_id` is then the review's,
and `model_extraction_id` keeps the model's. Of a document's items of one task in a job, the first
has the review's records, and the others none. So the views read reviewed documents as all others.

This holds for the items of every job that has the document under the review's schema: those that
are there when a review is stored, and those that are enqueued later. A result that is saved later
is kept beside the review (db/results.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, text, update

from ruie.db.canonical import add_names
from ruie.db.models import chunks, extractions, jobs, origins, reviews, work_items
from ruie.db.record_rows import RecordSource, insert_reviewed
from ruie.records import Grounding, Item, Span, Task

# Written out, since a migration runs it: with the columns that there are at that revision.
_ADD_EXTRACTION = text(
    "INSERT INTO extractions (job_id, chunk_id, task, key, model, endpoint, prompt_version,"
    " bundle_digest, schema_digest, demonstration_ids, prompt_tokens, completion_tokens, cost_usd,"
    " latency_s, raw_output, rejects, source, review_id, created_at)"
    " SELECT r.job_id, (SELECT MIN(c.id) FROM chunks c WHERE c.document_id = r.document_id),"
    " CAST(:task AS text), 'review ' || r.id || ' ' || CAST(:task AS text), '', '', '', '',"
    " r.schema_digest, '[]', 0, 0, 0, 0, '', '[]', 'person', r.id, r.created_at"
    " FROM reviews r WHERE r.id = :review RETURNING id"
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:schema, 16))")
_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:schema, 16))")


def lock(conn: Connection, schema_digest: str, *, shared: bool = False) -> None:
    """Wait until no other transaction enqueues and reviews documents under the schema, each of
    which would not see what the other adds. shared: to enqueue, which others may do at once. First
    of all in a transaction, so that two never wait for each other."""
    if conn.dialect.name == "postgresql":
        conn.execute(_LOCK_SHARED if shared else _LOCK, {"schema": schema_digest})


def place(conn: Connection, review_id: int) -> None:
    """Put a review in the place of the model's records; the one that it replaces is withdrawn
    before. Its names (`names_in`) are added last of a transaction, as they are when results are
    saved, so that two never wait for each other."""
    review = conn.execute(_REVIEW, {"review": review_id}).one()
    gold = gold_items(review.body)
    for task in review.tasks:
        values = {"task": task, "review": review_id}
        extraction = conn.execute(_ADD_EXTRACTION, values).scalar_one()
        source = RecordSource(Task(task), extraction, review.document_id)
        insert_reviewed(conn, source, gold.get(Task(task), []))
        if task == Task.ED:
            _add_arguments(conn, extraction, review.body)
    show(conn, review_id)


def names_in(body: Mapping[str, Any]) -> list[str]:
    """The names in a review's body; triggers are none."""
    gold = gold_items(body)
    return [s.text for task in gold if task is not Task.ED for i in gold[task] for s in i.spans]


def show(conn: Connection, review_id: int) -> None:
    """Give the review's records to those items of its document that do not show it yet."""
    review = conn.execute(_REVIEW, {"review": review_id}).one()
    by_task = select(extractions.c.task, extractions.c.id).where(
        extractions.c.review_id == review_id
    )
    for task, extraction in conn.execute(by_task).all():
        waiting: dict[str, list[int]] = {}
        found = {"document": review.document_id, "schema": review.schema_digest, "task": task}
        for row in conn.execute(_ITEMS, found):
            waiting.setdefault(row.job_id, []).append(row.id)
        for job, items in waiting.items():
            shown = conn.scalar(_SHOWN, {"extraction": extraction, "job": job})
            conn.execute(
                _TAKE_PLACE,
                [
                    {"item": item, "review": review_id,
                     "shown": None if shown or number else extraction}
                    for number, item in enumerate(items)
                ],
            )  # fmt: skip  # a row an item


def withdraw(conn: Connection, review_ids: Sequence[int]) -> None:
    """Show the model's records again, or none, where these reviews are shown."""
    conn.execute(
        update(work_items)
        .where(work_items.c.review_id.in_(review_ids))
        .values(
            extraction_id=work_items.c.model_extraction_id,
            model_extraction_id=None,
            review_id=None,
        )
    )


def show_in(conn: Connection, schema_digest: str, documents: Table) -> None:
    """Show the reviews in force of documents that were just enqueued. documents: a table with their
    ids, as `document_id`."""
    in_force = (
        select(reviews.c.id)
        .join(documents, documents.c.document_id == reviews.c.document_id)
        .where(reviews.c.schema_digest == schema_digest, reviews.c.replaced_at.is_(None))
        .order_by(reviews.c.document_id)
    )
    for review_id in conn.scalars(in_force).all():
        show(conn, review_id)


def place_all(conn: Connection) -> None:
    """Put every review that is in force in its place."""
    in_force = select(reviews.c.id).where(reviews.c.replaced_at.is_(None)).order_by(reviews.c.id)
    for review_id in conn.scalars(in_force).all():
        place(conn, review_id)
        body = conn.scalar(select(reviews.c.body).where(reviews.c.id == review_id))
        add_names(conn, names_in(body or {}))


_REVIEW = select(
    reviews.c.document_id, reviews.c.schema_digest, reviews.c.tasks, reviews.c.body
).where(reviews.c.id == bindparam("review"))
_JOBS = (
    select(origins.c.job_id)
    .join(jobs, jobs.c.id == origins.c.job_id)
    .where(
        origins.c.document_id == bindparam("document"), jobs.c.schema_digest == bindparam("schema")
    )
)
_ITEMS = (
    select(work_items.c.id, work_items.c.job_id)
    .join(chunks, chunks.c.id == work_items.c.chunk_id)
    .where(
        chunks.c.document_id == bindparam("document"),
        work_items.c.job_id.in_(_JOBS),
        work_items.c.task == bindparam("task"),
        work_items.c.event_id.is_(None),
        work_items.c.review_id.is_(None),
    )
    .order_by(work_items.c.id)
)
_SHOWN = select(func.max(work_items.c.id)).where(
    work_items.c.extraction_id == bindparam("extraction"), work_items.c.job_id == bindparam("job")
)
_TAKE_PLACE = (
    update(work_items)
    .where(work_items.c.id == bindparam("item"), work_items.c.review_id.is_(None))
    .values(
        model_extraction_id=work_items.c.extraction_id,
        extraction_id=bindparam("shown"),
        review_id=bindparam("review"),
    )
)


def _add_arguments(conn: Connection, extraction: int, body: Mapping[str, Any]) -> None:
    """Of each event of an extraction; events that are equal have theirs together."""
    arguments: dict[tuple[str, int, int], list[Item]] = {}
    for event in body.get("events", []):
        trigger = event["trigger"]
        listed = arguments.setdefault((event["type"], trigger["start"], trigger["end"]), [])
        listed += [Item(a["role"], _spans(a)) for a in event["arguments"]]
    for row in conn.execute(_EVENTS, {"extraction": extraction}).all():
        listed = arguments[row.type, row.trigger_start, row.trigger_end]
        insert_reviewed(conn, RecordSource(Task.EAE, extraction, row.id), listed)


_EVENTS = text(
    "SELECT id, type, trigger_start, trigger_end FROM events"
    " WHERE extraction_id = :extraction ORDER BY id"
)


def gold_items(body: Mapping[str, Any]) -> dict[Task, list[Item]]:
    """The records of a review's body. Of arguments, the trigger and the span: an argument is right
    only with its event."""
    events: Sequence[Mapping[str, Any]] = body.get("events", [])
    return {
        Task.NER: [Item(e["type"], _spans(e)) for e in body.get("entities", [])],
        Task.RE: [Item(r["type"], _spans(r["head"], r["tail"])) for r in body.get("relations", [])],
        Task.ED: [Item(v["type"], _spans(v["trigger"])) for v in events],
        Task.EAE: [
            Item(f"{v['type']}/{a['role']}", _spans(v["trigger"], a))
            for v in events
            for a in v["arguments"]
        ],
    }


def _spans(*raw: Mapping[str, Any]) -> tuple[Span, ...]:
    return tuple(Span(r["text"], r["start"], r["end"], Grounding.EXACT) for r in raw)
