"""Learning on the page of a job with many documents: in the background, with its progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from support.finishing import finish
from support.pages_server import Page, Visitor, serving
from support.review_job import answers, reviewed_job
from support.waiting import wait_until

from ruie.db import jobs, queue, reviews
from ruie.db.engine import reading
from ruie.records import Item, Task
from ruie.settings import Settings, load
from ruie.worker import learning
from ruie.worker.ingest.enqueue import EnqueueProgress

TEXTS = {f"d{n}": f"Orbis opened plant {n} in Leeds." for n in range(7)}
BODY: dict[str, Any] = {
    "id": "d0",
    "text": TEXTS["d0"],
    "entities": [{"type": "ORGANISATION", "text": "Orbis", "start": 0, "end": 5}],
}


@pytest.fixture
def job(engine: Engine) -> str:
    """Of seven documents, one of them reviewed."""
    made = reviewed_job(engine, TEXTS)
    with engine.begin() as conn:
        digest = jobs.get_job(conn, made).schema_digest
        review = reviews.NewReview(1, [Task.NER], BODY, "Ada", None, None)
        assert reviews.save_review(conn, made, digest, review)
    return made


@pytest.fixture
def visitor(config: Settings) -> Iterator[Visitor]:
    with serving(config) as url:
        yield Visitor(url)


def test_what_takes_long_goes_on_and_shows_how_far_it_is(
    visitor: Visitor, engine: Engine, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.worker.web.review_learning.SOON_S", None)
    ready = visitor.get(f"/review/{job}/learn")
    monkeypatch.setattr("ruie.worker.web.review_learning.SOON_S", 0.0)
    first = visitor.get(f"/review/{job}/learn")
    assert "of 7 documents" in first.words
    assert f'hx-get="/review/{job}/learn"' in first.text
    wait_until(lambda: "calls asked anew" in visitor.get(f"/review/{job}/learn").words)

    page = visitor.get(f"/review/{job}")
    done = visitor.post(f"/review/{job}/learn/begin", {"digest": _digest(ready)}, page)
    assert done.status == 200
    assert "Version 1 is in force." in done.words
    assert f'hx-get="/review/{job}/learn/state"' in done.text
    state = f"/review/{job}/learn/state"
    wait_until(lambda: "7 documents are in the new job" in visitor.get(state).words)
    new = visitor.get(state).link("/jobs/").removeprefix("/jobs/")
    with reading(engine) as conn:
        assert jobs.get_job(conn, new).name == "works, version 1"
    assert new in visitor.get(state).text, "for everyone who looks"


def test_the_page_of_the_new_job_says_that_it_is_still_running(
    visitor: Visitor, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.worker.web.review_learning.SOON_S", None)
    monkeypatch.setattr("ruie.worker.web.review_standing.SOON_S", None)
    assert "still running" not in visitor.get(f"/review/{job}/agreement").words
    ready = visitor.get(f"/review/{job}/learn")
    page = visitor.get(f"/review/{job}")
    page = visitor.post(f"/review/{job}/learn/begin", {"digest": _digest(ready)}, page)
    new = page.link("/jobs/job_").removeprefix("/jobs/")
    assert new != job
    assert "The job is still running: " in page.words
    assert "items are finished" in page.words
    state = f"/review/{new}/standing"
    assert f'hx-get="{state}"' in page.text
    assert (
        "Nothing to compare yet: the job is still running"
        in visitor.get(f"/review/{new}/agreement").words
    )
    assert "hx-refresh" not in visitor.get(state).headers
    visitor.post(f"/jobs/{new}/cancel", {}, page)
    assert visitor.get(state).headers["hx-refresh"] == "true"
    assert "still running" not in visitor.get(f"/review/{new}").words


def test_the_scores_of_the_new_job_stand_beside_those_before(
    visitor: Visitor, engine: Engine, job: str
) -> None:
    assert "Before and after" not in visitor.get(f"/review/{job}/agreement").words
    with reading(engine) as conn:
        asked = jobs.get_job(conn, job)
    version = learning.store(engine, learning.prepare(engine, asked))
    new = learning.ask_again(engine, asked, version, load(max_document_chars=1000)).job_id

    def learned(item: queue.LeasedItem) -> list[Item]:
        return [replace(one, type="ORGANISATION") for one in answers(item)]

    finish(engine, new, learned)
    page = visitor.get(f"/review/{new}/agreement")
    both = "Before and after, over the 1 reviewed document that works and this job have both ended"
    assert both in page.words
    assert "Entities 0.00 1.00 +1.00" in page.words
    assert page.link("/review/job_") == f"/review/{job}"


def test_where_nothing_goes_on_the_state_says_so(visitor: Visitor, job: str) -> None:
    assert "Nothing is being enqueued here." in visitor.get(f"/review/{job}/learn/state").words


class _CutOffError(BaseException):
    """The process ends."""


def _cut_off(progress: EnqueueProgress) -> None:
    if progress.documents:
        raise _CutOffError


def test_asking_again_goes_on_where_it_was_cut_off(
    engine: Engine, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.worker.ingest.input_batches.BATCH_ROWS", 3)
    with reading(engine) as conn:
        asked = jobs.get_job(conn, job)
    version = learning.store(engine, learning.prepare(engine, asked))
    config = load(max_document_chars=1000)
    with pytest.raises(_CutOffError):
        learning.ask_again(engine, asked, version, config, _cut_off)
    done = learning.ask_again(engine, asked, version, config)
    assert (done.continued, done.documents, done.new_documents) == (True, 7, 0)
    assert done.items == 3 * 4, "those of the four that were left"
    again = learning.ask_again(engine, asked, version, config)
    assert again.job_id != done.job_id, "what ended is not continued"

    with pytest.raises(_CutOffError):
        learning.ask_again(engine, asked, version, config, _cut_off)
    with reading(engine) as conn:
        (left,) = (
            one
            for one in jobs.list_jobs(conn, "running")
            if one.enqueued_at is None and one.id != job
        )
    other = learning.ask_again(engine, asked, version + 1, config)
    with reading(engine) as conn:
        assert jobs.get_job(conn, left.id).state == "cancelled"
    assert (other.job_id != left.id, other.documents) == (True, 7)


def _digest(page: Page) -> str:
    return page.text.split('name="digest" value="')[1].split('"')[0]
