"""A document as the editor of reviews gets it and gives it back: JSON, offsets in characters."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Engine, make_url

from ruie.db import reviews
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.db.record_order import documents_in_source_order
from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.errors import DatabaseError, UsageError
from ruie.marked_html import hue, ordered
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.web.shown import moment

LONGEST_NAME = 200
"""Characters of a reviewer's name."""


def read(engine: Engine, job: Job, number: int) -> DocumentRecords:
    """A document of the job by its id. Raises `DatabaseError` where there is none, or nothing is
    left of it."""
    found = documents_in_source_order(engine, job.id, limit=1, document=number)
    document = next(found, None)
    if document is None or not document.text:
        raise DatabaseError(
            f"{job.id} has no document {number}, or it was forgotten.", "Choose another one."
        )
    return document


def current_review(engine: Engine, job: Job, number: int) -> reviews.Review | None:
    """The review of a document that is in force."""
    with reading(engine) as conn:
        return next(reviews.current_reviews(conn, job.id, number), None)


def as_json(document: DocumentRecords, job: Job, review: reviews.Review | None) -> dict[str, Any]:
    """What the editor begins with. tasks: which are taken as reviewed, at first those that have an
    answer; None: not until a person says or adds something. unanswered: why the others have none.
    records: those that have a place in the text; lost: the words of the others."""
    schema = Schema.from_body(job.schema_body)
    without = unanswered(document, job)
    done = set(review.tasks) if review else {str(task) for task in schema.tasks} - set(without)
    return {
        "text": document.text,
        "digest": document.digest,
        "schema": types(schema),
        "tasks": {
            str(task): None if task in without and task not in done else task in done
            for task in schema.tasks
        },
        "unanswered": without,
        "review": _about(review) if review else None,
        "records": _records(document),
        "lost": lost(document),
    }


def unanswered(document: DocumentRecords, job: Job) -> dict[str, str]:
    """The tasks that the model did not answer, or not wholly, each with why."""
    given_up = {Task.ED if one.task is Task.EAE else one.task for one in document.given_up}
    otherwise = "the job was cancelled" if job.state == "cancelled" else "not answered yet"
    return {
        str(task): "given up" if task in given_up else otherwise
        for task in Schema.from_body(job.schema_body).tasks
        if task not in document.answered
    }


def conflict(review: reviews.Review) -> dict[str, Any]:
    """A review that somebody else saved meanwhile."""
    body = review.body
    person = {"source": "person"}
    return {
        "review": _about(review),
        "records": {
            key: [{**one, **person} for one in body.get(key, ())]
            for key in ("entities", "relations", "events")
        },
    }


def types(schema: Schema) -> dict[str, list[dict[str, Any]]]:
    """The schema's types in their order, with the hues of an exported page."""

    def listed(kind: str, task: Task) -> list[dict[str, Any]]:
        labels = schema.labels(task)
        places = {name: place for place, name in enumerate(ordered(labels))}
        return [
            {"name": name, "description": words, "hue": hue(kind, places[name], len(labels))}
            for name, words in labels.items()
        ]

    events = listed("event", Task.ED)
    for event in events:
        roles = schema.labels(Task.EAE, event["name"])
        event["roles"] = [{"name": role, "description": words} for role, words in roles.items()]
    return {
        "entities": listed("entity", Task.NER),
        "relations": listed("relation", Task.RE),
        "events": events,
    }


def reviewer_name(given: object) -> str | None:
    """The reviewer's name as it is stored. Raises `UsageError`."""
    name = " ".join(given.split()) if isinstance(given, str) else ""
    if len(name) > LONGEST_NAME or "\0" in name:
        raise UsageError(f"A name has at most {LONGEST_NAME} characters.", "Shorten it.")
    return name or None


def database_name(url: str) -> str:
    """What tells this database from others in the browser, without where it is."""
    parsed = make_url(url)
    place = f"{parsed.drivername} {parsed.host} {parsed.port} {parsed.database}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def lost(document: DocumentRecords) -> list[str]:
    """The records of the model that are nowhere in the text, in words."""
    said = [f"{e.type}: {e.span.text}" for e in document.entities if not _located(e.span)]
    said += [
        f"{r.type}: {r.head.text} → {r.tail.text}"
        for r in document.relations
        if not _located(r.head, r.tail)
    ]
    for event in document.events:
        if not _located(event.trigger):
            said.append(f"{event.type}: {event.trigger.text}")
        said += [
            f"{event.type}, {a.role}: {a.span.text}"
            for a in event.arguments
            if not _located(a.span)
        ]
    return said


def _about(review: reviews.Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "reviewer": review.reviewer,
        "created_at": f"{moment(review.created_at)} UTC",
        "tasks": review.tasks,
    }


def _records(document: DocumentRecords) -> dict[str, list[dict[str, Any]]]:
    return {
        "entities": [
            {"type": e.type, **_span(e.span), "source": e.source}
            for e in document.entities
            if _located(e.span)
        ],
        "relations": [
            {"type": r.type, "head": _span(r.head), "tail": _span(r.tail), "source": r.source}
            for r in document.relations
            if _located(r.head, r.tail)
        ],
        "events": [
            {
                "type": v.type,
                "trigger": _span(v.trigger),
                "arguments": [
                    {"role": a.role, **_span(a.span)} for a in v.arguments if _located(a.span)
                ],
                "source": v.source,
            }
            for v in document.events
            if _located(v.trigger)
        ],
    }


def _located(*spans: SpanRecord) -> bool:
    return all(span.start is not None for span in spans)


def _span(span: SpanRecord) -> dict[str, Any]:
    return {"start": span.start, "end": span.end}
