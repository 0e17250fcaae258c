"""The documents of a job that were chosen to be reviewed, in order. Choosing takes a while, so they
are kept until all of them are reviewed, whichever process shows them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from ruie.db.models import jobs, review_queue


def queued(conn: Connection, job_id: str) -> list[int]:
    """Ids of the documents; empty where none was chosen yet."""
    query = select(review_queue.c.document_id).where(review_queue.c.job_id == job_id)
    return list(conn.scalars(query.order_by(review_queue.c.place)))


def replace_queue(conn: Connection, job_id: str, documents: Sequence[int]) -> None:
    """These take the place of those that were chosen before."""
    # two who choose at once wait for each other
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    conn.execute(delete(review_queue).where(review_queue.c.job_id == job_id))
    if documents:
        rows = [
            {"job_id": job_id, "place": place, "document_id": number}
            for place, number in enumerate(documents, start=1)
        ]
        conn.execute(insert(review_queue), rows)
