"""Endpoints: whether calls reach them, and what their models take (`ruie.llm.ledger`).

An endpoint is away from the failure that says so until a call is answered. The coordinator probes
it with growing pauses; once a probe succeeds it is being tried: one call alone for each model and
shape, and the next failure makes it away again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from ruie.db.lease import give_back_attempts
from ruie.db.models import endpoints, request_profiles
from ruie.db.sql import changed, insert_new
from ruie.db.types import utcnow
from ruie.errors import TransientCallError, UnreachableError
from ruie.llm.ledger import Failure, Standing, Target
from ruie.llm.profile import RequestProfile

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
DIFFERENT_ITEMS = 5
"""So many items that fail with no answer between make an endpoint away."""
KEPT_ITEMS = 16
OUTAGE_CLASSES = (TransientCallError("").kind, UnreachableError("").kind)
"""Errors of items that failed only because the endpoint was going away."""
REFUSED_S = 1.5
"""From a refusal to the next call: longer than workers take to see that a job was paused."""
_NOBODY = "refused"


@dataclass(frozen=True, slots=True)
class Away:
    """An endpoint that no call reaches. failures: since then. trying: a probe succeeded, and calls
    are made one at a time."""

    endpoint: str
    since: datetime
    reason: str
    failures: int
    retry_at: datetime | None
    trying: bool


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """What is known of a model. learned: how a request to it differs from one as ruie makes it at
    first; description: the same in words, "" where nothing differs. refusals: in a row, with the
    provider's words."""

    endpoint: str
    model: str
    learned: dict[str, Any]
    description: str
    proven_at: datetime | None
    refusals: int
    refusal: str | None


def find(conn: Connection, target: Target) -> Standing | None:
    """How a target stands; None where it is new (`add`)."""
    taken = (request_profiles.c.turn_until > utcnow()).label("taken")
    row = conn.execute(_row(target).add_columns(taken)).one_or_none()
    if row is None:
        return None
    c = endpoints.c
    endpoint = conn.execute(
        select(c.away_since, c.reason, c.trying, c.outages).where(c.url == target.endpoint)
    ).one_or_none()
    standing = Standing(
        RequestProfile.from_body(row.learned),
        proven=row.proven_at is not None,
        taken=bool(row.taken),
        outages=endpoint.outages if endpoint else 0,
    )
    if endpoint is None or endpoint.away_since is None:
        return standing
    # While an endpoint is being tried nothing is proven.
    away = "" if endpoint.trying else endpoint.reason or "unreachable"
    return replace(standing, proven=False, away=away)


def add(conn: Connection, target: Target) -> None:
    """Add a target, with what was learned of its model in another shape."""
    c = request_profiles.c
    others = select(c.learned).where(c.endpoint == target.endpoint, c.model == target.model)
    learned = conn.scalars(others.order_by(c.updated_at.desc()).limit(1)).first()
    conn.execute(
        insert_new(conn, request_profiles).values(
            endpoint=target.endpoint,
            model=target.model,
            shape=target.shape,
            learned=learned or {},
            refusals=0,
            refused_items=[],
            updated_at=utcnow(),
        )
    )


def claim(conn: Connection, target: Target, turn: str, ttl_s: float) -> bool:
    """Take the turn to make a call alone, or hold on to it."""
    free = or_(
        request_profiles.c.turn.is_(None),
        request_profiles.c.turn == turn,
        request_profiles.c.turn_until < utcnow(),
    )
    taken = update(request_profiles).where(*_is(target), free)
    return changed(conn, taken.values(turn=turn, turn_until=utcnow(ttl_s))) > 0


def release(conn: Connection, target: Target, turn: str) -> None:
    """Give back a turn."""
    held = update(request_profiles).where(*_is(target), request_profiles.c.turn == turn)
    conn.execute(held.values(turn=None, turn_until=None))


def prove(conn: Connection, target: Target, profile: RequestProfile) -> None:
    """The target has answered: it is proven, and its endpoint is not away."""
    conn.execute(
        update(request_profiles)
        .where(*_is(target))
        .values(learned=profile.body(), proven_at=utcnow(), updated_at=utcnow(), **_NOT_REFUSED)
    )
    conn.execute(
        update(endpoints)
        .where(endpoints.c.url == target.endpoint)
        .values(away_since=None, reason=None, retry_at=None, trying=False, failures=0,
                failed_items=[], updated_at=utcnow())
    )  # fmt: skip  # what an endpoint has that answers


def learn(conn: Connection, target: Target, old: RequestProfile, new: RequestProfile) -> None:
    """A request of the old profile was refused. Nothing changes where another process has learned
    something since."""
    row = conn.execute(_row(target).with_for_update()).one_or_none()
    if row is not None and RequestProfile.from_body(row.learned) == old:
        conn.execute(
            update(request_profiles)
            .where(*_is(target))
            .values(learned=new.body(), proven_at=None, updated_at=utcnow())
        )


def refused(conn: Connection, target: Target, failure: Failure, *, by_item: bool) -> int:
    """Count a refusal; see `ruie.llm.ledger.Ledger.refused`. Nobody has the turn for a moment: by
    then those who wait know whether their job was paused."""
    row = conn.execute(_row(target).with_for_update()).one_or_none()
    if row is None:
        return 1
    alike = row.refusal_kind == failure.kind
    items = sorted({*(row.refused_items if alike else ()), *failure.items})[:KEPT_ITEMS]
    before = row.refusals if alike else 0
    count = len(items) if by_item else max(before + 1, len(items))
    conn.execute(
        update(request_profiles)
        .where(*_is(target))
        .values(proven_at=None, refusals=count, refusal_kind=failure.kind, refusal=failure.reason,
                refused_items=items, turn=_NOBODY, turn_until=utcnow(REFUSED_S),
                updated_at=utcnow())
    )  # fmt: skip  # one row of values
    return count


def failed(conn: Connection, endpoint: str, failure: Failure, *, certain: bool) -> bool:
    """Calls failed; see `ruie.llm.ledger.Ledger.failed`."""
    row = _locked(conn, endpoint)
    if row.away_since is None and _since(row, failure.outages):
        return True  # the call was sent before the endpoint could be reached again
    items = sorted({*row.failed_items, *failure.items})[:KEPT_ITEMS]
    away = certain or row.away_since is not None or len(items) >= DIFFERENT_ITEMS
    values: dict[str, Any] = {"failed_items": items, "updated_at": utcnow()}
    if away and (row.away_since is None or row.trying):
        values |= _away(row, failure.reason)
    if away and row.away_since is None:
        values["outages"] = row.outages + 1
        give_back_attempts(conn, OUTAGE_CLASSES)
    conn.execute(update(endpoints).where(endpoints.c.url == endpoint).values(values))
    return away


def was_away(conn: Connection, endpoint: str, outages: int | None) -> bool:
    """Whether no call reaches the endpoint, or none did at some time since one was sent, when it
    had been away `outages` times. Locked, so that it stays so in this transaction."""
    found = select(endpoints).where(endpoints.c.url == endpoint).with_for_update()
    row = conn.execute(found).one_or_none()
    return row is not None and (row.away_since is not None or _since(row, outages))


def probed(conn: Connection, endpoint: str, error: str | None) -> None:
    """A probe of an endpoint that is away succeeded (error: None), or failed."""
    row = _locked(conn, endpoint)
    if row.away_since is None or row.trying:
        return
    if error is None:
        values: dict[str, Any] = {"trying": True, "retry_at": None, "updated_at": utcnow()}
    else:
        values = _away(row, error)
    conn.execute(update(endpoints).where(endpoints.c.url == endpoint).values(values))


def due_probes(conn: Connection) -> list[str]:
    """The endpoints that are to be probed now."""
    due = select(endpoints.c.url).where(
        endpoints.c.away_since.is_not(None),
        endpoints.c.trying.is_(False),
        endpoints.c.retry_at <= utcnow(),
    )
    return list(conn.scalars(due))


def list_away(conn: Connection) -> list[Away]:
    """The endpoints that no call reaches."""
    query = select(endpoints).where(endpoints.c.away_since.is_not(None)).order_by(endpoints.c.url)
    return [
        Away(row.url, row.away_since, row.reason or "", row.failures, row.retry_at, row.trying)
        for row in conn.execute(query)
    ]


def list_models(conn: Connection, endpoint: str | None = None) -> list[ModelStanding]:
    """What is known of the models, in each shape that was called."""
    query = select(request_profiles).order_by(request_profiles.c.endpoint, request_profiles.c.id)
    if endpoint is not None:
        query = query.where(request_profiles.c.endpoint == endpoint)
    return [
        ModelStanding(
            row.endpoint,
            row.model,
            row.learned,
            RequestProfile.from_body(row.learned).describe(),
            row.proven_at,
            row.refusals,
            row.refusal,
        )
        for row in conn.execute(query)
    ]


def constraint(conn: Connection, endpoint: str, model: str) -> str:
    """To what answers of a model were proved to be held; "" where nothing is known."""
    query = select(request_profiles.c.learned).where(
        request_profiles.c.endpoint == endpoint,
        request_profiles.c.model == model,
        request_profiles.c.proven_at.is_not(None),
    )
    held = (learned.get("constraint", "") for learned in conn.scalars(query))
    return next(filter(None, held), "")


def forget(conn: Connection, endpoint: str, model: str | None = None) -> int:
    """Forget what was learned of a model, or of all models of an endpoint; returns how many rows.
    The next call to it goes alone, as ruie makes it at first."""
    known = delete(request_profiles).where(request_profiles.c.endpoint == endpoint)
    if model is not None:
        known = known.where(request_profiles.c.model == model)
    return changed(conn, known)


_NOT_REFUSED: dict[str, Any] = {
    "refusals": 0,
    "refusal_kind": None,
    "refusal": None,
    "refused_items": [],
}


def _is(target: Target) -> Sequence[Any]:
    c = request_profiles.c
    return c.endpoint == target.endpoint, c.model == target.model, c.shape == target.shape


def _row(target: Target) -> Any:
    return select(request_profiles).where(*_is(target))


def _locked(conn: Connection, endpoint: str) -> Row[Any]:
    """The endpoint's row, added where it is new."""
    added = insert_new(conn, endpoints).values(
        url=endpoint,
        failures=0,
        trying=False,
        failed_items=[],
        outages=0,
        updated_at=utcnow(),
    )
    conn.execute(added)
    return conn.execute(
        select(endpoints).where(endpoints.c.url == endpoint).with_for_update()
    ).one()


def _since(row: Row[Any], outages: int | None) -> bool:
    """Whether there was an outage after it had been away so often."""
    return outages is not None and row.outages > outages


def _away(row: Row[Any], reason: str) -> dict[str, Any]:
    """Away, or away again, until the next probe."""
    pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(row.failures, 10))
    return {
        "away_since": row.away_since or utcnow(),
        "reason": reason,
        "failures": row.failures + 1,
        "retry_at": utcnow(pause_s),
        "trying": False,
        "updated_at": utcnow(),
    }
