"""How many documents a job had enqueued: the total, and the rows that it has not counted yet. So it
takes no longer for the millionth document than for the first."""

from __future__ import annotations

from sqlalchemy import Connection, func, or_, select

from ruie.db.models import metric_totals, origins
from ruie.db.totals import Total


def job_documents(conn: Connection, job_id: str) -> int:
    """Of one job, until now. A document that is forgotten stays counted."""
    counted_to = metric_totals.c.name == Total.FOLDED_TO.value
    of_job = (metric_totals.c.name == Total.JOB_DOCUMENTS.value) & (
        metric_totals.c.job_id == job_id
    )
    # Both of one moment. What is counted after it lies above the mark that was read, and is found
    # by the next statement.
    mark = total = 0
    query = select(metric_totals.c.name, metric_totals.c.value).where(
        or_(counted_to & (metric_totals.c.kind == origins.name), of_job)
    )
    for name, value in conn.execute(query):
        if name == Total.FOLDED_TO:
            mark = value
        else:
            total += value
    # The job is no part of WHERE, where it would suggest another index to PostgreSQL: one with all
    # documents of the job, of which it may not know yet how many they are.
    new = select(func.count().filter(origins.c.job_id == job_id)).where(origins.c.id > mark)
    return total + int(conn.execute(new).scalar_one())
