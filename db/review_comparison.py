"""What of a job its reviews can be compared with: which reviewed tasks it has ended, and an earlier
job about the same documents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, column, func, or_, select, table, text

from ruie.db.jobs import Job, get_job
from ruie.db.models import jobs, origins, reviews
from ruie.records import Task
from ruie.scoring import Score

CANDIDATES = 5
"""Earlier jobs that are looked at, the newest first: one of them that has ended a reviewed task."""


@dataclass(frozen=True, slots=True)
class ReviewStanding:
    """A review in force of a job's document. ended: of its tasks, those of which every item is
    answered or was given up, ED with those of the arguments. given_up: of these, those of which an
    item was. unanswered: its other tasks, which cannot be compared."""

    id: int
    ended: frozenset[Task]
    given_up: frozenset[Task]
    unanswered: frozenset[Task]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many reviewed documents a job's scores are of. given_up: of these, documents of which an
    item was given up, which found nothing. unanswered: those of which a task is left out, as the
    job has not ended it."""

    documents: int
    given_up: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of two jobs over the same reviewed tasks of the same documents, by task: earlier,
    later."""

    earlier: Job
    documents: int
    tasks: dict[Task, tuple[Score, Score]]


# In two halves, each of which has an index by job and chunk; one query would read the whole job.
_STATES = text(
    " UNION ALL ".join(
        "SELECT r.id AS review, w.task AS task, COUNT(*) AS items,"
        " COUNT(CASE WHEN w.state = 'done' THEN 1 END) AS done,"
        " COUNT(CASE WHEN w.state = 'quarantined' THEN 1 END) AS given_up"
        " FROM jobs j JOIN origins o ON o.job_id = j.id"
        " JOIN reviews r ON r.document_id = o.document_id AND r.schema_digest = j.schema_digest"
        " AND r.replaced_at IS NULL"
        " JOIN chunks c ON c.document_id = r.document_id"
        f" JOIN work_items w ON w.chunk_id = c.id AND w.job_id = j.id AND w.event_id {half}"
        " WHERE j.id = :job GROUP BY r.id, w.task"
        for half in ("IS NULL", "IS NOT NULL")
    )
)


def standings(conn: Connection, job: Job) -> list[ReviewStanding]:
    """Of each review in force of the job's documents, whichever job's export was corrected."""
    states: dict[int, dict[Task, tuple[bool, bool]]] = {}
    for row in conn.execute(_STATES, {"job": job.id}):
        ended = row.items == row.done + row.given_up
        states.setdefault(row.review, {})[Task(row.task)] = (ended, row.given_up > 0)
    own = select(origins.c.document_id).where(origins.c.job_id == job.id)
    listed = select(reviews.c.id, reviews.c.tasks).where(
        reviews.c.document_id.in_(own),
        reviews.c.schema_digest == job.schema_digest,
        reviews.c.replaced_at.is_(None),
    )
    return [
        _standing(row.id, frozenset(map(Task, row.tasks)), states.get(row.id, {}))
        for row in conn.execute(listed.order_by(reviews.c.id))
    ]


def _standing(
    review: int, tasks: frozenset[Task], states: dict[Task, tuple[bool, bool]]
) -> ReviewStanding:
    """states: of each task that has items, whether all have ended, and whether one was given up."""
    no_arguments = (True, False)
    ended, given_up = set(), set()
    for task in tasks & set(states):
        parts = [states[task]]
        if task is Task.ED:
            parts.append(states.get(Task.EAE, no_arguments))
        if all(is_ended for is_ended, _ in parts):
            ended.add(task)
            if any(is_given_up for _, is_given_up in parts):
                given_up.add(task)
    return ReviewStanding(review, frozenset(ended), frozenset(given_up), tasks - ended)


def coverage(of: Iterable[ReviewStanding]) -> Coverage:
    """In numbers of documents, of which each has one review in force."""
    listed = list(of)
    return Coverage(
        sum(bool(each.ended) for each in listed),
        sum(bool(each.given_up) for each in listed),
        sum(bool(each.unanswered) for each in listed),
    )


def compare(conn: Connection, job: Job) -> Comparison | None:
    """With the newest job before it that has ended the same tasks of reviewed documents, as before
    and after `ruie learn`. None where there is no such job."""
    now = _ended(conn, job)
    if not now:
        return None
    for earlier in _earlier(conn, job):
        both = now & _ended(conn, earlier)
        if both:
            before, after = (_scores(conn, each.id, both) for each in (earlier, job))
            tasks = {
                task: (before.get(task, Score()), after.get(task, Score()))
                for task in Task
                if task in before or task in after
            }
            return Comparison(earlier, len({review for review, _ in both}), tasks)
    return None


def _ended(conn: Connection, job: Job) -> set[tuple[int, Task]]:
    return {(each.id, task) for each in standings(conn, job) for task in each.ended}


def _earlier(conn: Connection, job: Job) -> list[Job]:
    """Jobs under the job's schema that have one of its reviewed documents, the newest first."""
    before = or_(
        jobs.c.created_at < job.created_at,
        and_(jobs.c.created_at == job.created_at, jobs.c.id < job.id),
    )
    shared = (
        select(origins.c.job_id)
        .join(
            reviews,
            and_(
                reviews.c.document_id == origins.c.document_id,
                reviews.c.schema_digest == job.schema_digest,
                reviews.c.replaced_at.is_(None),
            ),
        )
        .where(
            origins.c.document_id.in_(
                select(origins.c.document_id).where(origins.c.job_id == job.id)
            )
        )
    )
    found = (
        select(jobs.c.id)
        .where(jobs.c.schema_digest == job.schema_digest, before, jobs.c.id.in_(shared))
        .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        .limit(CANDIDATES)
    )
    return [get_job(conn, id_) for id_ in conn.scalars(found).all()]


def _scores(conn: Connection, job_id: str, counted: set[tuple[int, Task]]) -> dict[Task, Score]:
    """By task, over these tasks of reviews; arguments with their events."""
    view = table(
        "review_agreement",
        *map(column, ("job_id", "review_id", "task", "matched", "missing", "spurious")),
    )
    sums = (
        select(
            view.c.review_id,
            view.c.task,
            *(func.sum(view.c[name]).label(name) for name in ("matched", "missing", "spurious")),
        )
        .where(view.c.job_id == job_id)
        .group_by(view.c.review_id, view.c.task)
    )
    scores: dict[Task, Score] = {}
    for row in conn.execute(sums):
        task = Task(row.task)
        if (row.review_id, Task.ED if task is Task.EAE else task) in counted:
            matched, missing, spurious = map(int, (row.matched, row.missing, row.spurious))
            score = Score(matched + missing, matched + spurious, matched)
            scores[task] = scores.get(task, Score()) + score
    return scores
