"""Corpora and sources over time: what an earlier job has under an id, and how far it read.

A corpus is a name for what sources hold, whenever they are read: a job that is given one adds only
what is new or changed, and marks what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.models import documents, job_sources, jobs, origins
from ruie.db.sql import among, changed
from ruie.db.types import utcnow

SourceState = Literal["reading", "done", "unchanged", "broken"]

_COUNTS = ("running", "paused", "done")  # a job that was cancelled or failed has not asked


@dataclass(frozen=True, slots=True)
class Asking:
    """A job as far as it matters to what its corpus has. context: a key of the metadata. unread:
    sources that are as they were, where the job has not written so (`set_positions`)."""

    job_id: str
    corpus: str | None
    question: str | None
    forced: bool
    context: str = ""
    unread: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a job has read a source. position: records read. fingerprint: of its content."""

    fingerprint: str
    position: int
    state: SourceState


Found = Mapping[str, Row[Any]]


def origins_of(
    conn: Connection, asking: Asking, external_ids: Sequence[str]
) -> tuple[Found, Found]:
    """By external id: what the job has, or has found unchanged, if only because its source is; and
    what else is current in its corpus. Rows of id, source, line, digest, metadata, and whether the
    same was asked."""
    own: dict[str, Row[Any]] = {}
    current: dict[str, Row[Any]] = {}
    asked = and_(jobs.c.state.in_(_COUNTS), jobs.c.question == asking.question)
    unread = (
        select(job_sources.c.source)
        .where(
            job_sources.c.job_id == asking.job_id,
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
                origins.c.job_id == asking.job_id, origins.c.seen_in == asking.job_id, unread
            ).label("own"),
            asked.label("asked"),
        )
        .join(documents, documents.c.id == origins.c.document_id)
        .join(jobs, jobs.c.id == origins.c.job_id)
    )
    places = [query.where(origins.c.job_id == asking.job_id)]
    if asking.corpus is not None:
        here = and_(origins.c.corpus == asking.corpus, origins.c.state == "current")
        places.append(query.where(here))
    for place in places:
        for row in conn.execute(place.where(among(conn, origins.c.external_id, external_ids))):
            mine = row.own or row.source in asking.unread
            (own if mine else current)[row.external_id] = row
    return own, current


def positions(conn: Connection, job_id: str) -> dict[str, Position]:
    """How far the job has read each source that it began."""
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
    """Say how far sources are read; in the transaction of what was read."""
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


def open_job(conn: Connection, enqueue_key: str) -> str | None:
    """The newest job that was asked for in the same words and whose sources are not all read."""
    query = select(jobs.c.id).where(
        jobs.c.enqueue_key == enqueue_key,
        jobs.c.enqueued_at.is_(None),
        jobs.c.state.in_(("running", "paused")),
    )
    return conn.scalars(query.order_by(jobs.c.id.desc()).limit(1)).first()


def unchanged_sources(
    conn: Connection, asking: Asking, scope: str, fingerprints: Iterable[tuple[str, str]]
) -> dict[str, Position]:
    """Sources that need not be read: the corpus' last whole run was of the same sources, asked the
    same, and read them to the end with the same fingerprint."""
    if asking.corpus is None or asking.forced:
        return {}
    last = conn.execute(
        select(jobs.c.id, jobs.c.scope, jobs.c.question)
        .where(
            jobs.c.corpus == asking.corpus,
            jobs.c.enqueued_at.is_not(None),
            jobs.c.state.in_(_COUNTS),
        )
        .order_by(jobs.c.enqueued_at.desc(), jobs.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None or (last.scope, last.question) != (scope, asking.question):
        return {}
    before = positions(conn, last.id)
    # What an earlier job found and was then cancelled, nobody has asked about.
    unasked = set(
        conn.scalars(
            select(origins.c.source)
            .distinct()
            .join(jobs, jobs.c.id == origins.c.job_id)
            .where(
                jobs.c.corpus == asking.corpus,
                jobs.c.state.not_in(_COUNTS),
                origins.c.state == "current",
            )
        )
    )
    return {
        source: Position(fingerprint, before[source].position, "unchanged")
        for source, fingerprint in fingerprints
        if fingerprint
        and source not in unasked
        and source in before
        and before[source].fingerprint == fingerprint
        and before[source].state in ("done", "unchanged")
    }


def _gone(asking: Asking, scope: str, unread: Any) -> Any:
    """Current in the corpus, found by an earlier job of the same sources, and not by this one."""
    return and_(
        origins.c.corpus == asking.corpus,
        origins.c.state == "current",
        origins.c.job_id != asking.job_id,
        or_(origins.c.seen_in.is_(None), origins.c.seen_in != asking.job_id),
        origins.c.job_id.in_(
            select(jobs.c.id).where(jobs.c.corpus == asking.corpus, jobs.c.scope == scope)
        ),
        or_(origins.c.source.is_(None), origins.c.source.not_in(unread)),
    )


def mark_removed(conn: Connection, asking: Asking, scope: str) -> int:
    """Once all is read: what is no longer in the sources. Nothing is, where one could not be read
    to its end."""
    of_job = select(job_sources.c.source).where(job_sources.c.job_id == asking.job_id)
    if (
        asking.corpus is None
        or conn.execute(of_job.where(job_sources.c.state == "broken").limit(1)).first()
    ):
        return 0
    unread = of_job.where(job_sources.c.state == "unchanged")
    return changed(
        conn,
        update(origins)
        .where(_gone(asking, scope, unread))
        .values(state="removed", changed_at=utcnow()),
    )


def count_current(conn: Connection, corpus: str, scope: str) -> dict[str | None, int]:
    """How many documents of each source are current in a corpus, of jobs of the same sources."""
    asking = Asking("", corpus, None, False)
    query = select(origins.c.source, func.count()).where(_gone(asking, scope, [""]))
    return {row[0]: row[1] for row in conn.execute(query.group_by(origins.c.source))}


def current_origins(conn: Connection, asking: Asking, scope: str) -> Iterator[tuple[int, str]]:
    """Ids and sources of what `mark_removed` would mark if nothing were read."""
    query = select(origins.c.id, origins.c.source).where(_gone(asking, scope, [""]))
    for row in conn.execution_options(yield_per=1000).execute(query):
        yield row[0], row[1]


def known_digests(conn: Connection, digests: Sequence[str]) -> set[str]:
    """Of texts' digests, those that the database has."""
    query = select(documents.c.digest).where(among(conn, documents.c.digest, digests))
    return set(conn.scalars(query))
