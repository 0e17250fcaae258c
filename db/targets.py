"""Targets: what a model takes in requests of one shape, and whether it has answered one
(`ruie.llm.ledger`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from ruie.db import endpoints
from ruie.db.models import request_profiles
from ruie.db.sql import changed, insert_new
from ruie.db.types import utcnow
from ruie.llm.ledger import Failure, Standing, Target
from ruie.llm.profile import RequestProfile

KEPT_ITEMS = 16
REFUSED_S = 1.5
"""From a refusal to the next call: longer than workers take to see that a job was paused."""
_NOBODY = "refused"


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
    reached, away, outages = endpoints.standing(conn, target.endpoint)
    return Standing(
        RequestProfile.from_body(row.learned),
        # While an endpoint is being tried nothing is proven.
        proven=row.proven_at is not None and reached,
        away=away,
        taken=bool(row.taken),
        outages=outages,
    )


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
    endpoints.answered(conn, target.endpoint)


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
