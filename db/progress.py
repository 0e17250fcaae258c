"""The progress of a job: work items by state, calls, tokens and cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, bindparam, column, func, select, table

from ruie.db.call_sums import TOKENS
from ruie.db.job_documents import job_documents
from ruie.db.jobs import no_such_job
from ruie.db.models import input_errors, jobs, pruned_items, work_items
from ruie.records import Task

TOLERATED_SHARE = 0.05
"""The default of RUIE_QUARANTINE_SHARE."""
ENDED = ("done", "cancelled", "failed")
BLOCKING = ("error", "job_cap")
"""What may have paused a job that goes on only once somebody mends it."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """Work items of one task by state. `retry`: waiting for their next attempt.
    `submitted`: in a batch at the provider, or waiting for one."""

    task: Task
    pending: int = 0
    leased: int = 0
    retry: int = 0
    done: int = 0
    quarantined: int = 0
    cancelled: int = 0
    submitted: int = 0

    @property
    def items(self) -> int:
        return self.open + self.closed

    @property
    def open(self) -> int:
        return self.pending + self.leased + self.submitted + self.retry

    @property
    def closed(self) -> int:
        return self.done + self.quarantined + self.cancelled


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A job at one moment. Calls, tokens and cost (USD) are of the calls this job made itself,
    those that failed included."""

    job_id: str
    name: str
    state: str
    reason: str | None
    enqueued: bool
    """Whether all documents are in; until then the totals grow."""
    documents: int
    """Pieces of input that were accepted; a text that came twice counts twice."""
    input_errors: int
    tasks: tuple[TaskProgress, ...]
    calls: int
    failed_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    cap_usd: float | None
    paused_by: str | None
    """`person`, `error`, `job_cap` or `day_cap`, where it is paused."""
    tolerated_share: float
    """The share of its items, 0 to 1, that may be given up before it counts as failed."""
    cached_tokens: int = 0
    """Of the prompts' tokens, those that were read from the provider's cache."""
    cache_write_tokens: int = 0
    """Likewise, written to it."""
    reasoning_tokens: int = 0
    """Of the answers' tokens, those that were thought and not said."""

    @property
    def items(self) -> int:
        return sum(task.items for task in self.tasks)

    @property
    def open(self) -> int:
        return sum(task.open for task in self.tasks)

    @property
    def submitted(self) -> int:
        return sum(task.submitted for task in self.tasks)

    @property
    def done(self) -> int:
        return sum(task.done for task in self.tasks)

    @property
    def quarantined(self) -> int:
        return sum(task.quarantined for task in self.tasks)

    @property
    def quarantined_share(self) -> float:
        """The share of its items that was given up, 0 to 1."""
        return self.quarantined / self.items if self.items else 0.0

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def blocked(self) -> bool:
        """Whether an error or its own cap paused it: it goes on only once somebody mends that."""
        return self.state == "paused" and self.paused_by in BLOCKING

    @property
    def ok(self) -> bool | None:
        """Whether it is done, with no more than `tolerated_share` given up; None while it runs, or
        is paused and will go on."""
        if not self.ended and not self.blocked:
            return None
        return self.state == "done" and self.quarantined_share <= self.tolerated_share


def progress(
    conn: Connection, job_id: str, tolerated_share: float = TOLERATED_SHARE
) -> JobProgress:
    """The job's totals. Raises DatabaseError where there is no such job."""
    job = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if job is None:
        raise no_such_job(conn, job_id)
    spent = conn.execute(_SPENT, {"job": job_id}).one()
    errors = select(func.count()).where(input_errors.c.job_id == job_id)
    return JobProgress(
        job_id=job.id,
        name=job.name,
        state=job.state,
        reason=job.reason,
        enqueued=job.enqueued_at is not None,
        documents=job_documents(conn, job_id),
        input_errors=conn.execute(errors).scalar_one(),
        tasks=_tasks(conn, job_id),
        calls=int(spent.calls + spent.failed_calls),
        failed_calls=int(spent.failed_calls),
        prompt_tokens=int(spent.prompt_tokens),
        completion_tokens=int(spent.completion_tokens),
        cost_usd=float(spent.cost_usd),
        cap_usd=None if job.cap_nusd is None else job.cap_nusd / 1e9,
        paused_by=job.paused_by,
        tolerated_share=tolerated_share,
        cached_tokens=int(spent.cached_tokens),
        cache_write_tokens=int(spent.cache_write_tokens),
        reasoning_tokens=int(spent.reasoning_tokens),
    )


_SUMS = ("calls", "failed_calls", "cost_usd", *TOKENS)
_SUMMED: list[ColumnElement[Any]] = [
    func.coalesce(func.sum(column(name)), 0).label(name) for name in _SUMS
]
_SPENT = (
    select(*_SUMMED)
    .select_from(table("spend_by_job"))
    .where(column("job_id") == bindparam("job", type_=String))
)


def _tasks(conn: Connection, job_id: str) -> tuple[TaskProgress, ...]:
    """In the order of `Task`; items that were pruned count too."""
    there = (
        select(work_items.c.task, work_items.c.state, func.count())
        .where(work_items.c.job_id == job_id)
        .group_by(work_items.c.task, work_items.c.state)
    )
    pruned = select(pruned_items.c.task, pruned_items.c.state, pruned_items.c["items"])
    counts: dict[str, Counter[str]] = {}
    for query in (there, pruned.where(pruned_items.c.job_id == job_id)):
        for task, state, count in conn.execute(query):
            counts.setdefault(task, Counter())[state] += count
    return tuple(TaskProgress(task, **counts[task]) for task in Task if task in counts)
