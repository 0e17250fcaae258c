"""Removing the content of documents, table by table; db/forget.py says when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import (
    Connection,
    Select,
    String,
    Text,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from ruie.db import demonstrations
from ruie.db.forgotten_requests import FORGOTTEN, blank_requests
from ruie.db.item_states import CANCELLED, NOT_LEASED, QUARANTINED
from ruie.db.models import (
    FTS,
    attempts,
    canonical,
    chunks,
    document_parts,
    documents,
    entities,
    event_arguments,
    events,
    extractions,
    input_errors,
    job_sources,
    origins,
    provider_requests,
    quarantine,
    relations,
    reviews,
    work_items,
)
from ruie.db.review_records import withdraw
from ruie.db.search_parts import entry, split
from ruie.db.sql import in_values, pieces
from ruie.db.types import utcnow
from ruie.records import Task

EXCERPT_CHARS = 120
"""Characters of a refused text that are kept (worker/ingest/documents.py)."""


def blank(conn: Connection, document_ids: Sequence[int]) -> None:
    """Remove all content of documents that are marked."""
    for some in pieces(document_ids, 100):
        texts = dict(
            conn.execute(
                select(documents.c.id, documents.c.text).where(documents.c.id.in_(some))
            ).all()
        )
        names = _names(conn, some)
        _unindex(conn, texts)
        _blank_input_errors(conn, some, texts.values())
        _blank_prompts(conn, texts.values())
        demonstrations.forget(conn, texts.values())
        _blank_calls(conn, some)
        blank_requests(conn, chunks_of(some))
        _delete_records(conn, some)
        _drop_names(conn, names)
        _delete_reviews(conn, some)
        _delete_sources(conn, some)
        conn.execute(
            update(origins)
            .where(origins.c.document_id.in_(some))
            .values(
                external_id=literal(f"{FORGOTTEN} ") + cast(origins.c.id, String),
                source=None,
                line=None,
                metadata=None,
                state="removed",
                changed_at=func.coalesce(origins.c.changed_at, utcnow()),
            )
        )
        conn.execute(update(chunks).where(chunks.c.document_id.in_(some)).values(digest=FORGOTTEN))
        conn.execute(update(documents).where(documents.c.id.in_(some)).values(text="", chars=0))


def chunks_of(document_ids: Sequence[int]) -> Select[tuple[int]]:
    return select(chunks.c.id).where(chunks.c.document_id.in_(document_ids))


def _delete_sources(conn: Connection, document_ids: Sequence[int]) -> None:
    """Sources that had nothing else: their paths may say as much as an id."""
    of_documents = select(origins.c.source).where(
        origins.c.document_id.in_(document_ids), origins.c.source.is_not(None)
    )
    others = select(origins.c.id).where(
        origins.c.source == job_sources.c.source, origins.c.document_id.not_in(document_ids)
    )
    conn.execute(
        delete(job_sources).where(job_sources.c.source.in_(of_documents), ~others.exists())
    )


def _unindex(conn: Connection, texts: dict[int, str]) -> None:
    parts = (
        select(document_parts)
        .where(document_parts.c.document_id.in_(list(texts)))
        .order_by(document_parts.c.char_start)
    )
    rows: dict[int, list[int]] = {}
    for row in conn.execute(parts).all():
        rows.setdefault(row.document_id, []).append(row.id)
    for document_id, numbers in rows.items():
        if conn.dialect.name == "sqlite":
            # the index has no text of its own: what is deleted must be told to it
            for number, part in zip(numbers, split(texts[document_id]), strict=True):
                conn.exec_driver_sql(
                    f"INSERT INTO {FTS} ({FTS}, rowid, words) VALUES ('delete', ?, ?)",
                    (number, entry("sqlite", part)),
                )
        else:
            conn.exec_driver_sql(f"DELETE FROM {FTS} WHERE rowid = ANY(%s)", (numbers,))
    conn.execute(delete(document_parts).where(document_parts.c.document_id.in_(list(texts))))


def _blank_input_errors(
    conn: Connection, document_ids: Sequence[int], texts: Iterable[str]
) -> None:
    """Refusals keep the beginning of what was refused, perhaps the same text a second time."""
    same_place = (
        select(origins.c.id)
        .where(
            origins.c.document_id.in_(document_ids),
            origins.c.source == input_errors.c.source,
            origins.c.line == input_errors.c.line,
        )
        .exists()
    )
    begins = [text[:EXCERPT_CHARS] for text in texts]
    conn.execute(
        update(input_errors)
        .where(or_(same_place, in_values(conn, input_errors.c.excerpt, begins)))
        .values(excerpt=None)
    )


def _blank_prompts(conn: Connection, texts: Iterable[str]) -> None:
    """Prompts in quarantine, of whatever document, that quote one of the texts."""
    quoted = {" ".join(text.split()) for text in texts} - {""}
    prompts = select(quarantine.c.id, quarantine.c.prompt).where(quarantine.c.prompt.is_not(None))
    found = [
        row.id
        for row in conn.execute(prompts).all()
        if any(text in words for words in _contents(row.prompt) for text in quoted)
    ]
    for some in pieces(found):
        conn.execute(update(quarantine).where(quarantine.c.id.in_(some)).values(prompt=None))


def _contents(prompt: object) -> Iterator[str]:
    messages = prompt if isinstance(prompt, list) else []
    for message in messages:
        yield " ".join(str(message.get("content", "")).split())


def _blank_calls(conn: Connection, document_ids: Sequence[int]) -> None:
    """Items, calls and answers: their states, tokens and costs stay."""
    of_documents = work_items.c.chunk_id.in_(chunks_of(document_ids))
    items = select(work_items.c.id).where(of_documents)
    conn.execute(delete(quarantine).where(quarantine.c.work_item_id.in_(items)))
    conn.execute(
        update(work_items)
        .where(of_documents, work_items.c.state == QUARANTINED)
        .values(state=CANCELLED, updated_at=utcnow(), **NOT_LEASED)
    )
    conn.execute(update(work_items).where(of_documents).values(error=None))
    conn.execute(
        update(attempts)
        .where(attempts.c.work_item_id.in_(items))
        .values(error=FORGOTTEN, raw_output=None)
    )
    conn.execute(
        update(extractions)
        .where(extractions.c.chunk_id.in_(chunks_of(document_ids)))
        .values(
            # no other document with an equal chunk may take its records from here, nor its answer
            key=literal(f"{FORGOTTEN} ") + cast(extractions.c.id, String),
            prompt_key=None,
            raw_output="",
        )
    )
    _blank_rejects(conn, document_ids)


def _blank_rejects(conn: Connection, document_ids: Sequence[int]) -> None:
    """Their reasons stay: they are counted (db/fold_sources.py), perhaps only later."""
    some = select(extractions.c.id, extractions.c.rejects).where(
        extractions.c.chunk_id.in_(chunks_of(document_ids)),
        cast(extractions.c.rejects, Text) != "[]",
    )
    for row in conn.execute(some).all():
        reasons = [{"reason": reject["reason"], "raw": ""} for reject in row.rejects]
        conn.execute(update(extractions).where(extractions.c.id == row.id).values(rejects=reasons))


def _delete_records(conn: Connection, document_ids: Sequence[int]) -> None:
    """The records, and the items that ask about events: their failed calls, and their requests in
    batches, are booked on the item that detected the event."""
    asked = work_items.alias()
    detecting = (
        select(func.min(asked.c.id))
        .where(
            asked.c.job_id == work_items.c.job_id,
            asked.c.chunk_id == work_items.c.chunk_id,
            asked.c.task == Task.ED,
        )
        .scalar_subquery()
    )
    about_events = work_items.c.chunk_id.in_(chunks_of(document_ids)), work_items.c.task == Task.EAE
    for calls in (attempts, provider_requests):
        moved = (
            select(detecting)
            .select_from(work_items)
            .where(work_items.c.id == calls.c.work_item_id)
            .scalar_subquery()
        )
        conn.execute(
            update(calls)
            .where(calls.c.work_item_id.in_(select(work_items.c.id).where(*about_events)))
            .values(work_item_id=moved)
        )
    conn.execute(delete(work_items).where(*about_events))
    of_events = select(events.c.id).where(events.c.document_id.in_(document_ids))
    conn.execute(delete(event_arguments).where(event_arguments.c.event_id.in_(of_events)))
    for table in (entities, relations, events):
        conn.execute(delete(table).where(table.c.document_id.in_(document_ids)))


def _delete_reviews(conn: Connection, document_ids: Sequence[int]) -> None:
    """The reviews; their records are gone, and their extractions stay without them."""
    of_documents = reviews.c.document_id.in_(document_ids)
    review_ids = conn.scalars(select(reviews.c.id).where(of_documents)).all()
    for some in pieces(review_ids):
        withdraw(conn, some)
        conn.execute(
            update(extractions).where(extractions.c.review_id.in_(some)).values(review_id=None)
        )
    conn.execute(delete(reviews).where(of_documents))


def _names(conn: Connection, document_ids: Sequence[int]) -> set[str]:
    """Keys of the names in their records."""
    of_events = select(events.c.id).where(events.c.document_id.in_(document_ids))
    wanted = [
        select(entities.c.name_key).where(entities.c.document_id.in_(document_ids)),
        select(relations.c.head_key).where(relations.c.document_id.in_(document_ids)),
        select(relations.c.tail_key).where(relations.c.document_id.in_(document_ids)),
        select(event_arguments.c.name_key).where(event_arguments.c.event_id.in_(of_events)),
    ]
    return {key for query in wanted for key in conn.scalars(query)}


def _drop_names(conn: Connection, keys: Iterable[str]) -> None:
    """Those that no record has any more, except where a person mapped them."""
    used = [
        select(column).where(column == canonical.c.key).exists()
        for column in (
            entities.c.name_key,
            relations.c.head_key,
            relations.c.tail_key,
            event_arguments.c.name_key,
        )
    ]
    for some in pieces(sorted(keys)):
        conn.execute(
            delete(canonical).where(
                canonical.c.key.in_(some), canonical.c.mapped.is_(False), ~or_(*used)
            )
        )
