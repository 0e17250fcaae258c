"""How far the reviewing of a job is: which documents are reviewed, and how far the model and people
agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, column, func, select, table

from ruie.db.jobs import Job
from ruie.db.models import documents, jobs, origins, reviews
from ruie.records import Task
from ruie.scoring import Score


def reviewed_documents(conn: Connection, job: str | None = None) -> dict[str, int]:
    """How many documents of each job have a review in force under its schema; jobs without any are
    left out. job: only this one."""
    query = (
        select(origins.c.job_id, func.count(reviews.c.document_id.distinct()))
        .join(jobs, jobs.c.id == origins.c.job_id)
        .join(
            reviews,
            and_(
                reviews.c.document_id == origins.c.document_id,
                reviews.c.schema_digest == jobs.c.schema_digest,
            ),
        )
        .where(reviews.c.replaced_at.is_(None))
        .group_by(origins.c.job_id)
    )
    if job is not None:
        query = query.where(origins.c.job_id == job)
    return {row[0]: row[1] for row in conn.execute(query)}


def document_count(conn: Connection, job: str) -> int:
    """How many documents a job has."""
    query = select(func.count()).select_from(origins).where(origins.c.job_id == job)
    return conn.scalar(query) or 0


def document_counts(conn: Connection, listed: Sequence[str]) -> dict[str, int]:
    """How many documents each of these jobs has; jobs without any are left out."""
    query = select(origins.c.job_id, func.count()).where(origins.c.job_id.in_(listed))
    return {row[0]: row[1] for row in conn.execute(query.group_by(origins.c.job_id))}


@dataclass(frozen=True, slots=True)
class TypeAgreement:
    """How far the model and people agree about a type: records that both have, as counts of a
    `Score` whose gold is people's."""

    task: Task
    type: str
    score: Score

    @property
    def agreement(self) -> float:
        """The share that both have of all that either has; 0 where neither has any."""
        either = self.score.gold + self.score.predicted - self.score.matched
        return self.score.matched / either if either else 0.0


def agreement(conn: Connection, job: str) -> list[TypeAgreement]:
    """Of each task and type of a job's reviewed documents, by task, then type; the type of an
    argument is `event type/role`."""
    view = table(
        "review_agreement",
        *map(column, ("job_id", "task", "type", "matched", "missing", "spurious")),
    )
    found: dict[tuple[str, str], Score] = {}
    for row in conn.execute(select(view).where(view.c.job_id == job)):
        score = Score(row.matched + row.missing, row.matched + row.spurious, row.matched)
        key = (row.task, row.type)
        found[key] = found.get(key, Score()) + score
    tasks = list(Task)
    rows = [TypeAgreement(Task(task), type_, score) for (task, type_), score in found.items()]
    return sorted(rows, key=lambda one: (tasks.index(one.task), one.type))


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document in a list of those to review. reviewed: whether a review of it is in force."""

    id: int
    external_id: str
    beginning: str
    reviewed: bool


def listed(conn: Connection, job: Job, numbers: Sequence[int], chars: int) -> list[ListedDocument]:
    """Documents of a job by their ids, in this order, with so many characters of each; those that
    were forgotten are left out."""
    query = (
        select(
            documents.c.id,
            func.min(origins.c.external_id),
            func.substr(documents.c.text, 1, chars),
            func.count(reviews.c.id),
        )
        .join(origins, origins.c.document_id == documents.c.id)
        .outerjoin(
            reviews,
            and_(
                reviews.c.document_id == documents.c.id,
                reviews.c.schema_digest == job.schema_digest,
                reviews.c.replaced_at.is_(None),
            ),
        )
        .where(
            origins.c.job_id == job.id,
            documents.c.id.in_(numbers),
            documents.c.forgotten_at.is_(None),
        )
        .group_by(documents.c.id, documents.c.text)
    )
    found = {
        row[0]: ListedDocument(row[0], row[1], row[2], row[3] > 0) for row in conn.execute(query)
    }
    return [found[number] for number in numbers if number in found]
