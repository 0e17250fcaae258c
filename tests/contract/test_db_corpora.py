"""Corpora: what is new, changed, unchanged and removed from one job to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from support.job_database import JobDatabase

from ruie.db import corpora, job_states, jobs, queue
from ruie.db.corpora import CorpusJob, Position
from ruie.db.job_settings import JobSettings
from ruie.db.models import origins
from ruie.decoding import Decoding
from ruie.records import Item, Task


def read(
    database: JobDatabase, job: str, texts: Mapping[str, str], source: str = "a.jsonl"
) -> queue.EnqueueCounts:
    rows = [
        queue.NewDocument(text, name, source, line, {"line": line})
        for line, (name, text) in enumerate(texts.items(), 1)
    ]
    with database.engine.begin() as conn:
        return queue.enqueue_documents(conn, job, rows, (Task.NER,))


def close(database: JobDatabase, job: str) -> int:
    with database.engine.begin() as conn:
        stored = jobs.get_job(conn, job)
        corpus_job = CorpusJob(job, stored.corpus, stored.question, stored.forced)
        removed = corpora.mark_removed(conn, corpus_job, stored.scope or "")
        jobs.finish_enqueueing(conn, job)
        return removed


def news(database: JobDatabase, **changes: Any) -> str:
    return database.job(corpus="news", scope="s", **changes)


def states(database: JobDatabase) -> dict[tuple[str, str], str]:
    rows = database.rows("SELECT job_id, external_id, state FROM origins")
    return {(job, name): state for job, name, state in rows}


def test_only_what_is_new_or_changed_is_enqueued(database: JobDatabase) -> None:
    one, two = news(database), news(database)
    assert read(database, one, {"a": "A.", "b": "B.", "c": "C."}).added == 3
    assert close(database, one) == 0
    done = read(database, two, {"a": "A.", "b": "B, changed.", "d": "D."})
    assert (done.added, done.changed, done.unchanged, done.new_items) == (2, 1, 1, 2)
    assert close(database, two) == 1
    assert states(database) == {
        (one, "a"): "current",
        (one, "b"): "superseded",
        (one, "c"): "removed",
        (two, "b"): "current",
        (two, "d"): "current",
    }
    changed_at = dict(database.rows("SELECT id, changed_at FROM origins WHERE state = 'current'"))
    assert set(changed_at.values()) == {None}
    assert database.one("SELECT COUNT(*) FROM origins WHERE changed_at IS NOT NULL") == 2


def test_what_is_unchanged_has_its_new_place_and_metadata(database: JobDatabase) -> None:
    one, two = news(database), news(database)
    read(database, one, {"a": "A.", "b": "B."})
    assert read(database, two, {"b": "B.", "a": "A."}, "moved.jsonl").unchanged == 2
    rows = database.rows("SELECT external_id, source, line, seen_in FROM origins ORDER BY line")
    assert rows == [("b", "moved.jsonl", 1, two), ("a", "moved.jsonl", 2, two)]
    with database.engine.connect() as conn:
        moved = conn.execute(select(origins.c.line, origins.c.metadata).order_by(origins.c.line))
        assert [tuple(row) for row in moved] == [(1, {"line": 1}), (2, {"line": 2})]
    # read again after an interruption, it is known; under another place it is a repetition
    again = read(database, two, {"b": "B.", "a": "A."}, "moved.jsonl")
    assert (again.known, again.unchanged, again.duplicates) == (2, 0, ())
    assert read(database, two, {"b": "B."}, "third.jsonl").duplicates == (0,)


def test_what_a_cancelled_or_failed_job_found_was_not_asked(database: JobDatabase) -> None:
    for state in ("cancelled", "failed"):
        one = database.job(corpus=state, scope="s")
        read(database, one, {"a": "A."})
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, one, state)
        two = database.job(corpus=state, scope="s")
        done = read(database, two, {"a": "A."})
        assert (done.added, done.unchanged) == (1, 0)
        assert states(database)[one, "a"] == "superseded"


def test_another_question_asks_again(database: JobDatabase) -> None:
    read(database, news(database), {"a": "A."})
    other = read(database, news(database, model="large"), {"a": "A."})
    forced = read(database, news(database, model="large", forced=True), {"a": "A."})
    same = read(database, news(database, model="large"), {"a": "A."})
    assert [done.changed for done in (other, forced, same)] == [1, 1, 0]
    assert same.unchanged == 1


def test_a_context_that_changed_asks_again(database: JobDatabase) -> None:
    settings = JobSettings(Decoding(), context="line")
    read(database, news(database, settings=settings), {"a": "A.", "b": "B."})
    done = read(database, news(database, settings=settings), {"a": "A.", "x": "X.", "b": "B."})
    assert (done.added, done.changed, done.unchanged) == (2, 1, 1)  # b is in line 3 now


def test_what_other_sources_found_stays(database: JobDatabase) -> None:
    one, two = news(database), database.job(corpus="news", scope="other")
    read(database, one, {"a": "A."})
    read(database, two, {"b": "B."}, "b.jsonl")
    assert close(database, two) == 0
    assert set(states(database).values()) == {"current"}


def test_a_source_that_breaks_off_removes_nothing(database: JobDatabase) -> None:
    one, two = news(database), news(database)
    read(database, one, {"a": "A.", "b": "B."})
    read(database, two, {"a": "A."})
    with database.engine.begin() as conn:
        corpora.set_positions(conn, two, {"a.jsonl": Position("f", 1, "broken")})
    assert close(database, two) == 0


def test_a_removed_document_comes_back(database: JobDatabase) -> None:
    jobs_ = [news(database) for _ in range(3)]
    for job, texts in zip(jobs_, ({"a": "A."}, {"b": "B."}, {"a": "A.", "b": "B."}), strict=True):
        done = read(database, job, texts)
        close(database, job)
    assert (done.added, done.changed, done.unchanged) == (1, 0, 1)
    assert database.one("SELECT COUNT(*) FROM origins WHERE state = 'current'") == 2


def test_sources_that_are_as_they_were_need_not_be_read(database: JobDatabase) -> None:
    marks = [("a.jsonl", "1"), ("b.jsonl", "1"), ("c.jsonl", ""), ("new.jsonl", "1")]

    def unchanged(job: str) -> set[str]:
        with database.engine.begin() as conn:
            stored = jobs.get_job(conn, job)
            corpus_job = CorpusJob(job, stored.corpus, stored.question, stored.forced)
            return set(corpora.unchanged_sources(conn, corpus_job, "s", marks))

    one = news(database)
    read(database, one, {"a": "A."})
    with database.engine.begin() as conn:
        for source, mark in (("a.jsonl", "1"), ("b.jsonl", "0"), ("c.jsonl", "")):
            corpora.set_positions(conn, one, {source: Position(mark, 1, "done")})
    assert unchanged(news(database)) == set()  # not all of one was read
    close(database, one)
    assert unchanged(news(database)) == {"a.jsonl"}
    assert unchanged(news(database, model="large")) == set()
    assert unchanged(news(database, forced=True)) == set()
    two = news(database)
    with database.engine.begin() as conn:
        corpora.set_positions(conn, two, {"a.jsonl": Position("1", 1, "unchanged")})
    assert close(database, two) == 0
    assert set(states(database).values()) == {
        "current"
    }  # a.jsonl was not read, and its documents are not removed
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, one, "cancelled")
    assert unchanged(news(database)) == set()  # its documents were not processed


def test_an_interrupted_job_is_found_by_its_key(database: JobDatabase) -> None:
    def interrupted() -> str | None:
        with database.engine.begin() as conn:
            return corpora.interrupted_job(conn, "k")

    assert interrupted() is None
    one, two = (database.job(enqueue_key="k") for _ in range(2))
    assert interrupted() == max(one, two)
    for job in (one, two):
        close(database, job)
    assert interrupted() is None


def test_the_records_views_say_which_are_current(
    database: JobDatabase, record: Callable[..., Item]
) -> None:
    one, two = news(database), news(database)
    read(database, one, {"a": "Crude fell.", "b": "Gold rose."})
    for item in database.take():
        database.save(item, [record(item.text, "COMMODITY", item.text.split()[0])])
    read(database, two, {"a": "Crude fell much."})
    close(database, two)
    rows = database.rows("SELECT text, document_state FROM entity_mentions ORDER BY text")
    assert rows == [("Crude", "superseded"), ("Gold", "removed")]
    listed = database.rows(
        "SELECT external_id, corpus, state FROM document_metadata ORDER BY line, state"
    )
    assert listed == [
        ("a", "news", "current"), ("a", "news", "superseded"), ("b", "news", "removed")
    ]  # fmt: skip  # a row each
