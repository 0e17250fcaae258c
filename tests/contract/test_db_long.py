"""Long documents, on both databases: chunks, what two of them have in common, contexts."""

from __future__ import annotations

from typing import Any

from ruie.db import queue
from ruie.db.chunks import contexts
from ruie.records import Grounding, Item, Span, Task

TEXT = "OPEC met . Crude fell . Brent rose ."
CHUNKS = [(0, 23), (11, 36)]
"""The second sentence is in both."""


def at(text: str, words: str) -> Span:
    start = text.index(words)
    return Span(words, start, start + len(words), Grounding.EXACT)


def enqueue(database: Any, job: str, *tasks: Task, **meta: Any) -> queue.EnqueueCounts:
    row = queue.NewDocument(TEXT, "a", metadata=meta or None)
    with database.engine.begin() as conn:
        return queue.enqueue_documents(conn, job, [row], tasks, lambda _: CHUNKS)


def test_each_chunk_has_items_and_enqueueing_again_adds_none(database: Any) -> None:
    job = database.job()
    assert enqueue(database, job, Task.NER, Task.ED).new_items == 4
    assert enqueue(database, job, Task.NER, Task.ED).new_items == 0
    assert database.rows("SELECT char_start, char_end FROM chunks ORDER BY ordinal") == CHUNKS
    assert {item.text for item in database.take()} == {TEXT[a:b] for a, b in CHUNKS}


def test_what_two_chunks_have_is_seen_once_with_offsets_in_the_document(database: Any) -> None:
    job = database.job()
    enqueue(database, job, Task.NER)
    first, second = database.take()
    database.save(first, [Item("COMMODITY", (at(first.text, w),)) for w in ("OPEC", "Crude")])
    database.save(second, [Item("COMMODITY", (at(second.text, w),)) for w in ("Crude", "Brent")])
    assert database.one("SELECT COUNT(*) FROM entities") == 4
    assert database.one("SELECT COUNT(*) FROM entities WHERE shared") == 2
    seen = database.rows(
        "SELECT text, char_start, char_end FROM entity_mentions ORDER BY char_start"
    )
    assert seen == [("OPEC", 0, 4), ("Crude", 11, 16), ("Brent", 24, 29)]


def test_arguments_of_an_event_that_two_chunks_have_are_asked_for_once(database: Any) -> None:
    job = database.job()
    enqueue(database, job, Task.ED)
    first, second = database.take()
    # the later chunk's answer comes first
    database.save(second, [Item("Movement", (at(second.text, "fell"),))])
    database.save(first, [Item("Movement", (at(first.text, "fell"),))])
    (argument,) = database.take()
    assert (argument.task, argument.chunk_id) == (Task.EAE, second.chunk_id)
    database.save(argument, [Item("Item", (at(argument.text, "Crude"),))])
    seen = database.rows(
        "SELECT trigger_text, trigger_start, argument_text, argument_start FROM event_mentions"
    )
    assert seen == [("fell", 17, "Crude", 11)]


def test_a_document_that_another_job_divides_otherwise_is_merged_too(database: Any) -> None:
    one, other = database.job(), database.job()
    with database.engine.begin() as conn:
        row = queue.NewDocument(TEXT, "a")
        halves = [(0, 23), (24, 36)]
        queue.enqueue_documents(conn, one, [row], (Task.NER,), lambda _: halves)
    first, _ = database.take(one)
    database.save(first, [Item("COMMODITY", (at(first.text, "Crude"),))], key="k")
    enqueue(database, other, Task.NER)
    same, second = database.take(other)
    assert same.chunk_id == first.chunk_id
    database.save(same, [], key="k")
    database.save(second, [Item("COMMODITY", (at(second.text, "Crude"),))])
    count = f"SELECT COUNT(*) FROM entity_mentions WHERE job_id = '{other}'"
    assert database.one(count) == 1


def test_the_context_is_the_first_origins(database: Any) -> None:
    job = database.job()
    enqueue(database, job, Task.NER, title="Oil  news", n=1)
    with database.engine.begin() as conn:
        row = queue.NewDocument(TEXT, "b", metadata={"title": "Later"})
        queue.enqueue_documents(conn, job, [row], (Task.NER,), lambda _: CHUNKS)
        assert contexts(conn, job, [1], "title") == {1: "Oil news"}
        assert contexts(conn, job, [1], "none") == {1: ""}
