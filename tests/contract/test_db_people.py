"""A review in force takes the place of the model's records, which stay in views of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.job_database import SCHEMA, JobDatabase
from support.waiting import PATIENCE_S, wait_until

from ruie.db import jobs, migrate, queue
from ruie.db.call_statistics import calls_by_task, count_events
from ruie.db.engine import reading
from ruie.db.lease import quarantine_item
from ruie.db.progress import progress
from ruie.db.quarantine import retry_quarantined
from ruie.errors import OutputError
from ruie.records import Item, Task
from ruie.schema import Schema
from ruie.scoring import Score
from ruie.worker.export import write
from ruie.worker.reviewing import Imported, import_reviews, score

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."
FULL: dict[str, Any] = {**SCHEMA, "relations": {"moved_by": ""}}
FULL["entities"] = {"COMMODITY": "", "ORGANISATION": "", "CLUB": ""}
DIGEST = Schema.from_body(FULL).digest
SHOWN = "SELECT type, text, source FROM entity_mentions WHERE job_id = '{}' ORDER BY char_start"
EVENTS = "SELECT type, trigger_text, role, argument_text, source FROM {} ORDER BY trigger_start"
MODEL = [("COMMODITY", "Crude"), ("ORGANISATION", "OPEC")]


def answer(database: JobDatabase, record: MakeRecord, job: str) -> None:
    """Everything of the job, arguments too."""
    while items := database.take(job):
        for item in items:
            text = item.text
            found: dict[Task, list[Item]] = {
                Task.NER: [
                    record(text, "COMMODITY", "Crude"),
                    record(text, "ORGANISATION", "OPEC"),
                ],
                Task.RE: [record(text, "moved_by", "Crude", "OPEC")],
                Task.ED: [record(text, "Movement", "fell")],
                Task.EAE: [record(text, "Item", "Crude")],
            }
            database.save(item, found[item.task], schema_digest=DIGEST)


def full_job(database: JobDatabase, name: str = "oil", **changes: Any) -> str:
    return database.job(name, **{"schema_body": FULL, "schema_digest": DIGEST, **changes})


@pytest.fixture
def job(database: JobDatabase, record: MakeRecord) -> str:
    job = full_job(database)
    database.enqueue(job, {"a": TEXT}, Task.NER, Task.RE, Task.ED)
    answer(database, record, job)
    return job


def at(words: str, **more: Any) -> dict[str, Any]:
    start = TEXT.index(words)
    return {**more, "text": words, "start": start, "end": start + len(words)}


def row(**annotated: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "a", "text": TEXT, **annotated}


CLUB = row(entities=[at("Crude", type="COMMODITY"), at("OPEC", type="CLUB")])
EVENT = row(
    events=[
        {"type": "Movement", "trigger": at("fell"), "arguments": [at("2 %", role="Difference")]},
        {"type": "Movement", "trigger": at("fell"), "arguments": [at("Crude", role="Item")]},
    ]
)


@pytest.fixture
def review(database: JobDatabase, tmp_path: Path) -> Callable[..., Imported]:
    """Import a row as a review of a job."""

    def imported(job: str, body: dict[str, Any]) -> Imported:
        path = tmp_path / "reviewed.jsonl"
        path.write_text(json.dumps(body) + "\n")
        with reading(database.engine) as conn:
            known = jobs.get_job(conn, job)
        return import_reviews(database.engine, known, path, "Ada")

    return imported


Review = Callable[..., Imported]


def exported(database: JobDatabase, job: str, path: Path) -> dict[str, Any]:
    with reading(database.engine) as conn:
        known = jobs.get_job(conn, job)
    write.export(database.engine, known, "jsonl", path, overwrite=True)
    (line,) = path.read_text().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_review_is_shown_for_the_tasks_that_it_has(
    database: JobDatabase, job: str, review: Review, tmp_path: Path
) -> None:
    before = database.rows(SHOWN.format(job))
    assert before == [(*each, "model") for each in MODEL]
    assert review(job, CLUB).stored == 1
    assert database.rows(SHOWN.format(job)) == [
        ("COMMODITY", "Crude", "person"), ("CLUB", "OPEC", "person"),
    ]  # fmt: skip  # a line
    assert database.rows("SELECT source FROM relation_mentions") == [("model",)]
    assert database.rows(EVENTS.format("event_mentions")) == [
        ("Movement", "fell", "Item", "Crude", "model")
    ]
    assert database.rows("SELECT type, text, source FROM model_entity_mentions ORDER BY type") == [
        (*each, "model") for each in MODEL
    ]
    pairs = "SELECT DISTINCT type, other_type FROM entity_pairs ORDER BY type"
    assert database.rows(pairs) == [("CLUB", "COMMODITY"), ("COMMODITY", "CLUB")]
    made = exported(database, job, tmp_path / "gold.jsonl")
    assert [(e["type"], e["source"]) for e in made["entities"]] == [
        ("COMMODITY", "person"), ("CLUB", "person"),
    ]  # fmt: skip  # a line
    assert [r["source"] for r in made["relations"]] == ["model"]
    assert made["provenance"]["models"] == ["small"]
    assert review(job, made).stored == 1  # now all tasks are reviewed
    assert review(job, exported(database, job, tmp_path / "gold.jsonl")).unchanged == 1
    assert database.rows("SELECT source FROM relation_mentions") == [("person",)]


def test_events_are_shown_with_their_arguments_and_equal_ones_together(
    database: JobDatabase, job: str, review: Review
) -> None:
    review(job, EVENT)
    assert sorted(database.rows(EVENTS.format("event_mentions"))) == [
        ("Movement", "fell", "Difference", "2 %", "person"),
        ("Movement", "fell", "Item", "Crude", "person"),
    ]
    ((arguments, source),) = database.rows(
        "SELECT CAST(arguments AS text), source FROM events_json"
    )
    assert source == "person"
    assert [a["text"] for a in json.loads(arguments)] == ["2 %", "Crude"]
    assert database.rows(EVENTS.format("model_event_mentions")) == [
        ("Movement", "fell", "Item", "Crude", "model")
    ]
    assert database.rows(SHOWN.format(job)) == [(*each, "model") for each in MODEL]
    review(job, row(events=[]))
    assert database.rows(EVENTS.format("event_mentions")) == []


def test_a_later_review_takes_the_place_of_the_former_and_gives_back_its_other_tasks(
    database: JobDatabase, job: str, review: Review
) -> None:
    review(job, CLUB | {"relations": []})
    assert database.rows("SELECT COUNT(*) FROM relation_mentions") == [(0,)]
    review(job, row(entities=[at("OPEC met", type="CLUB")]))
    assert database.rows(SHOWN.format(job)) == [("CLUB", "OPEC met", "person")]
    assert database.rows("SELECT source FROM relation_mentions") == [("model",)]
    names = database.rows("SELECT canonical FROM entity_mentions")
    assert names == [("OPEC met",)]
    kept = "SELECT COUNT(DISTINCT review_id) FROM record_provenance WHERE review_id IS NOT NULL"
    assert database.one(kept) == 2


def test_every_job_with_the_schema_shows_it_whenever_it_is_enqueued(
    database: JobDatabase, record: MakeRecord, job: str, review: Review
) -> None:
    second, other = full_job(database, "second"), database.job("other schema")
    for each in (second, other):
        database.enqueue(each, {"a": TEXT}, Task.NER)
        answer(database, record, each)
    review(job, CLUB)
    person = [("COMMODITY", "Crude", "person"), ("CLUB", "OPEC", "person")]
    assert database.rows(SHOWN.format(second)) == person
    assert {source for _, _, source in database.rows(SHOWN.format(other))} == {"model"}
    third = full_job(database, "third")
    database.enqueue(third, {"b": TEXT}, Task.NER)
    assert database.rows(SHOWN.format(third)) == person  # before the model has answered
    assert database.rows(f"SELECT external_id FROM entity_mentions WHERE job_id = '{third}'") == [
        ("b",), ("b",),
    ]  # fmt: skip  # a line
    answer(database, record, third)
    assert database.rows(SHOWN.format(third)) == person
    assert (
        sorted(
            database.rows(f"SELECT type, text FROM model_entity_mentions WHERE job_id = '{third}'")
        )
        == MODEL
    )


def test_what_is_in_quarantine_is_shown_and_scored_once_it_is_answered(
    database: JobDatabase, record: MakeRecord, review: Review, tmp_path: Path
) -> None:
    job = full_job(database)
    database.enqueue(job, {"a": TEXT}, Task.NER)
    (item,) = database.take(job)
    with database.engine.begin() as conn:
        quarantine_item(conn, item, OutputError("unreadable"))
        known = jobs.get_job(conn, job)
    path = tmp_path / "template.jsonl"
    assert write.export(database.engine, known, "jsonl", path).unanswered == 1
    assert path.read_text() == ""
    counts = write.export(database.engine, known, "jsonl", path, overwrite=True, unanswered=True)
    assert (counts.documents, counts.unanswered) == (1, 0)
    template = json.loads(path.read_text())
    assert [template[key] for key in ("entities", "relations", "events")] == [None] * 3
    assert review(job, template) == Imported(0, 0, (), 1)
    assert review(job, template | {"entities": CLUB["entities"]}).stored == 1
    assert [source for _, _, source in database.rows(SHOWN.format(job))] == ["person"] * 2
    assert len(exported(database, job, tmp_path / "gold.jsonl")["entities"]) == 2
    with database.engine.begin() as conn:
        assert retry_quarantined(conn, job) == 1
    answer(database, record, job)
    assert [source for _, _, source in database.rows(SHOWN.format(job))] == ["person"] * 2
    assert score(database.engine, known).tasks == {Task.NER: Score(2, 2, 1)}
    agreed = "SELECT SUM(matched), SUM(missing), SUM(spurious) FROM review_agreement"
    assert database.rows(agreed) == [(1, 1, 1)]


def test_a_long_document_shows_it_once(
    database: JobDatabase, record: MakeRecord, review: Review
) -> None:
    def enqueue(job: str, ranges: list[tuple[int, int]]) -> None:
        new = queue.NewDocument(TEXT, "a")
        with database.engine.begin() as conn:
            queue.enqueue_documents(conn, job, [new], [Task.NER], lambda _: ranges)

    job, again = full_job(database), full_job(database, "again")
    enqueue(job, [(0, 17), (6, 27)])
    for item in database.take(job):
        words = ("Crude", "fell") if item.chunk_start == 0 else ("fell", "OPEC")
        found = [record(item.text, "COMMODITY", word) for word in words]
        database.save(item, found, schema_digest=DIGEST)
    assert len(database.rows(SHOWN.format(job))) == 3
    review(job, CLUB)
    enqueue(again, [(0, 10), (5, 22), (20, 27)])  # other chunks
    for each in (job, again):
        assert [text for _, text, _ in database.rows(SHOWN.format(each))] == ["Crude", "OPEC"]
    model = f"SELECT text FROM model_entity_mentions WHERE job_id = '{job}' ORDER BY char_start"
    assert database.rows(model) == [("Crude",), ("fell",), ("OPEC",)]


def test_a_review_is_no_call(database: JobDatabase, job: str, review: Review) -> None:
    def counted() -> list[Any]:
        with reading(database.engine) as conn:
            return [
                progress(conn, job),
                calls_by_task(conn, "small"),
                count_events(conn, "small", DIGEST, ["Movement"]),
                database.rows("SELECT model, calls, prompt_tokens, cost_usd FROM spend_by_day"),
            ]

    before = counted()
    review(job, CLUB | {"relations": [], "events": EVENT["events"]})
    assert counted() == before


def test_a_migration_puts_reviews_of_before_in_their_place(
    database: JobDatabase, job: str, review: Review
) -> None:
    review(job, row(entities=[at("2 %", type="CLUB")]))
    review(job, CLUB | {"events": EVENT["events"]})
    shown = [SHOWN.format(job), EVENTS.format("event_mentions") + ", role",
             EVENTS.format("model_event_mentions")]  # fmt: skip  # a list
    before = [database.rows(each) for each in shown]
    migrate.downgrade(database.engine, "0016")
    assert database.rows("SELECT COUNT(*) FROM entities") == [(2,)]
    assert database.rows("SELECT COUNT(*) FROM work_items WHERE extraction_id IS NULL") == [(0,)]
    migrate.upgrade(database.engine)
    assert [database.rows(each) for each in shown] == before
    sqlite = database.engine.dialect.name == "sqlite"
    assert not sqlite or database.rows("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_review_and_enqueueing_at_once_miss_nothing_of_each_other(
    database: JobDatabase, job: str, review: Review
) -> None:
    second = full_job(database, "second")
    waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with database.engine.begin() as conn:
            queue.enqueue_documents(conn, second, [queue.NewDocument(TEXT, "a")], [Task.NER])
            stored = pool.submit(review, job, CLUB)
            wait_until(lambda: database.one(waiting) == 1)
        assert stored.result(PATIENCE_S).stored == 1
    assert [source for _, _, source in database.rows(SHOWN.format(second))] == ["person"] * 2
