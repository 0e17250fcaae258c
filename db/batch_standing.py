"""How the batches at the provider stand, for metrics and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ruie.db import provider_batches
from ruie.db.models import PROVIDER_BATCH_STATES, provider_requests
from ruie.db.request_states import WAITING

OPEN_STATES = PROVIDER_BATCH_STATES[:-2]


@dataclass(frozen=True, slots=True)
class BatchStanding:
    """Of the batches that are not over. oldest_s: seconds since the oldest of those that the
    provider answers was sent. unconfirmed_s: since one was sent of which nobody knows whether it
    was created, the longest. requests_waiting: requests that wait for a batch."""

    by_state: Mapping[str, int]
    oldest_s: float
    unconfirmed_s: float
    requests_waiting: int


def batch_standing(conn: Connection) -> BatchStanding:
    """As it is now. Those that somebody carries as files have no age: nobody waits for a
    provider."""
    batches = provider_batches.listed(conn, only_open=True)
    states = Counter(each.state for each in batches)
    sent = [each for each in batches if not each.by_hand and each.since_s is not None]

    def longest(state: str) -> float:
        return max((each.since_s or 0.0 for each in sent if each.state == state), default=0.0)

    return BatchStanding(
        {state: states[state] for state in OPEN_STATES},
        longest("running"),
        longest("submitting"),
        count_waiting(conn),
    )


def count_waiting(conn: Connection, job_id: str | None = None) -> int:
    """How many requests wait for a batch, of a job or of all."""
    query = select(func.count()).where(provider_requests.c.state == WAITING)
    if job_id is not None:
        query = query.where(provider_requests.c.job_id == job_id)
    return int(conn.execute(query).scalar_one())
