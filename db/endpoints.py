"""Endpoints: whether calls reach them (`ruie.llm.ledger`).

An endpoint is away from the failure that says so until a call is answered. The coordinator probes
it with growing pauses; once a probe succeeds it is being tried: one call alone for each model and
shape, and the next failure makes it away again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ruie.db.lease import give_back_attempts
from ruie.db.models import endpoints
from ruie.db.sql import insert_new
from ruie.db.types import utcnow
from ruie.errors import TransientCallError, UnreachableError
from ruie.llm.ledger import Failure

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
DIFFERENT_ITEMS = 5
"""So many items that fail with no answer between make an endpoint away."""
KEPT_ITEMS = 16
OUTAGE_CLASSES = (TransientCallError("").kind, UnreachableError("").kind)
"""Errors of items that failed only because the endpoint was going away."""


@dataclass(frozen=True, slots=True)
class Away:
    """An endpoint that no call reaches. failures: since then. trying: a probe succeeded, and calls
    are made one at a time. retry_in_s: until the next probe, by the database's clock."""

    endpoint: str
    since: datetime
    reason: str
    failures: int
    retry_at: datetime | None
    retry_in_s: float | None
    trying: bool


def standing(conn: Connection, endpoint: str) -> tuple[bool, str, int]:
    """Whether calls reach the endpoint; why no call may be sent at all, or ""; and how often it was
    away so far."""
    row = conn.execute(select(endpoints).where(endpoints.c.url == endpoint)).one_or_none()
    if row is None or row.away_since is None:
        return True, "", row.outages if row else 0
    return False, "" if row.trying else row.reason or "unreachable", row.outages


def answered(conn: Connection, endpoint: str) -> None:
    """A call was answered: the endpoint is not away."""
    conn.execute(
        update(endpoints)
        .where(endpoints.c.url == endpoint)
        .values(away_since=None, reason=None, retry_at=None, trying=False, failures=0,
                failed_items=[], updated_at=utcnow())
    )  # fmt: skip  # what an endpoint has that answers


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
    had been away `outages` times. Locked, so that it stays so in this transaction: also where
    nothing was known of the endpoint, or what is recorded here would be given back by none."""
    row = _locked(conn, endpoint)
    return row.away_since is not None or _since(row, outages)


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
    query = (
        select(endpoints, utcnow().label("now"))
        .where(endpoints.c.away_since.is_not(None))
        .order_by(endpoints.c.url)
    )
    return [
        Away(
            row.url,
            row.away_since,
            row.reason or "",
            row.failures,
            row.retry_at,
            None if row.retry_at is None else max(0.0, (row.retry_at - row.now).total_seconds()),
            row.trying,
        )
        for row in conn.execute(query)
    ]


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
