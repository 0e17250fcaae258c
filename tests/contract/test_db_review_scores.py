"""Scores of a job against the reviews of its documents: what counts, and what was before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.job_database import SCHEMA, JobDatabase

from ruie.db import jobs, reviews
from ruie.db.engine import reading
from ruie.db.lease import quarantine_item
from ruie.db.quarantine import retry_quarantined
from ruie.db.review_comparison import Comparison, Coverage, compare
from ruie.errors import OutputError
from ruie.records import Item, Task
from ruie.schema import Schema
from ruie.scoring import Score
from ruie.worker.reviewing import ReviewScores, score

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."
FULL: dict[str, Any] = {**SCHEMA, "relations": {"moved_by": ""}}
DIGEST = Schema.from_body(FULL).digest
AGREED = (
    "SELECT task, SUM(matched), SUM(missing), SUM(spurious) FROM review_agreement GROUP BY task"
)


def at(words: str, **more: Any) -> dict[str, Any]:
    start = TEXT.index(words)
    return {**more, "text": words, "start": start, "end": start + len(words)}


ENTITIES = [at("Crude", type="COMMODITY"), at("OPEC", type="ORGANISATION")]
ARGUMENTS = [at("2 %", role="Difference"), at("Crude", role="Item")]
EVENTS = [{"type": "Movement", "trigger": at("fell"), "arguments": ARGUMENTS}]


def made(database: JobDatabase, *tasks: Task, texts: tuple[str, ...] = (TEXT,)) -> str:
    job = database.job("oil", schema_body=FULL, schema_digest=DIGEST)
    database.enqueue(job, {text: text for text in texts}, *tasks)
    return job


def review(database: JobDatabase, job: str, *tasks: Task, **annotated: Any) -> None:
    with database.engine.begin() as conn:
        found = reviews.find_document(conn, job, TEXT)
        assert found is not None
        body = {"id": TEXT, "text": TEXT, **annotated}
        new = reviews.NewReview(found[0], tasks, body, "Ada", None, None)
        assert reviews.save_review(conn, job, DIGEST, new)


def scored(database: JobDatabase, job: str) -> ReviewScores:
    with reading(database.engine) as conn:
        known = jobs.get_job(conn, job)
    return score(database.engine, known)


def compared(database: JobDatabase, job: str) -> Comparison | None:
    with reading(database.engine) as conn:
        return compare(conn, jobs.get_job(conn, job))


def test_what_was_given_up_counts_as_missed_and_what_is_open_not_at_all(
    database: JobDatabase, record: MakeRecord
) -> None:
    job = made(database, Task.NER)
    (item,) = database.take(job)
    with database.engine.begin() as conn:
        quarantine_item(conn, item, OutputError("unreadable"))
    review(database, job, Task.NER, entities=ENTITIES)
    assert scored(database, job) == ReviewScores({Task.NER: Score(gold=2)}, Coverage(1, 1, 0))
    assert database.rows(AGREED) == [("NER", 0, 2, 0)]
    with database.engine.begin() as conn:
        assert retry_quarantined(conn, job) == 1
    assert scored(database, job) == ReviewScores({}, Coverage(0, 0, 1))
    assert database.rows(AGREED) == []
    (item,) = database.take(job)
    database.save(item, [record(TEXT, "COMMODITY", "Crude")], schema_digest=DIGEST)
    assert scored(database, job) == ReviewScores({Task.NER: Score(2, 1, 1)}, Coverage(1, 0, 0))
    assert database.rows(AGREED) == [("NER", 1, 1, 0)]


def test_an_event_whose_arguments_were_given_up_is_found_without_them(
    database: JobDatabase, record: MakeRecord
) -> None:
    job = made(database, Task.ED)
    (event,) = database.take(job)
    database.save(event, [record(TEXT, "Movement", "fell")], schema_digest=DIGEST)
    (argument,) = database.take(job)
    with database.engine.begin() as conn:
        quarantine_item(conn, argument, OutputError("unreadable"))
    review(database, job, Task.ED, events=EVENTS)
    found = scored(database, job)
    assert found.tasks == {Task.ED: Score(1, 1, 1), Task.EAE: Score(gold=2)}
    assert found.coverage == Coverage(1, 1, 0)
    assert database.rows(AGREED + " ORDER BY task") == [("EAE", 0, 2, 0), ("ED", 1, 0, 0)]


def test_a_job_is_compared_with_the_one_before_it_over_what_both_have_ended(
    database: JobDatabase, record: MakeRecord
) -> None:
    job = made(database, Task.NER, Task.RE)
    for item in database.take(job):
        wrong = [record(TEXT, "ORGANISATION", "Crude")] if item.task is Task.NER else []
        database.save(item, wrong, schema_digest=DIGEST)
    review(database, job, Task.NER, Task.RE, entities=ENTITIES, relations=[])
    made(database, Task.NER, texts=("Tin rose.",))  # of other documents
    again = made(database, Task.NER, Task.RE)
    assert compared(database, again) is None, "nothing is answered yet"
    for item in database.take(again):
        if item.task is Task.NER:
            right = [record(TEXT, "COMMODITY", "Crude"), record(TEXT, "ORGANISATION", "OPEC")]
            database.save(item, right, "another prompt", schema_digest=DIGEST)
    found = compared(database, again)
    assert found is not None
    assert (found.earlier.id, found.documents) == (job, 1)
    assert found.tasks == {Task.NER: (Score(2, 1, 0), Score(2, 2, 2))}
    assert compared(database, job) is None, "nothing was before it"
