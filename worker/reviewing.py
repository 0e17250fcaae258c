"""Importing corrected rows as reviews, and scoring what the model found against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ruie.db import reviews
from ruie.db.canonical import add_names
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.db.record_pages import DocumentRecords, SpanRecord, document_records
from ruie.db.review_comparison import Coverage, coverage, standings
from ruie.db.review_records import gold_items, lock, names_in
from ruie.db.sql import pieces
from ruie.errors import AnnotationError
from ruie.formats.detection import Format
from ruie.formats.files import lines
from ruie.formats.jsonl import KEYS, from_body, to_line
from ruie.formats.reading import FormatOptions, Reading, collect
from ruie.formats.row import AnnotatedRow, Problem, RowError
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema
from ruie.scoring import Score, score_offsets

PAGE = "ruie web"
"""The source of reviews that were made on the page."""

ROWS_AT_ONCE = 100
"""Rows that are stored in a transaction: workers wait for it with what they have of them."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The numbers of new reviews and of those stored before, what was wrong, and the number of
    exported rows that nobody has annotated."""

    stored: int
    unchanged: int
    problems: tuple[Problem, ...]
    blank: int = 0


def import_reviews(engine: Engine, job: Job, path: Path, reviewer: str | None) -> Imported:
    """Store the rows of a corrected export, some at a time; what is stored stays, and the same file
    imported again goes on there. A row that is wrong (offsets, types, a text that is not the
    document's) is not stored, but a problem with file and line; one that nobody has annotated is
    neither. Raises `AnnotationError` for a file that cannot be read or has no row."""
    schema = Schema.from_body(job.schema_body)
    read = collect(path, Format.JSONL, FormatOptions(nulls=True)).against(schema)
    if not read.rows and not read.problems:
        raise AnnotationError(f"{path} is empty: it has no annotated row.", "Export a job first.")
    known, blank = _documents(path)
    problems = [problem for problem in read.problems if problem.place.line not in blank]
    counts = [0, 0]
    for rows in pieces(read.rows, ROWS_AT_ONCE):
        names: list[str] = []
        with engine.begin() as conn:
            lock(conn, job.schema_digest)
            for row in rows:
                line = row.place.line if row.place else None
                external_id, document_id = known.get(line or 0, (row.id, None))
                document = reviews.find_document(conn, job.id, external_id, document_id)
                if mismatch := _mismatch(document, row, job):
                    assert row.place is not None  # rows that are read have one
                    problems.append(Problem(row.place, *mismatch))
                    continue
                assert document is not None
                review = _review(row, document[0], schema, reviewer, path)
                new = reviews.save_review(conn, job.id, job.schema_digest, review)
                counts[not new] += 1
                names += names_in(review.body) if new else ()
            add_names(conn, names)
    problems.sort(key=lambda problem: problem.place.line or 0)
    return Imported(counts[0], counts[1], tuple(problems), len(blank))


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Nothing was stored: somebody else's review came into force meanwhile."""

    review: reviews.Review


def store_review(
    engine: Engine,
    job: Job,
    document: DocumentRecords,
    records: Mapping[str, Any],
    reviewer: str | None,
    began_from: int | None,
) -> reviews.Review | Overtaken:
    """Store one document's review as `import_reviews` does; returns the review in force then.

    records: lists under the keys of docs/data.md, of the tasks that were reviewed. began_from: the
    id of the review that it began from, None where there was none; if another one is in force by
    now, nothing is stored, unless both say the same. Raises `AnnotationError`, which says what is
    wrong with the records.
    """
    schema = Schema.from_body(job.schema_body)
    row = _checked_row(document, records, schema)
    with engine.begin() as conn:
        lock(conn, job.schema_digest)
        known = reviews.find_document(conn, job.id, document.external_id, document.id)
        if mismatch := _mismatch(known, row, job):
            raise AnnotationError(f"The review was refused: {mismatch[0]}.", mismatch[1])
        new = _review(row, document.id, schema, reviewer, PAGE)
        current = next(reviews.current_reviews(conn, job.id, document.id), None)
        other = current is not None and current.id != began_from
        if current is not None and other and current.body != new.body:
            return Overtaken(current)
        if reviews.save_review(conn, job.id, job.schema_digest, new):
            add_names(conn, names_in(new.body))
        return next(reviews.current_reviews(conn, job.id, document.id))


def _checked_row(
    document: DocumentRecords, records: Mapping[str, Any], schema: Schema
) -> AnnotatedRow:
    """The row that these records make of the document. Raises `AnnotationError`."""
    given = {key: records[key] for key in KEYS.values() if records.get(key) is not None}
    try:
        row = from_body({"id": document.external_id, "text": document.text, **given})
    except RowError as error:
        raise AnnotationError(f"The review was refused: {error.what}.", error.hint) from None
    read = Reading(Path(PAGE), Format.JSONL, (row,), ()).against(schema)
    for problem in read.problems:
        raise AnnotationError(f"The review was refused: {problem.what}.", problem.hint)
    return row


def _review(
    row: AnnotatedRow, document: int, schema: Schema, reviewer: str | None, source: Path | str
) -> reviews.NewReview:
    """What the row says of the tasks of the schema."""
    tasks = [task for task in row.gold if task in schema.tasks]
    gold = AnnotatedRow(
        row.id, row.text, {task: row.gold[task] for task in tasks},
        row.arguments if Task.ED in tasks else (),
    )  # fmt: skip  # only the tasks of the schema
    line = row.place.line if row.place else None
    return reviews.NewReview(
        document, tasks, json.loads(to_line(gold)), reviewer, str(source), line
    )


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


def _documents(path: Path) -> tuple[dict[int, tuple[str, int | None]], set[int]]:
    """The external id and id of the document in each line's provenance, by line; and the lines of
    exported documents in which nothing is annotated."""
    documents: dict[int, tuple[str, int | None]] = {}
    blank: set[int] = set()
    for number, line in lines(path):
        if isinstance(line, Problem) or not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            provenance = row["provenance"]
            documents[number] = (str(provenance["external_id"]), int(provenance["document"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a row without provenance is identified by its id
        if all(row.get(key) is None for key in KEYS.values()):
            blank.add(number)
    return documents, blank


@dataclass(frozen=True, slots=True)
class ReviewScores:
    """By task, and of how many documents they are."""

    tasks: dict[Task, Score]
    coverage: Coverage


def score(engine: Engine, job: Job) -> ReviewScores:
    """What the job's model found against its reviews, by task and exact offsets. Of a task that was
    given up nothing was found, as in `ruie evaluate`; one that was not reviewed, or that the job
    has not ended, does not count."""
    totals: dict[Task, Score] = {}
    with reading(engine) as conn:
        current = list(reviews.current_reviews(conn, job.id))
        known = standings(conn, job)
    ended = {each.id: each.ended for each in known}
    for review in current:
        for document in document_records(
            engine, job.id, document=review.document_id, of_model=True
        ):
            predicted = _predicted(document)
            gold = gold_items(review.body)
            tasks = ended.get(review.id, frozenset())
            if Task.ED in tasks:
                tasks = tasks | {Task.EAE}
            for task in tasks:
                scored = score_offsets(gold.get(task, ()), predicted.get(task, ()))
                totals[task] = totals.get(task, Score()) + scored
    return ReviewScores({task: totals[task] for task in Task if task in totals}, coverage(known))


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
