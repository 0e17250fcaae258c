"""Batches at a provider, and the states they go through:

    preparing ─▶ submitting ─created─▶ running ─▶ ended ─▶ harvested ─▶ done
        ▲            │ │                                │
        └─not created┘ └──── refused ───▶ failed ◀──────┘

`submitting` is committed before the provider is asked to create a batch. So one that was created by
a process that died, or whose answer was lost, is never taken for one that is not: it is sought by
its token first. A function changes a batch only where it is in the state that it is about, and says
whether it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    case,
    exists,
    literal_column,
    or_,
    select,
    update,
)

from ruie.db.models import PROVIDER_BATCH_STATES, provider_batches, provider_requests, work_items
from ruie.db.request_states import SENT
from ruie.db.sql import changed
from ruie.db.types import utcnow

_STATES: dict[str, ColumnElement[str]] = {
    state: literal_column(f"'{state}'") for state in PROVIDER_BATCH_STATES
}
PREPARING, SUBMITTING, RUNNING, ENDED, HARVESTED, DONE, FAILED = (
    _STATES[state] for state in PROVIDER_BATCH_STATES
)
_OPEN = (provider_batches.c.state != DONE) & (provider_batches.c.state != FAILED)
BY_HAND = "file"
"""The provider's state of a batch that is a file somewhere."""
TOO_MANY_TOKENS = "token_limit_exceeded"
"""The provider's state of a batch that it refused because too many tokens are enqueued."""


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch as it is stored. age_s: since it was created there; None: it was not yet. due: it is
    to be looked at now. since_s: seconds since the last attempt to create it."""

    id: int
    token: str
    endpoint: str
    model: str
    scope: str
    state: str
    creates: int
    input_file: str | None
    provider_id: str | None
    provider_state: str | None
    doubles: int | None
    requests: int
    prompt_tokens: int
    answered: int
    failed: int
    cancelling: bool
    error: str | None
    created_at: datetime
    submitted_at: datetime | None
    ended_at: datetime | None
    due: bool
    since_s: float | None

    @property
    def by_hand(self) -> bool:
        """Whether somebody carries it as a file."""
        return self.provider_state == BY_HAND


def open_batches(conn: Connection) -> list[ProviderBatch]:
    """Those with which something is to be done at the provider, now or later, in the order of their
    turns: those that are only watched come last, so that they hold up none that is to be sent."""
    at_provider = or_(
        provider_batches.c.provider_state.is_(None), provider_batches.c.provider_state != BY_HAND
    )
    only_watched = case((provider_batches.c.state == RUNNING, 1), else_=0)
    turns = (only_watched, provider_batches.c.next_at.nulls_first(), provider_batches.c.id)
    query = _BATCHES.where(_OPEN, at_provider).order_by(None)
    return [_batch(row) for row in conn.execute(query.order_by(*turns))]


def listed(
    conn: Connection, scope: str | None = None, *, only_open: bool = False
) -> list[ProviderBatch]:
    """All, or those of a job or corpus; the oldest first. only_open: that are not over."""
    query = _BATCHES.where(_OPEN) if only_open else _BATCHES
    query = query if scope is None else query.where(provider_batches.c.scope == scope)
    return [_batch(row) for row in conn.execute(query)]


def find(conn: Connection, batch_id: int) -> ProviderBatch | None:
    """The batch of this number."""
    row = conn.execute(_BATCHES.where(provider_batches.c.id == batch_id)).one_or_none()
    return None if row is None else _batch(row)


def by_token(conn: Connection, token: str) -> ProviderBatch | None:
    """The batch with this token."""
    row = conn.execute(_BATCHES.where(provider_batches.c.token == token)).one_or_none()
    return None if row is None else _batch(row)


def staged(conn: Connection, batch_id: int, input_file: str) -> bool:
    """Its file is at the provider."""
    return _move(conn, batch_id, (PREPARING,), input_file=input_file)


def begin_create(conn: Connection, batch_id: int) -> bool:
    """The provider is about to be asked for it."""
    return _move(
        conn,
        batch_id,
        (PREPARING,),
        state=SUBMITTING,
        creates=provider_batches.c.creates + 1,
        submitted_at=utcnow(),
        error=None,
    )


def created(conn: Connection, batch_id: int, provider_id: str, provider_state: str) -> bool:
    """The provider has it."""
    return _move(
        conn,
        batch_id,
        (SUBMITTING,),
        state=RUNNING,
        provider_id=provider_id,
        provider_state=provider_state,
        next_at=None,
        error=None,
    )


def not_created(
    conn: Connection, batch_id: int, error: str, delay_s: float, *, upload_again: bool
) -> bool:
    """The provider is sure not to have it: it is asked again after so many seconds."""
    values: dict[str, Any] = {"input_file": None} if upload_again else {}
    return _move(
        conn,
        batch_id,
        (SUBMITTING,),
        state=PREPARING,
        error=error,
        next_at=utcnow(delay_s),
        **values,
    )


def look_again(
    conn: Connection,
    batch_id: int,
    delay_s: float,
    error: str | None = None,
) -> bool:
    """Nothing is to be done with it for so many seconds. error: what went wrong meanwhile."""
    return _move(conn, batch_id, None, next_at=utcnow(delay_s), error=error)


def still_running(
    conn: Connection,
    batch_id: int,
    delay_s: float,
    provider_state: str,
    answered: int = 0,
    failed: int = 0,
) -> bool:
    """As the provider describes it; it is looked at again after so many seconds. answered, failed:
    what the provider counts, until the lines themselves are."""
    return _move(
        conn,
        batch_id,
        (RUNNING,),
        next_at=utcnow(delay_s),
        error=None,
        provider_state=provider_state,
        answered=answered,
        failed=failed,
    )


def ended(conn: Connection, batch_id: int, provider_state: str, error: str | None = None) -> bool:
    """The provider does nothing more with it, and what came of it can be read."""
    return _move(
        conn,
        batch_id,
        (RUNNING,),
        state=ENDED,
        provider_state=provider_state,
        ended_at=utcnow(),
        next_at=None,
        error=error,
        answered=0,
        failed=0,
    )


def count_lines(conn: Connection, batch_id: int, answered: int, failed: int) -> None:
    """Add to what came back."""
    _move(
        conn,
        batch_id,
        (RUNNING, ENDED),
        answered=provider_batches.c.answered + answered,
        failed=provider_batches.c.failed + failed,
    )


def harvested(conn: Connection, batch_id: int) -> bool:
    """Every line is stored, and what had none went back."""
    return _move(conn, batch_id, (ENDED,), state=HARVESTED, next_at=None)


def done(conn: Connection, batch_id: int, *, failed: bool = False) -> bool:
    """Nothing of it is left at the provider. failed: nothing came of it."""
    values: dict[str, Any] = {"state": FAILED} if failed else {"state": DONE, "error": None}
    return _move(conn, batch_id, (HARVESTED,), next_at=None, **values)


def end_by_hand(conn: Connection, batch_id: int) -> None:
    """Nothing more is to come of a batch that is a file."""
    _move(conn, batch_id, (RUNNING,), state=DONE, ended_at=utcnow(), next_at=None)


def refused(conn: Connection, batch_id: int, provider_state: str, error: str) -> bool:
    """Nothing came of it."""
    return _move(
        conn,
        batch_id,
        (PREPARING, SUBMITTING, ENDED),
        state=FAILED,
        provider_state=provider_state,
        error=error,
        ended_at=utcnow(),
    )


def cancel(conn: Connection, batch_id: int) -> bool:
    """The provider is to be asked to cancel it; what it has done by then is read as ever."""
    return _move(conn, batch_id, (PREPARING, SUBMITTING, RUNNING), cancelling=True, next_at=None)


def cancel_unwanted(conn: Connection) -> int:
    """Cancel the batches of which no item waits for its answer any more."""
    wanted = exists().where(
        provider_requests.c.batch_id == provider_batches.c.id,
        provider_requests.c.state == SENT,
        work_items.c.id == provider_requests.c.work_item_id,
        work_items.c.state == literal_column("'submitted'"),
    )
    return changed(
        conn,
        update(provider_batches)
        .where(
            provider_batches.c.state.in_((PREPARING, SUBMITTING, RUNNING)),
            provider_batches.c.cancelling.is_(False),
            provider_batches.c.doubles.is_(None),
            ~wanted,
        )
        .values(cancelling=True, next_at=None),
    )


def _move(conn: Connection, batch_id: int, states: Sequence[Any] | None, **values: Any) -> bool:
    where = [provider_batches.c.id == batch_id]
    if states is not None:
        where.append(provider_batches.c.state.in_(states))
    return changed(conn, update(provider_batches).where(*where).values(**values)) > 0


_BATCHES = select(provider_batches, utcnow().label("now")).order_by(provider_batches.c.id)


def _batch(row: Row[Any]) -> ProviderBatch:
    names = [each for each in ProviderBatch.__dataclass_fields__ if each not in ("due", "since_s")]
    since = None if row.submitted_at is None else (row.now - row.submitted_at).total_seconds()
    return ProviderBatch(
        **{name: getattr(row, name) for name in names},
        due=row.next_at is None or row.next_at <= row.now,
        since_s=since,
    )
