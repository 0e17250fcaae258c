"""The pages of reviews without a browser: what is stored, what is refused, what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from support.job_database import JobDatabase
from support.review_job import SCHEMA, TEXTS
from support.waiting import wait_until

from ruie.db import jobs, reviews
from ruie.db.engine import reading
from ruie.db.record_pages import document_records
from ruie.db.review_progress import agreement, reviewed_documents
from ruie.records import Task
from ruie.scoring import Score
from ruie.settings import Settings
from ruie.worker import reviewing
from ruie.worker.client import Client
from ruie.worker.web.app import build_app

LEEDS = {"type": "PLACE", "text": "Leeds", "start": 24, "end": 29}
ORBIS = {"type": "ORGANISATION", "text": "Orbis", "start": 0, "end": 5}


@pytest.fixture
def pages(engine: Engine, config: Settings) -> Iterator[TestClient]:
    with TestClient(build_app(config, Client(config, engine)), "http://127.0.0.1") as client:
        yield client


@pytest.fixture
def save(pages: TestClient, job: str) -> Any:
    """Sends a review as the editor does."""
    token = re.search(r'name="csrf-token" content="([^"]+)"', pages.get("/review").text)
    assert token

    def send(records: Any, base: int | None = None, document: int = 1, **more: Any) -> Any:
        return pages.post(
            f"/review/{job}/documents/{document}/save",
            json={"base": base, "records": records, "reviewer": "Ada", **more},
            headers={"X-CSRF-Token": token[1]},
        )

    return send


def test_a_review_is_stored_as_an_import_stores_it(
    save: Any, engine: Engine, job: str, pages: TestClient
) -> None:
    answer = save({"entities": [ORBIS, LEEDS], "events": []})
    assert answer.status_code == 200, answer.text
    with reading(engine) as conn:
        (review,) = reviews.current_reviews(conn, job)
    assert (review.reviewer, review.tasks) == ("Ada", ["NER", "ED"])
    assert review.id == answer.json()["review"]
    (document,) = document_records(engine, job, document=1)
    assert [(e.type, e.span.text, e.source) for e in document.entities] == [
        ("ORGANISATION", "Orbis", "person"), ("PLACE", "Leeds", "person")
    ]  # fmt: skip  # one line
    sent = pages.get(f"/review/{job}/documents/1/records").json()
    assert sent["review"]["reviewer"] == "Ada"
    assert sent["tasks"] == {"NER": True, "RE": False, "ED": True}
    # an exported row, imported, is this review
    with reading(engine) as conn:
        known = jobs.get_job(conn, job)
    again = reviewing.store_review(engine, known, document, review.body, "Bo", None)
    assert isinstance(again, reviews.Review)
    assert (again.id, again.reviewer) == (review.id, "Ada")


def test_a_review_that_was_overtaken_is_not_stored(save: Any, engine: Engine, job: str) -> None:
    first = save({"entities": [ORBIS]}).json()["review"]
    refused = save({"entities": [LEEDS]})
    assert refused.status_code == 409
    assert refused.json()["review"]["id"] == first
    assert refused.json()["records"]["entities"] == [{**ORBIS, "source": "person"}]
    assert save({"entities": [ORBIS]}).json()["review"] == first, "both say the same"
    second = save({"entities": [LEEDS]}, base=first).json()["review"]
    assert save({"entities": []}, base=first).status_code == 409
    with reading(engine) as conn:
        assert [r.id for r in reviews.current_reviews(conn, job)] == [second]


def test_of_many_who_save_at_once_one_does(save: Any, engine: Engine, job: str) -> None:
    places = [{**LEEDS, "text": "Leeds"[:end], "end": 24 + end} for end in range(1, 6)]
    with ThreadPoolExecutor(len(places)) as pool:
        answers = list(pool.map(lambda place: save({"entities": [place]}), places))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    with reading(engine) as conn:
        (review,) = reviews.current_reviews(conn, job)
    (stored,) = (answer.json()["review"] for answer in answers if answer.status_code == 200)
    assert review.id == stored


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"entities": [{**LEEDS, "end": 28}]}, "but the annotation says 'Leeds'"),
        ({"entities": [{**LEEDS, "end": 1000}]}, "are outside the text"),
        ({"entities": [{**LEEDS, "type": "SHIP"}]}, "the type 'SHIP' (NER) is not in the schema"),
        ({"events": [{"type": "Opening", "trigger": LEEDS,
                      "arguments": [{**LEEDS, "role": "Who"}]}]}, "the role 'Who' of 'Opening'"),
        ({"relations": [{"type": "owned_by", "head": LEEDS}]}, "'tail' is missing"),
        ({"entities": "none"}, "'entities' is not a list"),
        ({}, "Nothing is marked as reviewed."),
        ([], "What was sent is no review."),
    ],
)  # fmt: skip  # one case a line
def test_a_wrong_review_is_refused_with_the_reason(
    save: Any, engine: Engine, records: Any, said: str
) -> None:
    answer = save(records)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert answer.json()["hint"]
    with reading(engine) as conn:
        assert list(reviews.current_reviews(conn)) == []


def test_a_document_of_another_job_is_not_reviewed(save: Any, pages: TestClient, job: str) -> None:
    assert save({"entities": []}, document=99).status_code == 400
    assert pages.get(f"/review/{job}/documents/99").status_code == 404
    assert pages.get("/review/job_0000000000/documents/1").status_code == 404


def test_reviewed_agreement_and_scores_are_in_sight(
    save: Any, pages: TestClient, engine: Engine, job: str
) -> None:
    save({"entities": [ORBIS, LEEDS], "relations": [], "events": []})
    with reading(engine) as conn:
        assert reviewed_documents(conn) == {job: 1}
        listed = {(one.task, one.type): one for one in agreement(conn, job)}
    assert {key: one.score.matched for key, one in listed.items()} == {
        ("NER", "ORGANISATION"): 0, ("NER", "PLACE"): 0
    }  # fmt: skip  # one line
    with reading(engine) as conn:
        scores = reviewing.score(engine, jobs.get_job(conn, job))
    assert sum((one.score for one in listed.values()), Score()) == scores.tasks[Task.NER]
    shown = pages.get(f"/review/{job}").text
    assert "1 of 5 documents reviewed" in shown
    assert ">ORGANISATION</th>" in pages.get(f"/review/{job}/agreement").text
    assert ">works</a>" in pages.get("/review").text


def test_the_queue_is_that_of_review_sample_without_what_is_reviewed(
    save: Any, pages: TestClient, job: str
) -> None:
    listed = re.findall(r"/documents/(\d+)\"", pages.get(f"/review/{job}/queue").text)
    assert sorted(listed) == ["1", "2", "3", "4", "5"]
    answer = save({"entities": []}, document=int(listed[0])).json()
    assert answer["next"].endswith(f"/documents/{listed[1]}")
    start = pages.get(f"/review/{job}/start", follow_redirects=False)
    assert start.headers["location"].endswith(f"/documents/{listed[1]}")
    shown = pages.get(f"/review/{job}/queue").text
    assert shown.count(">reviewed</span>") == 1
    anew = pages.get(f"/review/{job}/queue?anew=1").text
    assert f'/documents/{listed[0]}"' not in anew
    for number in listed[1:]:
        answer = save({"entities": []}, document=int(number)).json()
    assert answer["next"].endswith(f"/review/{job}")
    assert "Every document of the job is reviewed" in pages.get(f"/review/{job}/queue").text


def test_a_queue_survives_the_process_that_chose_it(
    pages: TestClient, save: Any, engine: Engine, config: Settings, job: str
) -> None:
    def listed(of: TestClient) -> list[str]:
        return re.findall(r"/documents/(\d+)\"", of.get(f"/review/{job}/queue").text)

    chosen = listed(pages)
    save({"entities": []}, document=int(chosen[0]))
    with TestClient(build_app(config, Client(config, engine)), "http://127.0.0.1") as other:
        start = other.get(f"/review/{job}/start", follow_redirects=False)
        assert start.headers["location"].endswith(f"/documents/{chosen[1]}")
        assert listed(other) == chosen


def test_the_table_of_jobs_says_how_many_documents_each_has(
    pages: TestClient,
    engine: Engine,
    config: Settings,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ruie.worker.web.review.SOON_S", None)
    monkeypatch.setattr("ruie.worker.web.review.PAGE", 1)
    other = JobDatabase(engine).job("empty")
    newest = pages.get("/review")
    assert other in newest.text
    assert f"after={other}" in newest.text
    assert '<td class="num">0</td>\n    <td class="num">0</td>' in newest.text
    older = pages.get(f"/review?after={other}").text
    assert job in older
    assert '<td class="num">5</td>' in older
    assert "Older jobs" not in older
    monkeypatch.setattr("ruie.worker.web.review.SOON_S", 0.0)  # what takes long is shown later
    with TestClient(build_app(config, Client(config, engine)), "http://127.0.0.1") as slow:
        rows = slow.get(f"/review?after={other}", headers={"hx-request": "true"}).text
        assert rows.startswith("<div")
        wait_until(lambda: '<td class="num">5</td>' in slow.get(f"/review?after={other}").text)


def test_a_hostile_text_and_name_are_escaped(pages: TestClient, job: str) -> None:
    shown = pages.get(f"/review/{job}/queue").text
    assert "<script>" not in shown
    assert "\u202e" not in shown
    number = list(TEXTS).index("hostile") + 1
    page = pages.get(f"/review/{job}/documents/{number}")
    assert "onerror" not in page.text, "the text comes as data alone"
    assert SCHEMA["name"] in pages.get("/review").text
