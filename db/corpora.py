"""Corpora and sources over time: the documents of earlier jobs, and how far each source was read.

A corpus names the content of sources that are read again and again: a job with a corpus adds only
documents that are new or changed, and marks those that were removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.models import documents, job_sources, jobs, origins
from ruie.db.sql import changed, in_values
from ruie.db.types import utcnow

SourceState = Literal["reading", "done", "unchanged", "broken"]

_PROCESSED = ("running", "paused", "done")
"""States of jobs whose documents count as processed, or soon to be."""


@dataclass(frozen=True, slots=True)
class CorpusJob:
    """What decides which documents a job adds to its corpus.

    context: the metadata key whose value goes into the prompt. unread: unchanged sources that the
    job has not recorded by `set_positions`, in a dry run. again: it has unchanged documents too.
    """

    job_id: str
    corpus: str | None
    question: str | None
    again: bool
    context: str = ""
    unread: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a job has read a source. position: records read. fingerprint: of its content."""

    fingerprint: str
    position: int
    state: SourceState


OriginRows = Mapping[str, Row[Any]]


def origins_of(
    conn: Connection, corpus_job: CorpusJob, external_ids: Sequence[str]
) -> tuple[OriginRows, OriginRows]:
    """Origins by external id: those of the job, including what it found unchanged, and the other
    current ones of its corpus. Columns: id, external_id, source, line, metadata, digest, own, and
    processed: whether a job had the same question about it."""
    own: dict[str, Row[Any]] = {}
    current: dict[str, Row[Any]] = {}
    processed = and_(jobs.c.state.in_(_PROCESSED), jobs.c.question == corpus_job.question)
    unread = (
        select(job_sources.c.source)
        .where(
            job_sources.c.job_id == corpus_job.job_id,
            job_sources.c.source == origins.c.source,
            job_sources.c.state == "unchanged",
        )
        .exists()
    )
    query = (
        select(
            origins.c.id,
            origins.c.external_id,
            origins.c.source,
            origins.c.line,
            origins.c.metadata,
            documents.c.digest,
            or_(
                origins.c.job_id == corpus_job.job_id,
                origins.c.seen_in == corpus_job.job_id,
                unread,
            ).label("own"),
            processed.label("processed"),
        )
        .join(documents, documents.c.id == origins.c.document_id)
        .join(jobs, jobs.c.id == origins.c.job_id)
    )
    queries = [query.where(origins.c.job_id == corpus_job.job_id)]
    if corpus_job.corpus is not None:
        here = and_(origins.c.corpus == corpus_job.corpus, origins.c.state == "current")
        queries.append(query.where(here))
    for each in queries:
        for row in conn.execute(each.where(in_values(conn, origins.c.external_id, external_ids))):
            mine = row.own or row.source in corpus_job.unread
            (own if mine else current)[row.external_id] = row
    return own, current


def positions(conn: Connection, job_id: str) -> dict[str, Position]:
    """How far the job has read each source."""
    query = select(
        job_sources.c.source,
        job_sources.c.fingerprint,
        job_sources.c.position,
        job_sources.c.state,
    ).where(job_sources.c.job_id == job_id)
    return {row[0]: Position(*row[1:]) for row in conn.execute(query)}


_UPSERT = {
    name: statement.on_conflict_do_update(
        index_elements=["job_id", "source"],
        set_={
            name: statement.excluded[name]
            for name in ("fingerprint", "position", "state", "read_at")
        },
    )
    for name, statement in (
        ("postgresql", postgresql.insert(job_sources)),
        ("sqlite", sqlite.insert(job_sources)),
    )
}


def set_positions(conn: Connection, job_id: str, reached: Mapping[str, Position]) -> None:
    """Record how far sources are read, in the transaction that adds their documents."""
    if reached:
        conn.execute(
            _UPSERT[conn.dialect.name],
            [
                {
                    "job_id": job_id,
                    "source": source,
                    "fingerprint": at.fingerprint,
                    "position": at.position,
                    "state": at.state,
                }
                for source, at in sorted(reached.items())
            ],
        )


def interrupted_job(conn: Connection, enqueue_key: str) -> str | None:
    """The newest job with this key whose enqueueing has not finished."""
    query = select(jobs.c.id).where(
        jobs.c.enqueue_key == enqueue_key,
        jobs.c.enqueued_at.is_(None),
        jobs.c.state.in_(("running", "paused")),
    )
    return conn.scalars(query.order_by(jobs.c.id.desc()).limit(1)).first()


def unchanged_sources(
    conn: Connection, corpus_job: CorpusJob, scope: str, fingerprints: Iterable[tuple[str, str]]
) -> dict[str, Position]:
    """Sources that need not be read: the last complete job of the corpus had the same sources and
    question, and read them to the end with the same fingerprint."""
    if corpus_job.corpus is None or corpus_job.again:
        return {}
    last = conn.execute(
        select(jobs.c.id, jobs.c.scope, jobs.c.question)
        .where(
            jobs.c.corpus == corpus_job.corpus,
            jobs.c.enqueued_at.is_not(None),
            jobs.c.state.in_(_PROCESSED),
        )
        .order_by(jobs.c.enqueued_at.desc(), jobs.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None or (last.scope, last.question) != (scope, corpus_job.question):
        return {}
    before = positions(conn, last.id)
    # A job that was cancelled or failed has not processed what it added, and one whose question was
    # changed later (db/job_changes.py) has processed it in another way.
    unprocessed = set(
        conn.scalars(
            select(origins.c.source)
            .distinct()
            .join(jobs, jobs.c.id == origins.c.job_id)
            .where(
                jobs.c.corpus == corpus_job.corpus,
                or_(
                    jobs.c.state.not_in(_PROCESSED),
                    jobs.c.question.is_distinct_from(corpus_job.question),
                ),
                origins.c.state == "current",
            )
        )
    )
    return {
        source: Position(fingerprint, before[source].position, "unchanged")
        for source, fingerprint in fingerprints
        if fingerprint
        and source not in unprocessed
        and source in before
        and before[source].fingerprint == fingerprint
        and before[source].state in ("done", "unchanged")
    }


def _gone(corpus_job: CorpusJob, scope: str, unread: Any) -> Any:
    """Current in the corpus, added by an earlier job of the same sources, not seen by this one."""
    return and_(
        origins.c.corpus == corpus_job.corpus,
        origins.c.state == "current",
        origins.c.job_id != corpus_job.job_id,
        or_(origins.c.seen_in.is_(None), origins.c.seen_in != corpus_job.job_id),
        origins.c.job_id.in_(
            select(jobs.c.id).where(jobs.c.corpus == corpus_job.corpus, jobs.c.scope == scope)
        ),
        or_(origins.c.source.is_(None), origins.c.source.not_in(unread)),
    )


def mark_removed(conn: Connection, corpus_job: CorpusJob, scope: str) -> int:
    """Mark the documents that the sources no longer have, once all sources are read; none where a
    source could not be read to its end. Returns how many."""
    of_job = select(job_sources.c.source).where(job_sources.c.job_id == corpus_job.job_id)
    if (
        corpus_job.corpus is None
        or conn.execute(of_job.where(job_sources.c.state == "broken").limit(1)).first()
    ):
        return 0
    unread = of_job.where(job_sources.c.state == "unchanged")
    return changed(
        conn,
        update(origins)
        .where(_gone(corpus_job, scope, unread))
        .values(state="removed", changed_at=utcnow()),
    )


def count_current(conn: Connection, corpus: str, scope: str) -> dict[str | None, int]:
    """The number of current documents of each source in a corpus, of jobs with the same sources."""
    corpus_job = CorpusJob("", corpus, None, False)
    query = select(origins.c.source, func.count()).where(_gone(corpus_job, scope, [""]))
    return {row[0]: row[1] for row in conn.execute(query.group_by(origins.c.source))}


def current_origins(
    conn: Connection, corpus_job: CorpusJob, scope: str
) -> Iterator[tuple[int, str]]:
    """Ids and sources of the origins that `mark_removed` would mark if nothing were read."""
    query = select(origins.c.id, origins.c.source).where(_gone(corpus_job, scope, [""]))
    for row in conn.execution_options(yield_per=1000).execute(query):
        yield row[0], row[1]


def known_digests(conn: Connection, digests: Sequence[str]) -> set[str]:
    """Those of the texts' digests that the database has."""
    query = select(documents.c.digest).where(in_values(conn, documents.c.digest, digests))
    return set(conn.scalars(query))
