"""Changing a job that has begun: what is done stays, what was not asked yet is asked anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from ruie.db.item_states import NOT_SENT, OPEN, PENDING, RETRY
from ruie.db.jobs import Job, get_job, question_of
from ruie.db.models import ITEM_STATES, jobs, work_items
from ruie.db.types import utcnow
from ruie.errors import DatabaseError
from ruie.lengths import LONGEST_MODEL_BYTES, check_length
from ruie.modes import Fallback, in_mode, mode_of


@dataclass(frozen=True, slots=True)
class JobChange:
    """What a job is to have; None: what it has. parameters: all of them, in place of its own.
    Raises `UsageError` where a name is too long."""

    name: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    stop: Sequence[str] | None = None
    parameters: Mapping[str, Any] | None = None
    priority: int | None = None
    fallback: Fallback | None = None

    def __post_init__(self) -> None:
        check_length("name of the job", self.name)
        check_length("name of the model", self.model, LONGEST_MODEL_BYTES)


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job after a change. changed: by name what it had before and what it has now, only of what
    is different.

    waiting: items that no worker holds. leased: those that workers hold; their calls are made as
    before the change. submitted: those in a batch at the provider, or waiting for one. own_model:
    of the first two, those that `ruie retry --model` gave a model of their own, which they keep.
    """

    job: Job
    changed: dict[str, tuple[Any, Any]]
    waiting: int
    leased: int
    done: int
    quarantined: int
    own_model: int
    submitted: int = 0


def change_job(conn: Connection, job_id: str, change: JobChange) -> ChangedJob:
    """Change a job. Items that wait are as if they were new, and sent again with the new settings.

    Raises DatabaseError where there is no such job, where it is cancelled, or where nothing of it
    remains to be asked in another way.
    """
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    old = get_job(conn, job_id)
    new = _changed(old, change)
    before, after = _values(old), _values(new)
    differing = {name: (was, after[name]) for name, was in before.items() if was != after[name]}
    asks_anew = question_of(old) != question_of(new)
    _check(old, differing, _counts(conn, job_id))
    if differing.keys() - {"name"}:
        # Also those that were sent: so none is leased between here and the counts below.
        _send_again(conn, job_id, as_new=asks_anew)
    counts = _counts(conn, job_id)
    question = old.question
    if asks_anew:
        question = question_of(new)
        if any(counts[state] for state in ("done", "leased", "submitted", "quarantined")):
            question = _mixed(old, question)
    if differing:
        conn.execute(
            update(jobs)
            .where(jobs.c.id == job_id)
            .values(
                name=new.name,
                model=new.model,
                settings=new.settings.body(),
                priority=new.priority,
                question=question,
            )
        )
    own = [work_items.c.job_id == job_id, work_items.c.model.is_not(None)]
    open_ = work_items.c.state.in_(OPEN)
    return ChangedJob(
        job=replace(new, question=question),
        changed=differing,
        waiting=counts["pending"] + counts["retry"],
        leased=counts["leased"],
        submitted=counts["submitted"],
        done=counts["done"],
        quarantined=counts["quarantined"],
        own_model=conn.execute(
            select(func.count()).select_from(work_items).where(*own, open_)
        ).scalar_one(),
    )


def _changed(job: Job, change: JobChange) -> Job:
    given = {name: getattr(change, name) for name in ("name", "model", "priority")}
    shaping: dict[str, Any] = {
        "max_tokens": change.max_tokens,
        "stop": None if change.stop is None else tuple(change.stop),
        "parameters": change.parameters,
    }
    decoding = replace(job.settings.decoding, **_given(shaping))
    settings = replace(job.settings, decoding=decoding)
    if change.fallback is not None:
        settings = replace(settings, falls_back=change.fallback == "standard")
    return replace(job, **_given(given), settings=settings)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _values(job: Job) -> dict[str, Any]:
    """What can be changed, by the names of `JobChange`."""
    decoding = job.settings.decoding
    return {
        "name": job.name,
        "model": job.model,
        "max_tokens": decoding.max_tokens,
        "stop": list(decoding.stop),
        "parameters": in_mode(decoding.parameters, "standard"),
        "mode": mode_of(decoding.parameters),
        "priority": job.priority,
        "fallback": "standard" if job.settings.falls_back else "none",
    }


def _check(job: Job, differing: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    if job.state == "cancelled":
        raise DatabaseError(
            f"The job {job.id} is cancelled and cannot be changed.",
            "Enqueue the documents again; answers that are stored are not paid for twice.",
        )
    if job.state == "done" and differing.keys() - {"name"} and not counts["quarantined"]:
        raise DatabaseError(
            f"The job {job.id} is done: nothing of it remains to be asked.",
            "Enqueue the documents again with the other settings.",
        )


def _counts(conn: Connection, job_id: str) -> dict[str, int]:
    counts = dict.fromkeys(ITEM_STATES, 0)
    query = select(work_items.c.state, func.count()).where(work_items.c.job_id == job_id)
    return counts | {row[0]: row[1] for row in conn.execute(query.group_by(work_items.c.state))}


def _send_again(conn: Connection, job_id: str, *, as_new: bool) -> None:
    """Withdraw the messages of items that no worker holds: the coordinator sends them again.
    as_new: with no attempt used, and without what was adapted to the former settings."""
    adapted = (work_items.c.max_tokens, work_items.c.demonstrations)
    values: dict[str, Any] = {"updated_at": utcnow(), **NOT_SENT}
    touched: list[ColumnElement[bool]] = [work_items.c.batch.is_not(None)]
    if as_new:
        values |= {"attempts": 0, **{column.name: None for column in adapted}}
        touched += [work_items.c.attempts > 0, *(column.is_not(None) for column in adapted)]
    for state in (PENDING, RETRY):
        conn.execute(
            update(work_items)
            .where(work_items.c.job_id == job_id, work_items.c.state == state, or_(*touched))
            .values(**values)
        )


def _mixed(job: Job, question: str) -> str:
    """The question of a job that has answers to a former one: no other job has the same, so none
    takes the documents for answered in its own way (db/corpora.py). What is stored is reused."""
    parts = [job.id, job.question, question]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
