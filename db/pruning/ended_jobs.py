"""What ended jobs leave behind: how far they read their sources, the runs of schedules, and jobs in
which there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    delete,
    exists,
    or_,
    select,
)

from ruie.db.engine import reading
from ruie.db.models import (
    attempts,
    counted_calls,
    extractions,
    input_errors,
    job_sources,
    jobs,
    metric_totals,
    origins,
    provider_batches,
    provider_requests,
    pruned_attempts,
    pruned_items,
    quarantine,
    review_queue,
    reviews,
    schedule_runs,
    spend_accounts,
    spend_refunds,
    work_items,
)
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, IdRows, Kind, SingleRows, reasons
from ruie.db.sql import in_ids, in_values, pieces

SOURCES_AT_A_TIME = 1000


def _compared_with() -> ColumnElement[bool]:
    """The job is the last one of its corpus that was read to the end (`unchanged_sources`)."""
    later = jobs.alias("later")
    return and_(
        jobs.c.corpus.is_not(None),
        ~exists().where(
            later.c.corpus == jobs.c.corpus,
            later.c.state.in_(("running", "paused", "done")),
            or_(
                later.c.enqueued_at > jobs.c.enqueued_at,
                and_(later.c.enqueued_at == jobs.c.enqueued_at, later.c.id > jobs.c.id),
            ),
        ),
    )


def _old_jobs(cutoff: Cutoff) -> Select[str]:
    old = JOB_ENDED, jobs.c.finished_at < cutoff.before
    return select(jobs.c.id).where(*old).order_by(jobs.c.id)


class Sources(SingleRows):
    """How far ended jobs read their sources. A span is a job with the names of some."""

    kind = Kind.JOBS
    what = "sources of ended jobs"

    def spans(self, engine: Engine) -> Iterator[tuple[str, list[str]]]:
        with reading(engine) as conn:
            with_sources = conn.scalars(select(job_sources.c.job_id).distinct()).all()
        for job in sorted(with_sources):
            names = _names(engine, job, None)
            while names:
                yield job, names
                names = _names(engine, job, names[-1])

    def find(self, conn: Connection, cutoff: Cutoff, span: tuple[str, list[str]]) -> Found:
        found = Found()
        job, names = span
        if self._goes(conn, cutoff, job):
            found.going(self.what, len(names), cutoff.bytes(job_sources, len(names)))
        elif conn.execute(_old_jobs(cutoff).where(jobs.c.id == job)).first():
            found.stays[self.what, "the next run of their corpus compares with them"] += len(names)
        return found

    def choose(
        self, conn: Connection, cutoff: Cutoff, span: tuple[str, list[str]]
    ) -> Sequence[tuple[str, str]]:
        job, names = span
        return [(job, name) for name in names] if self._goes(conn, cutoff, job) else []

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[tuple[str, str]]) -> Found:
        found = Found()
        (job,) = {job for job, _ in chosen}
        if self._goes(conn, cutoff, job):
            of_job = delete(job_sources).where(job_sources.c.job_id == job)
            names = [name for _, name in chosen]
            rows = conn.execute(of_job.where(in_values(conn, job_sources.c.source, names))).rowcount
            found.going(self.what, rows, cutoff.bytes(job_sources, rows))
        return found

    def _goes(self, conn: Connection, cutoff: Cutoff, job: str) -> bool:
        wanted = _old_jobs(cutoff).where(jobs.c.id == job, ~_compared_with())
        return conn.execute(wanted).first() is not None


class Runs(IdRows):
    """Of schedules; each schedule keeps its last."""

    kind = Kind.JOBS
    table = schedule_runs
    what = "runs of schedules"

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        over = schedule_runs.c.state.in_(("done", "failed", "skipped"))
        return and_(over, schedule_runs.c.finished_at < cutoff.before)

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        later = schedule_runs.alias("later")
        has_later = exists().where(
            later.c.schedule_id == schedule_runs.c.schedule_id,
            later.c.due_at > schedule_runs.c.due_at,
        )
        open_ = select(jobs.c.id).where(jobs.c.id == schedule_runs.c.job_id, ~JOB_ENDED).exists()
        return reasons(
            (~has_later, "the last of their schedules"), (open_, "their jobs are not over")
        )

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        found = Found()
        still = self.still(conn, cutoff, chosen)
        conn.execute(delete(schedule_runs).where(in_ids(conn, schedule_runs.c.id, list(still))))
        found.going(self.what, len(still), sum(still.values()))
        return found


def _names(engine: Engine, job: str, after: str | None) -> list[str]:
    query = select(job_sources.c.source).where(job_sources.c.job_id == job)
    if after is not None:
        query = query.where(job_sources.c.source > after)
    with reading(engine) as conn:
        return list(
            conn.scalars(query.order_by(job_sources.c.source).limit(SOURCES_AT_A_TIME)).all()
        )


_LEFT = (
    origins, work_items, extractions, attempts, input_errors, quarantine, reviews, review_queue,
    provider_requests, pruned_attempts, pruned_items, counted_calls,
)  # fmt: skip  # a list of tables
_IN_IT = (*_LEFT, job_sources, schedule_runs)
"""The tables that refer to a job; of an empty one, the last two are pruned before it."""


class EmptyJobs(SingleRows):
    """Jobs without a document, such as a schedule makes where nothing is new. A span, like what is
    chosen of it, is some ids."""

    kind = Kind.JOBS
    what = "jobs without anything"

    def spans(self, engine: Engine) -> Iterator[Sequence[str]]:
        with reading(engine) as conn:
            listed = conn.scalars(select(jobs.c.id).order_by(jobs.c.id)).all()
        yield from pieces(listed)

    def find(self, conn: Connection, cutoff: Cutoff, span: Sequence[str]) -> Found:
        found = Found()
        going = len(self.choose(conn, cutoff, span))
        found.going(self.what, going, cutoff.bytes(jobs, going))
        compared = self._empty(cutoff, span, *_LEFT).where(_compared_with())
        if kept := len(conn.scalars(compared).all()):
            found.stays[self.what, "the next run of their corpus compares with them"] += kept
        return found

    def choose(self, conn: Connection, cutoff: Cutoff, span: Sequence[str]) -> Sequence[str]:
        """In a dry run, what goes before them is still there."""
        empty = self._empty(cutoff, span, *_LEFT)
        return conn.scalars(empty.where(~_compared_with())).all()

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[str]) -> Found:
        found = Found()
        empty = self._empty(cutoff, chosen, *_IN_IT).where(~_compared_with())
        ids = conn.scalars(empty.with_for_update(skip_locked=True)).all()
        conn.execute(delete(metric_totals).where(in_values(conn, metric_totals.c.job_id, ids)))
        conn.execute(delete(spend_refunds).where(in_values(conn, spend_refunds.c.account, ids)))
        conn.execute(delete(spend_accounts).where(in_values(conn, spend_accounts.c.account, ids)))
        conn.execute(delete(jobs).where(in_values(conn, jobs.c.id, ids)))
        found.going(self.what, len(ids), cutoff.bytes(jobs, len(ids)))
        return found

    def _empty(self, cutoff: Cutoff, among: Sequence[str], *tables: Table) -> Select[str]:
        empty = [~exists().where(table.c.job_id == jobs.c.id) for table in tables]
        batches = ~exists().where(provider_batches.c.scope == jobs.c.id)
        return _old_jobs(cutoff).where(jobs.c.id.in_(among), batches, *empty)
