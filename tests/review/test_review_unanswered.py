"""What the model did not answer is no "nothing here": what the editor says of it, and saves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.pages_server import Visitor, serving
from support.review_job import SCHEMA, TEXTS, answers
from support.review_page import edit, go_to, press, saved

from ruie.db import jobs, queue, reviews
from ruie.errors import OutputError
from ruie.records import Task
from ruie.schema import Schema
from ruie.settings import Settings


@pytest.fixture
def job(engine: Engine) -> str:
    """Of one document: its entities are answered, its relations given up, its events not asked."""
    database = JobDatabase(engine)
    digest = Schema.from_body(SCHEMA).digest
    made = database.job("works", schema_name="works", schema_body=SCHEMA, schema_digest=digest)
    database.enqueue(made, {"plain": TEXTS["plain"]}, Task.NER, Task.RE, Task.ED)
    for item in database.take(made):
        if item.task is Task.NER:
            assert database.save(item, answers(item), schema_digest=digest)
        elif item.task is Task.RE:
            with engine.begin() as conn:
                assert queue.quarantine(conn, item, OutputError("unreadable"))
    return made


@pytest.fixture
def visitor(config: Settings) -> Iterator[Visitor]:
    with serving(config) as url:
        yield Visitor(url)


def test_tasks_without_an_answer_are_not_taken_as_reviewed(visitor: Visitor, job: str) -> None:
    shown = json.loads(visitor.get(f"/review/{job}/documents/1/records").text)
    assert shown["tasks"] == {"NER": True, "RE": None, "ED": None}
    assert shown["unanswered"] == {"RE": "given up", "ED": "not answered yet"}


def test_the_scores_say_what_was_given_up_and_what_is_left_out(
    visitor: Visitor, engine: Engine, job: str
) -> None:
    text = TEXTS["plain"]
    owned = {"type": "owned_by", "head": span(text, "Orbis"), "tail": span(text, "Ada Novak")}
    body = {"id": "plain", "text": text, "entities": [], "relations": [owned], "events": []}
    with engine.begin() as conn:
        digest = jobs.get_job(conn, job).schema_digest
        review = reviews.NewReview(1, [Task.NER, Task.RE, Task.ED], body, "Ada", None, None)
        assert reviews.save_review(conn, job, digest, review)
    said = visitor.get(f"/review/{job}/agreement").words
    assert "Relations 0 1 0 0.0 % 0.00 0.00 0.00" in said
    given_up = "1 of 1 reviewed document given up, in part or whole"
    assert f"{given_up}: what people found there counts as missed." in said
    left_out = "Left out, as the job has not answered them yet: tasks of 1 reviewed document."
    assert left_out in said


def span(text: str, words: str) -> dict[str, Any]:
    start = text.index(words)
    return {"text": words, "start": start, "end": start + len(words)}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_editor_says_so_and_saves_nothing_about_them(
    page: Page, address: str, engine: Engine
) -> None:
    edit(page, address, "plain")
    records = page.locator("#records")
    expect(records).to_contain_text("No answer: given up.")
    expect(records).to_contain_text("Not answered yet.")
    expect(records).not_to_contain_text("None.")
    expect(page.get_by_label("Entities are reviewed")).to_be_checked()
    expect(page.get_by_label("Relations are reviewed")).not_to_be_checked()
    expect(page.get_by_label("Events are reviewed")).not_to_be_checked()
    body = saved(page, engine, "plain")
    assert (body.get("relations"), body.get("events")) == (None, None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_person_adds_or_ticks_is_reviewed(page: Page, address: str, engine: Engine) -> None:
    edit(page, address, "plain")
    relations = page.get_by_label("Relations are reviewed")
    go_to(page, "Orbis")
    press(page, "r")
    go_to(page, "Leeds")
    press(page, "r", "1")
    expect(relations).to_be_checked()
    press(page, "Control+z")
    expect(relations).not_to_be_checked()
    press(page, "Control+y")
    page.get_by_label("Events are reviewed").check()
    expect(page.locator("#records")).to_contain_text("None.")
    body = saved(page, engine, "plain")
    assert [relation["type"] for relation in body["relations"]] == ["located_in"]
    assert body["events"] == []
