"""Importing corrected rows as reviews, and scoring a job's records against them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ruie.db import reviews
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.db.record_pages import DocumentRecords, SpanRecord, document_records
from ruie.errors import AnnotationError
from ruie.formats.detection import Format
from ruie.formats.files import lines
from ruie.formats.jsonl import to_line
from ruie.formats.reading import collect
from ruie.formats.row import AnnotatedRow, Problem
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema
from ruie.scoring import Score, score_offsets


@dataclass(frozen=True, slots=True)
class Imported:
    """The numbers of new reviews and of those stored before, and what was wrong."""

    stored: int
    unchanged: int
    problems: tuple[Problem, ...]


def import_reviews(engine: Engine, job: Job, path: Path, reviewer: str | None) -> Imported:
    """Store the rows of a corrected export, in one transaction. A row that is wrong (offsets,
    types, a text that is not the document's) is not stored, but a problem with file and line.
    Raises `AnnotationError` for a file that cannot be read or has no row."""
    schema = Schema.from_body(job.schema_body)
    read = collect(path, Format.JSONL).against(schema)
    if not read.rows and not read.problems:
        raise AnnotationError(f"{path} is empty: it has no annotated row.", "Export a job first.")
    documents = _documents(path)
    problems = list(read.problems)
    stored = unchanged = 0
    with engine.begin() as conn:
        for row in read.rows:
            line = row.place.line if row.place else None
            external_id, document_id = documents.get(line or 0, (row.id, None))
            document = reviews.find_document(conn, job.id, external_id, document_id)
            if mismatch := _mismatch(document, row, job):
                assert row.place is not None  # rows that are read have one
                problems.append(Problem(row.place, *mismatch))
                continue
            assert document is not None
            tasks = [task for task in row.gold if task in schema.tasks]
            gold = AnnotatedRow(
                row.id, row.text, {task: row.gold[task] for task in tasks},
                row.arguments if Task.ED in tasks else (),
            )  # fmt: skip  # only the tasks of the schema
            body = json.loads(to_line(gold))
            new = reviews.NewReview(document[0], tasks, body, reviewer, str(path), line)
            if reviews.save_review(conn, job.id, job.schema_digest, new):
                stored += 1
            else:
                unchanged += 1
    problems.sort(key=lambda problem: problem.place.line or 0)
    return Imported(stored, unchanged, tuple(problems))


def _mismatch(
    document: tuple[int, str] | None, row: AnnotatedRow, job: Job
) -> tuple[str, str] | None:
    """What is wrong and how to fix it. document: its id and the digest of its text."""
    if document is None:
        return f"the job {job.id} has no document '{row.id}'", "Name the job that was exported."
    if document[1] != text_digest(row.text):
        message = f"the text is not that of the document '{row.id}'"
        return message, "Correct only annotations; a changed text is another document."
    if not set(row.gold) & set(Schema.from_body(job.schema_body).tasks):
        return "the row has no task of the job's schema", "Keep the keys that were exported."
    return None


def text_digest(text: str) -> str:
    """The digest in the table `documents`."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _documents(path: Path) -> dict[int, tuple[str, int | None]]:
    """The external id and id of the document in each line's provenance, by line."""
    documents: dict[int, tuple[str, int | None]] = {}
    for number, line in lines(path):
        if isinstance(line, Problem) or not line.strip():
            continue
        try:
            provenance: Any = json.loads(line)["provenance"]
            documents[number] = (str(provenance["external_id"]), int(provenance["document"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a row without provenance is identified by its id
    return documents


def score(engine: Engine, job: Job) -> tuple[dict[Task, Score], int]:
    """Scores of the job's records against its reviews, by task and exact offsets, and the number of
    documents compared. Tasks that were not reviewed, or not answered completely, do not count."""
    totals: dict[Task, Score] = {}
    compared = 0
    with reading(engine) as conn:
        current = list(reviews.current_reviews(conn, job.id))
    for review in current:
        for document in document_records(engine, job.id, document=review.document_id):
            predicted = _predicted(document)
            gold = _gold(review.body)
            tasks = {Task(t) for t in review.tasks} & document.answered
            compared += bool(tasks)
            if Task.ED in tasks:
                tasks = tasks | {Task.EAE}
            for task in tasks:
                scored = score_offsets(gold.get(task, ()), predicted.get(task, ()))
                totals[task] = totals.get(task, Score()) + scored
    return {task: totals[task] for task in Task if task in totals}, compared


def _predicted(document: DocumentRecords) -> dict[Task, list[Item]]:
    def span(record: SpanRecord) -> Span:
        start, end = (-1, -1) if record.start is None else (record.start, record.end or 0)
        return Span(record.text, start, end, Grounding(record.grounding))

    return {
        Task.NER: [Item(e.type, (span(e.span),)) for e in document.entities],
        Task.RE: [Item(r.type, (span(r.head), span(r.tail))) for r in document.relations],
        Task.ED: [Item(v.type, (span(v.trigger),)) for v in document.events],
        # an argument is right only with its event
        Task.EAE: [
            Item(f"{v.type}/{a.role}", (span(v.trigger), span(a.span)))
            for v in document.events
            for a in v.arguments
        ],
    }


def _gold(body: dict[str, Any]) -> dict[Task, list[Item]]:
    def spans(*raw: dict[str, Any]) -> tuple[Span, ...]:
        return tuple(Span(r["text"], r["start"], r["end"], Grounding.EXACT) for r in raw)

    events: Iterable[dict[str, Any]] = body.get("events", [])
    return {
        Task.NER: [Item(e["type"], spans(e)) for e in body.get("entities", [])],
        Task.RE: [Item(r["type"], spans(r["head"], r["tail"])) for r in body.get("relations", [])],
        Task.ED: [Item(v["type"], spans(v["trigger"])) for v in events],
        Task.EAE: [
            Item(f"{v['type']}/{a['role']}", spans(v["trigger"], a))
            for v in events
            for a in v["arguments"]
        ],
    }
