"""Reviews: the newest of each document and schema is in force, the older ones are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ruie.db.models import documents, jobs, origins, reviews, schemas
from ruie.db.review_records import place, withdraw
from ruie.db.types import utcnow


@dataclass(frozen=True, slots=True)
class NewReview:
    """body: a row in the layout of the gold data. tasks: those that were reviewed."""

    document_id: int
    tasks: Sequence[str]
    body: Mapping[str, Any]
    reviewer: str | None
    source: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class Review:
    """A review as it is stored, with the schema that it was made under."""

    id: int
    document_id: int
    job_id: str
    schema_digest: str
    schema_name: str
    schema_body: dict[str, Any]
    tasks: list[str]
    body: dict[str, Any]
    reviewer: str | None
    created_at: datetime


def find_document(
    conn: Connection, job: str, external_id: str, document: int | None = None
) -> tuple[int, str] | None:
    """The id and digest of a document of the job, by its id or by its external id in the job."""
    wanted = documents.c.id == document if document else origins.c.external_id == external_id
    row = conn.execute(
        select(documents.c.id, documents.c.digest)
        .join(origins, origins.c.document_id == documents.c.id)
        .where(origins.c.job_id == job, wanted)
        .limit(1)
    ).first()
    return (row.id, row.digest) if row else None


def save_review(conn: Connection, job: str, schema_digest: str, review: NewReview) -> bool:
    """Put a review in force, and its records in the place of the model's (db/review_records.py).
    False, and nothing changes, if the one in force is equal. `lock` comes before, `add_names` of
    `names_in` after the last of them."""
    body = json.dumps(review.body, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    here = (
        reviews.c.document_id == review.document_id,
        reviews.c.schema_digest == schema_digest,
        reviews.c.replaced_at.is_(None),
    )
    query = select(reviews.c.id, reviews.c.digest).where(*here).with_for_update()
    former = conn.execute(query).first()
    if former and former.digest == digest:
        return False
    conn.execute(update(reviews).where(*here).values(replaced_at=utcnow()))
    if former:
        withdraw(conn, [former.id])
    added = conn.execute(
        insert(reviews)
        .values(
            document_id=review.document_id,
            schema_digest=schema_digest,
            job_id=job,
            digest=digest,
            tasks=list(review.tasks),
            body=dict(review.body),
            reviewer=review.reviewer,
            source=review.source,
            line=review.line,
        )
        .returning(reviews.c.id)
    )
    place(conn, added.scalar_one())
    return True


def current_reviews(
    conn: Connection, job: str | None = None, document: int | None = None
) -> Iterator[Review]:
    """The reviews in force, by document. job: those of its documents under its schema, whichever
    job's export was corrected. document: of this one alone."""
    wanted = (
        select(reviews, schemas.c.name.label("schema_name"), schemas.c.body.label("schema_body"))
        .join(schemas, schemas.c.digest == reviews.c.schema_digest)
        .where(reviews.c.replaced_at.is_(None))
        .order_by(reviews.c.document_id, reviews.c.id)
    )
    if job is not None:
        own = select(origins.c.document_id).where(origins.c.job_id == job)
        if document is not None:  # by the index, not through all of the job
            own = own.where(origins.c.document_id == document)
        digest = select(jobs.c.schema_digest).where(jobs.c.id == job).scalar_subquery()
        wanted = wanted.where(reviews.c.document_id.in_(own), reviews.c.schema_digest == digest)
    if document is not None:
        wanted = wanted.where(reviews.c.document_id == document)
    for row in conn.execute(wanted):
        yield Review(
            row.id,
            row.document_id,
            row.job_id,
            row.schema_digest,
            row.schema_name,
            row.schema_body,
            row.tasks,
            row.body,
            row.reviewer,
            row.created_at,
        )
