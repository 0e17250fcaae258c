"""The states of a work item, and which of its columns a state leaves empty.

    pending ─dispatch─▶ pending, named by a message ─lease─▶ leased ─save_result─▶ done
       ▲                                                      │ │ └─quarantine─▶ quarantined
       ├──────── not_before passed ── retry ◀─────────────────┤ └─ reap: the worker was lost
       └──────── its answer came ──── submitted ◀─────────────┘

An item that no worker holds may also be cancelled. One that is submitted has its request in a batch
at the provider, or waiting for one (db/provider_requests.py).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, literal_column, select

from ruie.db.models import ITEM_STATES, jobs, work_items

# As literals, not as parameters: a partial index (... WHERE state = 'pending') is used only by a
# statement in which the planner can read the value.
_STATES: dict[str, ColumnElement[str]] = {
    state: literal_column(f"'{state}'") for state in ITEM_STATES
}
PENDING, LEASED, SUBMITTED, DONE, RETRY, QUARANTINED, CANCELLED = (
    _STATES[state] for state in ITEM_STATES
)
OPEN = (PENDING, LEASED, SUBMITTED, RETRY)

NOT_SENT: dict[str, Any] = {"batch": None, "dispatched_until": None}
"""The columns of an item that no message names."""
NOT_LEASED: dict[str, Any] = {
    **NOT_SENT,
    "lease_owner": None,
    "lease_expires": None,
    "reserved_nusd": None,
    "reserved_on": None,
}
"""The columns of an item that no worker holds: nothing is reserved for its call either."""


def held(item: Any, token: Any) -> ColumnElement[bool]:
    """The lease of an item is still ours: this condition is the fence."""
    return and_(work_items.c.id == item, work_items.c.fence == token, work_items.c.state == LEASED)


LEASES = {"item": work_items.c.id.type, "token": work_items.c.fence.type}
"""The columns of `held`, where there are several (db/bulk.py)."""
HELD = held(*(bindparam(name, type_=type_) for name, type_ in LEASES.items()))


def has_any(state: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a row of `jobs` has an item in a state: one look into an index for each job.

    The limit keeps it so: a condition by EXISTS may be planned as a join with all items that are in
    that state, which in a large job are millions.
    """
    of_job = select(work_items.c.id).where(work_items.c.job_id == jobs.c.id)
    return of_job.where(work_items.c.state == state).limit(1).scalar_subquery().is_not(None)


def any_done(conn: Connection, job_id: str) -> bool:
    """Whether any item of the job is done."""
    done = select(work_items.c.id).where(work_items.c.job_id == job_id, work_items.c.state == DONE)
    return conn.execute(done.limit(1)).first() is not None
