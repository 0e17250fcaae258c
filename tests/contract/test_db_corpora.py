"""Corpora: what is new, changed, unchanged and removed from one job to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from support.house import House

from ruie.db import corpora, job_states, jobs, queue
from ruie.db.corpora import CorpusJob, Position
from ruie.db.job_settings import JobSettings
from ruie.db.models import origins
from ruie.extractor import Decoding
from ruie.records import Item, Task


def read(
    house: House, job: str, texts: Mapping[str, str], source: str = "a.jsonl"
) -> queue.EnqueueCounts:
    rows = [
        queue.NewDocument(text, name, source, line, {"line": line})
        for line, (name, text) in enumerate(texts.items(), 1)
    ]
    with house.engine.begin() as conn:
        return queue.enqueue_documents(conn, job, rows, (Task.NER,))


def close(house: House, job: str) -> int:
    with house.engine.begin() as conn:
        stored = jobs.get_job(conn, job)
        corpus_job = CorpusJob(job, stored.corpus, stored.question, stored.forced)
        removed = corpora.mark_removed(conn, corpus_job, stored.scope or "")
        jobs.finish_enqueueing(conn, job)
        return removed


def news(house: House, **changes: Any) -> str:
    return house.job(corpus="news", scope="s", **changes)


def states(house: House) -> dict[tuple[str, str], str]:
    rows = house.rows("SELECT job_id, external_id, state FROM origins")
    return {(job, name): state for job, name, state in rows}


def test_only_what_is_new_or_changed_is_enqueued(house: House) -> None:
    one, two = news(house), news(house)
    assert read(house, one, {"a": "A.", "b": "B.", "c": "C."}).added == 3
    assert close(house, one) == 0
    done = read(house, two, {"a": "A.", "b": "B, changed.", "d": "D."})
    assert (done.added, done.changed, done.unchanged, done.new_items) == (2, 1, 1, 2)
    assert close(house, two) == 1
    assert states(house) == {
        (one, "a"): "current",
        (one, "b"): "superseded",
        (one, "c"): "removed",
        (two, "b"): "current",
        (two, "d"): "current",
    }
    changed_at = dict(house.rows("SELECT id, changed_at FROM origins WHERE state = 'current'"))
    assert set(changed_at.values()) == {None}
    assert house.one("SELECT COUNT(*) FROM origins WHERE changed_at IS NOT NULL") == 2


def test_what_is_unchanged_has_its_new_place_and_metadata(house: House) -> None:
    one, two = news(house), news(house)
    read(house, one, {"a": "A.", "b": "B."})
    assert read(house, two, {"b": "B.", "a": "A."}, "moved.jsonl").unchanged == 2
    rows = house.rows("SELECT external_id, source, line, seen_in FROM origins ORDER BY line")
    assert rows == [("b", "moved.jsonl", 1, two), ("a", "moved.jsonl", 2, two)]
    with house.engine.connect() as conn:
        moved = conn.execute(select(origins.c.line, origins.c.metadata).order_by(origins.c.line))
        assert [tuple(row) for row in moved] == [(1, {"line": 1}), (2, {"line": 2})]
    # read again after an interruption, it is known; under another place it is a repetition
    again = read(house, two, {"b": "B.", "a": "A."}, "moved.jsonl")
    assert (again.known, again.unchanged, again.duplicates) == (2, 0, ())
    assert read(house, two, {"b": "B."}, "third.jsonl").duplicates == (0,)


def test_what_a_cancelled_or_failed_job_found_was_not_asked(house: House) -> None:
    for state in ("cancelled", "failed"):
        one = house.job(corpus=state, scope="s")
        read(house, one, {"a": "A."})
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, one, state)
        two = house.job(corpus=state, scope="s")
        done = read(house, two, {"a": "A."})
        assert (done.added, done.unchanged) == (1, 0)
        assert states(house)[one, "a"] == "superseded"


def test_another_question_asks_again(house: House) -> None:
    read(house, news(house), {"a": "A."})
    other = read(house, news(house, model="large"), {"a": "A."})
    forced = read(house, news(house, model="large", forced=True), {"a": "A."})
    same = read(house, news(house, model="large"), {"a": "A."})
    assert [done.changed for done in (other, forced, same)] == [1, 1, 0]
    assert same.unchanged == 1


def test_a_context_that_changed_asks_again(house: House) -> None:
    settings = JobSettings(Decoding(), context="line")
    read(house, news(house, settings=settings), {"a": "A.", "b": "B."})
    done = read(house, news(house, settings=settings), {"a": "A.", "x": "X.", "b": "B."})
    assert (done.added, done.changed, done.unchanged) == (2, 1, 1)  # b is in line 3 now


def test_what_other_sources_found_stays(house: House) -> None:
    one, two = news(house), house.job(corpus="news", scope="other")
    read(house, one, {"a": "A."})
    read(house, two, {"b": "B."}, "b.jsonl")
    assert close(house, two) == 0
    assert set(states(house).values()) == {"current"}


def test_a_source_that_breaks_off_removes_nothing(house: House) -> None:
    one, two = news(house), news(house)
    read(house, one, {"a": "A.", "b": "B."})
    read(house, two, {"a": "A."})
    with house.engine.begin() as conn:
        corpora.set_positions(conn, two, {"a.jsonl": Position("f", 1, "broken")})
    assert close(house, two) == 0


def test_a_removed_document_comes_back(house: House) -> None:
    jobs_ = [news(house) for _ in range(3)]
    for job, texts in zip(jobs_, ({"a": "A."}, {"b": "B."}, {"a": "A.", "b": "B."}), strict=True):
        done = read(house, job, texts)
        close(house, job)
    assert (done.added, done.changed, done.unchanged) == (1, 0, 1)
    assert house.one("SELECT COUNT(*) FROM origins WHERE state = 'current'") == 2


def test_sources_that_are_as_they_were_need_not_be_read(house: House) -> None:
    marks = [("a.jsonl", "1"), ("b.jsonl", "1"), ("c.jsonl", ""), ("new.jsonl", "1")]

    def unchanged(job: str) -> set[str]:
        with house.engine.begin() as conn:
            stored = jobs.get_job(conn, job)
            corpus_job = CorpusJob(job, stored.corpus, stored.question, stored.forced)
            return set(corpora.unchanged_sources(conn, corpus_job, "s", marks))

    one = news(house)
    read(house, one, {"a": "A."})
    with house.engine.begin() as conn:
        for source, mark in (("a.jsonl", "1"), ("b.jsonl", "0"), ("c.jsonl", "")):
            corpora.set_positions(conn, one, {source: Position(mark, 1, "done")})
    assert unchanged(news(house)) == set()  # not all of one was read
    close(house, one)
    assert unchanged(news(house)) == {"a.jsonl"}
    assert unchanged(news(house, model="large")) == set()
    assert unchanged(news(house, forced=True)) == set()
    two = news(house)
    with house.engine.begin() as conn:
        corpora.set_positions(conn, two, {"a.jsonl": Position("1", 1, "unchanged")})
    assert close(house, two) == 0
    assert set(states(house).values()) == {
        "current"
    }  # a.jsonl was not read, and its documents are not removed
    with house.engine.begin() as conn:
        job_states.set_job_state(conn, one, "cancelled")
    assert unchanged(news(house)) == set()  # its documents were not processed


def test_an_interrupted_job_is_found_by_its_key(house: House) -> None:
    def interrupted() -> str | None:
        with house.engine.begin() as conn:
            return corpora.interrupted_job(conn, "k")

    assert interrupted() is None
    one, two = (house.job(enqueue_key="k") for _ in range(2))
    assert interrupted() == max(one, two)
    for job in (one, two):
        close(house, job)
    assert interrupted() is None


def test_the_records_views_say_which_are_current(house: House, record: Callable[..., Item]) -> None:
    one, two = news(house), news(house)
    read(house, one, {"a": "Crude fell.", "b": "Gold rose."})
    for item in house.take():
        house.save(item, [record(item.text, "COMMODITY", item.text.split()[0])])
    read(house, two, {"a": "Crude fell much."})
    close(house, two)
    rows = house.rows("SELECT text, document_state FROM entity_mentions ORDER BY text")
    assert rows == [("Crude", "superseded"), ("Gold", "removed")]
    listed = house.rows(
        "SELECT external_id, corpus, state FROM document_metadata ORDER BY line, state"
    )
    assert listed == [
        ("a", "news", "current"), ("a", "news", "superseded"), ("b", "news", "removed")
    ]  # fmt: skip  # a row each
