"""Requests that wait are put into batches: when, and how large these are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, update

from ruie.db.item_states import LEASED, PENDING
from ruie.db.models import jobs, provider_batches, provider_requests, work_items
from ruie.db.provider_batches import FAILED, PREPARING, RUNNING, SUBMITTING, TOO_MANY_TOKENS
from ruie.db.request_states import WAITING
from ruie.db.sql import pieces
from ruie.db.types import utcnow

HELD_BACK_S = 3600.0
"""So long batches are smaller than one that was refused for its tokens."""
LINE_BYTES = 300
"""Of a line around its body, at most."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Of one batch; 0: no limit. tokens: of all of a model's open batches together, estimated."""

    requests: int
    bytes: int
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """When requests are put into a batch: so many are there, or the oldest has waited so long, or
    no more are to come."""

    least: int
    wait_s: float


def cut(conn: Connection, endpoint: str, limits: BatchLimits, waiting: Waiting) -> list[int]:
    """Put requests to an endpoint that wait into new batches, of one job or corpus and one model
    each; returns the ids of the batches."""
    group = (_SCOPE, provider_requests.c.endpoint, provider_requests.c.model)
    query = (
        select(
            *group,
            func.count().label("requests"),
            func.sum(provider_requests.c.size).label("bytes"),
            func.sum(provider_requests.c.prompt_tokens).label("tokens"),
            func.min(provider_requests.c.created_at).label("oldest"),
            utcnow().label("now"),
        )
        .select_from(_WAITING_OF_RUNNING)
        .where(
            provider_requests.c.state == WAITING,
            provider_requests.c.endpoint == endpoint,
            jobs.c.state == "running",
        )
        .group_by(*group)
    )
    made = []
    for row in conn.execute(query).all():
        most = _within(conn, row, limits)
        if most is None:
            continue
        full = row.requests >= waiting.least or row.bytes >= most.bytes
        waited = (row.now - row.oldest).total_seconds() >= waiting.wait_s
        if full or waited or _complete(conn, row.scope):
            made.append(_make(conn, row, most))
    return made


def cut_all(conn: Connection, job_id: str) -> int | None:
    """Put all requests of one job that wait, to its first endpoint and model, into one batch; None:
    there are none."""
    query = (
        select(
            _SCOPE,
            provider_requests.c.endpoint,
            provider_requests.c.model,
            func.count().label("requests"),
        )
        .select_from(_WAITING_OF_RUNNING)
        .where(provider_requests.c.state == WAITING, provider_requests.c.job_id == job_id)
        .group_by(_SCOPE, provider_requests.c.endpoint, provider_requests.c.model)
    )
    row = conn.execute(query.limit(1)).first()
    return None if row is None else _make(conn, row, BatchLimits(row.requests, 0), job_id)


def _within(conn: Connection, row: Row[Any], limits: BatchLimits) -> BatchLimits | None:
    """How large a batch may be now; None where none may be added."""
    own = (provider_batches.c.endpoint == row.endpoint, provider_batches.c.model == row.model)
    open_tokens = conn.execute(
        select(func.coalesce(func.sum(provider_batches.c.prompt_tokens), 0)).where(
            *own, provider_batches.c.state.in_((PREPARING, SUBMITTING, RUNNING))
        )
    ).scalar_one()
    refused = conn.execute(
        select(func.min(provider_batches.c.prompt_tokens)).where(
            *own,
            provider_batches.c.state == FAILED,
            provider_batches.c.provider_state == TOO_MANY_TOKENS,
            provider_batches.c.ended_at > utcnow(-HELD_BACK_S),
        )
    ).scalar()
    tokens = limits.tokens
    if refused is not None:
        tokens = min(tokens or refused, refused // 2)
        if open_tokens:
            return None  # until one of them has ended
    if tokens and open_tokens and open_tokens + row.tokens / row.requests > tokens:
        return None
    return BatchLimits(limits.requests, limits.bytes, tokens - int(open_tokens) if tokens else 0)


def _complete(conn: Connection, scope: str) -> bool:
    """Whether no more requests of a job are to come soon; of a corpus nobody knows."""
    more = (
        exists().where(work_items.c.job_id == scope, work_items.c.state == PENDING).select(),
        exists().where(work_items.c.job_id == scope, work_items.c.state == LEASED).select(),
    )
    enqueued = conn.execute(
        select(jobs.c.enqueued_at).where(jobs.c.id == scope, jobs.c.corpus.is_(None))
    ).scalar()
    return enqueued is not None and not any(conn.execute(query).scalar() for query in more)


def _make(conn: Connection, row: Row[Any], most: BatchLimits, job_id: str | None = None) -> int:
    wanted = (
        select(provider_requests.c.id, provider_requests.c.size, provider_requests.c.prompt_tokens)
        .select_from(_WAITING_OF_RUNNING)
        .where(
            provider_requests.c.state == WAITING,
            jobs.c.state == "running",
            row.scope == _SCOPE,
            provider_requests.c.endpoint == row.endpoint,
            provider_requests.c.model == row.model,
        )
        .order_by(provider_requests.c.id)
        .limit(most.requests)
    )
    if job_id is not None:
        wanted = wanted.where(provider_requests.c.job_id == job_id)
    ids: list[int] = []
    size = tokens = 0
    for request in conn.execute(wanted):
        size += request.size + LINE_BYTES
        tokens += request.prompt_tokens
        if ids and ((most.bytes and size > most.bytes) or (most.tokens and tokens > most.tokens)):
            tokens -= request.prompt_tokens
            break
        ids.append(request.id)
    made = conn.execute(
        insert(provider_batches)
        .values(
            token=secrets.token_hex(12),
            endpoint=row.endpoint,
            model=row.model,
            scope=row.scope,
            requests=len(ids),
            prompt_tokens=tokens,
        )
        .returning(provider_batches.c.id)
    ).scalar_one()
    for some in pieces(ids):
        conn.execute(
            update(provider_requests)
            .where(provider_requests.c.id.in_(some))
            .values(batch_id=made, state="sent")
        )
    return int(made)


_WAITING_OF_RUNNING = provider_requests.join(jobs, jobs.c.id == provider_requests.c.job_id)
_SCOPE = func.coalesce(jobs.c.corpus, jobs.c.id).label("scope")
