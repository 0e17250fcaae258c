"""Documents of a page are in the order of their sources, with what was given up and reviewed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine
from support import news
from support.job_database import JobDatabase

from ruie.db import queue
from ruie.db.record_order import documents_in_source_order
from ruie.db.record_pages import document_records
from ruie.records import Task


def test_they_are_by_source_and_line_and_each_once(engine: Engine) -> None:
    database = JobDatabase(engine)
    job, other = database.job(), database.job("other")
    rows = [
        queue.NewDocument(f"text {name}", name, source, line)
        for name, source, line in (
            ("b2", "b.jsonl", 2), ("a10", "a.jsonl", 10), ("b1", "b.jsonl", 1),
            ("a9", "a.jsonl", 9),
        )
    ]  # fmt: skip  # a list
    twice = queue.NewDocument("text a9", "again", "b.jsonl", 9)
    with engine.begin() as conn:
        queue.enqueue_documents(conn, other, rows[::-1], (Task.NER,))
        queue.enqueue_documents(conn, job, [*rows, twice], (Task.NER,))

    def named(limit: int, document: int | None = None) -> list[str]:
        found = documents_in_source_order(engine, job, limit=limit, document=document)
        return [one.external_id for one in found]

    assert named(500) == ["a9", "a10", "b1", "b2"]
    assert named(2) == ["a9", "a10"]
    (third,) = (d.id for d in document_records(engine, job) if d.external_id == "b1")
    assert named(500, third) == ["b1"]


def test_their_records_are_those_of_the_other_exports(engine: Engine, tmp_path: Path) -> None:
    job = news.build(engine, tmp_path)
    ordered = list(documents_in_source_order(engine, job, limit=500))
    assert [one.external_id for one in ordered] == list(news.NEWS)
    plain = {one.id: one for one in document_records(engine, job)}
    assert {one.id: replace(one, given_up=(), review=None) for one in ordered} == plain
    by_name = {one.external_id: one for one in ordered}
    (given_up,) = by_name["news-7"].given_up
    assert (given_up.task, given_up.error_class, given_up.error) == (
        "NER", "output", "The answer cannot be read.",
    )  # fmt: skip  # a line
    assert [name for name, one in by_name.items() if one.given_up] == ["news-7"]
    reviewers = {name: one.review.reviewer for name, one in by_name.items() if one.review}
    assert reviewers == {"news-2": "Bo", "news-5": "Ada", "news-6": "Ada", "news-8": "Ada"}
