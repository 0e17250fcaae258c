"""Forgetting a document: nothing of it is left, and everything of the others is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from support.job_database import DIGEST, JobDatabase

from ruie.db import forget, jobs, reviews
from ruie.db.canonical import add_names
from ruie.db.compact import compact
from ruie.db.engine import reading
from ruie.db.erasure import blank
from ruie.db.lease import quarantine_item
from ruie.db.review_records import names_in
from ruie.db.search import search
from ruie.db.search_index import index_documents
from ruie.errors import OutputError
from ruie.records import Item, Task

SECRET = "Quillfeather"
TEXT = f"{SECRET} said that crude fell 2 % as OPEC met in Vienna."
OTHER = "Crude rose 3 % as OPEC met in Geneva."
TABLES = (
    "documents",
    "origins",
    "chunks",
    "work_items",
    "attempts",
    "quarantine",
    "extractions",
    "entities",
    "relations",
    "events",
    "event_arguments",
    "canonical",
    "reviews",
    "document_parts",
    "input_errors",
    "jobs",
    "job_sources",
)


def everything(engine: Engine) -> str:
    """All rows of all tables, as text."""
    with engine.connect() as conn:
        return "\n".join(
            str(tuple(row)) for t in TABLES for row in conn.exec_driver_sql(f"SELECT * FROM {t}")
        )


def forget_all(database: JobDatabase, *ids: str) -> None:
    with reading(database.engine) as conn:
        found = [each.document_id for each in forget.find(conn, ids)]
    assert found
    with database.engine.begin() as conn:
        assert forget.mark(conn, found) == 0
        blank(conn, found)


@pytest.fixture
def filled(database: JobDatabase, record: Callable[..., Item]) -> JobDatabase:
    """Two documents with records of every kind, failed calls, an item in quarantine, reviews."""
    job = database.job()
    database.enqueue(job, {f"{SECRET}.txt": TEXT, "other": OTHER}, Task.NER, Task.ED, Task.RE)
    for item in database.take(job):
        subject = SECRET if item.text == TEXT else "OPEC"
        found: dict[Task, list[Item]] = {
            Task.NER: [record(item.text, "ORGANISATION", subject)],
            Task.ED: [record(item.text, "Movement", "fell" if subject == SECRET else "rose")],
        }
        if item.task is Task.RE:
            error = OutputError("unreadable", raw_output=f"{item.text} says nothing")
            prompt = [{"role": "user", "content": f"Sentence: {TEXT}"}]
            with database.engine.begin() as conn:
                quarantine_item(conn, item, error, raw_output=error.raw_output, prompt=prompt)
        else:
            database.save(item, found[item.task], raw_output=item.text)
    for item in database.take(job):  # the arguments of the events
        subject = SECRET if item.text == TEXT else "OPEC"
        database.save(item, [record(item.text, "Item", subject)], raw_output=item.text)
    with database.engine.begin() as conn:
        jobs.add_input_errors(
            conn, job, [jobs.NewInputError("b.jsonl", 7, "repeats the id", TEXT[:120])]
        )
    while index_documents(database.engine):
        pass
    return database


def test_nothing_of_it_is_left_in_any_table(filled: JobDatabase) -> None:
    before = everything(filled.engine)
    assert before.count(SECRET) > 8
    forget_all(filled, f"{SECRET}.txt")
    after = everything(filled.engine)
    assert SECRET not in after
    assert "Quillfeather".casefold() not in after.casefold()
    with reading(filled.engine) as conn:
        assert search(conn, SECRET).hits == ()
        assert search(conn, "Vienna").hits == ()
        assert [hit.places[0].external_id for hit in search(conn, "crude").hits] == ["other"]
    assert filled.rows("SELECT text FROM documents WHERE chars > 0") == [(OTHER,)]
    assert filled.one("SELECT COUNT(*) FROM event_arguments") == 1
    assert filled.one("SELECT COUNT(*) FROM entities") == 1


def test_what_was_spent_and_the_counts_of_jobs_stay(filled: JobDatabase) -> None:
    costs = "SELECT SUM(cost_usd), COUNT(*) FROM extractions"
    before = filled.rows(costs)
    forget_all(filled, f"{SECRET}.txt")
    assert filled.rows(costs) == before
    (job,) = filled.rows("SELECT id FROM jobs")
    assert sorted(set(filled.states(job[0]))) == ["cancelled", "done", "quarantined"]


# PostgreSQL overwrites dead rows when it needs their space
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_its_bytes_are_in_no_file_of_sqlite(filled: JobDatabase) -> None:
    path = Path(str(filled.engine.url.database))
    forget_all(filled, f"{SECRET}.txt")
    compact(filled.engine)
    for file in path.parent.glob(f"{path.name}*"):
        content = file.read_bytes().lower()
        assert SECRET.lower().encode() not in content, file
        assert b"vienna" not in content, file


def test_it_does_not_come_back_until_its_mark_is_lifted(filled: JobDatabase) -> None:
    forget_all(filled, f"{SECRET}.txt")
    again = filled.job("again")
    counts = filled.enqueue(again, {"elsewhere": TEXT, "new": "Gold rose."}, Task.NER)
    assert (counts.added, counts.forgotten) == (1, (0,))
    assert SECRET not in everything(filled.engine)
    with reading(filled.engine) as conn:
        (mark,) = forget.marks(conn)
    with filled.engine.begin() as conn:
        assert forget.lift(conn, mark.number)
        assert not forget.lift(conn, mark.number)
    counts = filled.enqueue(again, {"elsewhere": TEXT}, Task.NER)
    assert (counts.added, counts.forgotten) == (1, ())
    assert [item.text for item in filled.take(again) if SECRET in item.text] == [TEXT]


def test_an_answer_on_its_way_is_waited_for(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, {"a": TEXT, "b": OTHER}, Task.NER, Task.ED)
    first, *_ = (item for item in database.take(job) if item.text == TEXT)
    with reading(database.engine) as conn:
        (found,) = forget.find(conn, ["a"])
    with database.engine.begin() as conn:
        assert forget.mark(conn, [found.document_id]) == 2
    database.save(first)
    with database.engine.begin() as conn:
        assert forget.mark(conn, [found.document_id]) == 1
    assert forget_states(database, found.document_id) == ["done", "leased"]


def forget_states(database: JobDatabase, document: int) -> list[str]:
    rows = database.rows(
        "SELECT i.state FROM work_items i JOIN chunks c ON c.id = i.chunk_id"
        f" WHERE c.document_id = {document} ORDER BY i.id"
    )
    return [row[0] for row in rows]


def test_an_equal_part_of_another_document_takes_nothing_from_it(
    database: JobDatabase, record: Callable[..., Item]
) -> None:
    """An answer is stored under a key of its question: the same question is asked again."""
    job = database.job()
    database.enqueue(job, {"a": TEXT}, Task.NER)
    (item,) = database.take(job)
    database.save(item, [record(TEXT, "ORGANISATION", SECRET)], key="k")
    forget_all(database, "a")
    assert database.rows("SELECT COUNT(*) FROM extractions WHERE key = 'k'") == [(0,)]


def test_reviews_go_with_it(filled: JobDatabase) -> None:
    (row,) = filled.rows(f"SELECT id FROM documents WHERE text LIKE '{SECRET}%%'")
    (job,) = filled.rows("SELECT id FROM jobs")
    name = {"type": "ORGANISATION", "text": f"{SECRET} said", "start": 0, "end": 17}
    fell = {"text": "fell", "start": 34, "end": 38}
    body: dict[str, Any] = {"id": "x", "text": TEXT, "entities": [name],
                            "events": [{"type": "Movement", "trigger": fell,
                                        "arguments": [name | {"role": "Item"}]}]}  # fmt: skip
    with filled.engine.begin() as conn:
        review = reviews.NewReview(row[0], [Task.NER, Task.ED], body, "Ann", "corrected.jsonl", 1)
        assert reviews.save_review(conn, job[0], DIGEST, review)
        add_names(conn, names_in(body))
    shown = "SELECT text FROM entity_mentions WHERE source = 'person'"
    assert filled.rows(shown) == [(f"{SECRET} said",)]
    forget_all(filled, f"{SECRET}.txt")
    assert filled.one("SELECT COUNT(*) FROM reviews") == 0
    assert SECRET.casefold() not in everything(filled.engine).casefold()
    assert filled.one("SELECT COUNT(*) FROM event_arguments") == 1
    assert filled.rows(shown) == []
    calls = "SELECT SUM(calls) FROM spend_by_day"
    assert filled.one(calls) == filled.one(
        "SELECT COUNT(*) FROM extractions WHERE source = 'model'"
    )
