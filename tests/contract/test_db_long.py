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


def enqueue(house: Any, job: str, *tasks: Task, **meta: Any) -> queue.EnqueueCounts:
    row = queue.NewDocument(TEXT, "a", metadata=meta or None)
    with house.engine.begin() as conn:
        return queue.enqueue_documents(conn, job, [row], tasks, lambda _: CHUNKS)


def test_each_chunk_has_items_and_enqueueing_again_adds_none(house: Any) -> None:
    job = house.job()
    assert enqueue(house, job, Task.NER, Task.ED).new_items == 4
    assert enqueue(house, job, Task.NER, Task.ED).new_items == 0
    assert house.rows("SELECT char_start, char_end FROM chunks ORDER BY ordinal") == CHUNKS
    assert {item.text for item in house.take()} == {TEXT[a:b] for a, b in CHUNKS}


def test_what_two_chunks_have_is_seen_once_with_offsets_in_the_document(house: Any) -> None:
    job = house.job()
    enqueue(house, job, Task.NER)
    first, second = house.take()
    house.save(first, [Item("COMMODITY", (at(first.text, w),)) for w in ("OPEC", "Crude")])
    house.save(second, [Item("COMMODITY", (at(second.text, w),)) for w in ("Crude", "Brent")])
    assert house.one("SELECT COUNT(*) FROM entities") == 4
    assert house.one("SELECT COUNT(*) FROM entities WHERE shared") == 2
    seen = house.rows("SELECT text, char_start, char_end FROM entity_mentions ORDER BY char_start")
    assert seen == [("OPEC", 0, 4), ("Crude", 11, 16), ("Brent", 24, 29)]


def test_arguments_of_an_event_that_two_chunks_have_are_asked_for_once(house: Any) -> None:
    job = house.job()
    enqueue(house, job, Task.ED)
    first, second = house.take()
    # the later chunk's answer comes first
    house.save(second, [Item("Movement", (at(second.text, "fell"),))])
    house.save(first, [Item("Movement", (at(first.text, "fell"),))])
    (argument,) = house.take()
    assert (argument.task, argument.chunk_id) == (Task.EAE, second.chunk_id)
    house.save(argument, [Item("Item", (at(argument.text, "Crude"),))])
    seen = house.rows(
        "SELECT trigger_text, trigger_start, argument_text, argument_start FROM event_mentions"
    )
    assert seen == [("fell", 17, "Crude", 11)]


def test_a_document_that_another_job_divides_otherwise_is_merged_too(house: Any) -> None:
    one, other = house.job(), house.job()
    with house.engine.begin() as conn:
        row = queue.NewDocument(TEXT, "a")
        halves = [(0, 23), (24, 36)]
        queue.enqueue_documents(conn, one, [row], (Task.NER,), lambda _: halves)
    first, _ = house.take(one)
    house.save(first, [Item("COMMODITY", (at(first.text, "Crude"),))], key="k")
    enqueue(house, other, Task.NER)
    same, second = house.take(other)
    assert same.chunk_id == first.chunk_id
    house.save(same, [], key="k")
    house.save(second, [Item("COMMODITY", (at(second.text, "Crude"),))])
    count = f"SELECT COUNT(*) FROM entity_mentions WHERE job_id = '{other}'"
    assert house.one(count) == 1


def test_the_context_is_the_first_origins(house: Any) -> None:
    job = house.job()
    enqueue(house, job, Task.NER, title="Oil  news", n=1)
    with house.engine.begin() as conn:
        row = queue.NewDocument(TEXT, "b", metadata={"title": "Later"})
        queue.enqueue_documents(conn, job, [row], (Task.NER,), lambda _: CHUNKS)
        assert contexts(conn, job, [1], "title") == {1: "Oil news"}
        assert contexts(conn, job, [1], "none") == {1: ""}
