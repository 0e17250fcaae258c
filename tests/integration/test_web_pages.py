"""The pages of `ruie web` over both databases: what they show and what they do."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from support import news
from support.pages_server import Page, Visitor, serving
from support.waiting import wait_until

from ruie.db import jobs, queue
from ruie.db.engine import open_engine, reading
from ruie.db.reader import make_reader
from ruie.db.reviews import find_document
from ruie.db.search_index import index_for
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.schedules import Schedules


@dataclass(frozen=True)
class Site:
    """A running site over the database of news. job: the one that was reviewed."""

    visitor: Visitor
    client: Client
    job: str

    def get(self, path: str, **headers: str) -> Page:
        page = self.visitor.get(path, **headers)
        assert page.status == 200, page.text
        return page

    def named(self, name: str) -> str:
        return next(job.id for job in self.client.jobs() if job.name == name)


@pytest.fixture(autouse=True)
def _everything_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ruie.worker.web.jobs.SOON_S", None)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    engine = open_engine(database_url)
    job = news.build(engine, tmp_path)
    query_url = _reader_url(engine)
    config = load(database_url=database_url, query_database_url=query_url, redis_url="")
    with serving(config) as url, Client(config) as client:
        yield Site(Visitor(url), client, job)
    engine.dispose()


def _reader_url(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return ""
    return make_reader(engine, "web_reader", "secret").render_as_string(hide_password=False)


def test_the_list_of_jobs(site: Site) -> None:
    page = site.get("/jobs")
    for said in ("oil", "oil large", "oil again", "done", "3.2 % given up", "0.0032 USD"):
        assert said in page.words
    assert "There are no jobs" not in page.words
    assert "No job is paused." in site.get("/jobs?state=paused").words


def test_a_database_without_jobs(database_url: str) -> None:
    with serving(load(database_url=database_url)) as url:
        visitor = Visitor(url)
        assert "There are no jobs yet." in visitor.get("/jobs").words
        assert "There are no documents yet." in visitor.get("/documents").words
        assert "No endpoint was called yet." in visitor.get("/fleet").words


def test_jobs_are_listed_page_by_page(site: Site) -> None:
    with site.client.engine.begin() as conn:
        known = jobs.get_job(conn, site.job)
        for number in range(30):
            new = jobs.NewJob(
                name=f"job {number}", schema_name=known.schema_name, schema_body=known.schema_body,
                schema_digest=known.schema_digest, model="small", endpoint=known.endpoint,
                prompt_version="1", settings=known.settings,
            )  # fmt: skip  # a job
            jobs.create_job(conn, new)
    path, listed = "/jobs", []
    while path:
        page = site.get(path)
        listed += [job for job in site.client.jobs() if f'href="/jobs/{job.id}"' in page.text]
        path = page.link("/jobs?after=") if "Older jobs" in page.text else ""
    assert [job.id for job in listed] == [job.id for job in site.client.jobs()]


def test_one_job(site: Site) -> None:
    page = site.get(f"/jobs/{site.job}")
    for said in ("oil-news", "100.0 % of 31 items", "1 refused", "3,100, 348", "3.2 %",
                 "1 item; 5.0 % tolerated", "The answer cannot be read."):  # fmt: skip
        assert said in page.words
    fragment = site.get(f"/jobs/{site.job}", hx_request="true")
    assert "<html" not in fragment.text
    assert 'id="live"' in fragment.text


def test_what_takes_long_to_count_is_shown_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.worker.web.jobs.SOON_S", 0.0)
    wait_until(lambda: "0.0032 USD" in site.get("/jobs").words)
    wait_until(lambda: "100.0 % of 31 items" in site.get(f"/jobs/{site.job}").words)


def test_pausing_resuming_and_cancelling(site: Site) -> None:
    job = _waiting(site)
    page = site.get(f"/jobs/{job}")
    page = site.visitor.post(f"/jobs/{job}/pause", {}, page)
    assert "The job is paused; calls in flight end." in page.words
    assert site.client.job(job).state == "paused"
    page = site.visitor.post(f"/jobs/{job}/resume", {}, page)
    assert site.client.job(job).state == "running"
    page = site.visitor.post(f"/jobs/{job}/cancel", {}, page)
    assert "The job is cancelled; its records stay." in page.words
    assert site.client.job(job).state == "cancelled"
    refused = site.visitor.post(f"/jobs/{job}/resume", {}, page)
    assert refused.status == 409
    assert f"The job {job} is cancelled and cannot become running." in refused.words


def test_raising_the_cap(site: Site) -> None:
    job = _waiting(site)
    priced = site.client.config
    assert priced.llm_prices == {}
    page = site.get(f"/jobs/{job}")
    wrong = site.visitor.post(f"/jobs/{job}/cap", {"usd": "lots"}, page)
    assert wrong.status == 400
    assert "'lots' is no amount." in wrong.words
    done = site.visitor.post(f"/jobs/{job}/cap", {"usd": ""}, page)
    assert "has no cap now" in done.words
    assert site.client.job(job).cap_nusd is None


def test_retrying_a_class_of_errors(site: Site) -> None:
    page = site.get(f"/jobs/{site.job}/quarantine?error_class=output")
    assert "Retry all of output" in page.words
    assert "news-7" in page.words
    done = site.visitor.post(f"/jobs/{site.job}/retry", {"error_class": "output"}, page)
    assert "1 items are tried again." in done.words
    assert site.client.job(site.job).state == "running"
    assert site.client.quarantined(site.job) == []
    assert "Nothing was given up" in site.get(f"/jobs/{site.job}/quarantine").words


def test_an_item_that_was_given_up(site: Site) -> None:
    listed = site.get(f"/jobs/{site.job}/quarantine")
    page = site.get(listed.link(f"/jobs/{site.job}/quarantine/"))
    assert "NER of news-7: output" in page.words
    assert "OPEC &lt;table&gt; 1 | 2 | 3 &lt;/table&gt;" in page.text
    assert "<table> 1 | 2" not in page.text


def test_documents_by_job_type_metadata_and_words(site: Site) -> None:
    assert _names(site, f"/documents?job={site.job}") == [f"news-{n}" for n in range(1, 9)]
    assert _names(site, f"/documents?job={site.job}&type=COUNTRY") == [
        "news-2", "news-4", "news-5", "news-8",
    ]  # fmt: skip
    assert _names(site, f"/documents?job={site.job}&type=member_of") == ["news-2", "news-4"]
    assert _names(site, f"/documents?job={site.job}&type=Movement&key=outlet&value=Herald") == [
        "news-5", "news-8",
    ]  # fmt: skip
    assert _names(site, f"/documents?job={site.job}&key=date&value=2026-01-19") == ["news-6"]
    assert _names(site, f"/documents?job={site.job}&key=missing") == []


def test_documents_by_their_words_the_best_first(site: Site) -> None:
    index_for(site.client.engine, 60)
    page = site.get(f"/documents?job={site.job}&words=copper")
    assert "1 document has these words" in page.words
    assert '<mark class="hit">Copper</mark>' in page.text
    both = site.get(f"/documents?job={site.job}&words=exports+-japan&key=outlet&value=Herald")
    assert {name for name in ("news-4", "news-5", "news-8") if name in both.words} == {
        "news-4", "news-5", "news-8",
    }  # fmt: skip
    assert site.visitor.get("/documents?words=-").status == 400


def test_documents_page_by_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ruie.worker.web.documents.PAGE", 3)
    for start in (f"/documents?job={site.job}", "/documents"):
        path, names = start, []
        while path:
            page = site.get(path)
            names += _listed(page)
            path = (
                page.link("/documents?").replace("&amp;", "&") if 'rel="next"' in page.text else ""
            )
            if path:
                path = _next(page)
        assert len(names) == (8 if "job=" in start else 11)
    assert _listed(site.get(f"/documents?job={site.job}"))[:1] == ["news-1"]


def test_a_rare_type_is_looked_for_in_bounded_steps(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.db.document_pages.SCANNED", 3)
    page = site.get(f"/documents?job={site.job}&type=member_of")
    assert _listed(page) == ["news-2"]
    assert "3 documents were looked through for these." in page.words
    page = site.get(_next(page))
    assert _listed(page) == ["news-4"]
    last = site.get(_next(page))
    assert _listed(last) == []
    assert 'rel="next"' not in last.text


def test_a_document_with_its_records(site: Site) -> None:
    page = site.get(_document(site, "news-4"))
    for said in ("Organization of the Petroleum Exporting Countries", "member_of", "Cut", "Who",
                 "outlet", "Herald"):  # fmt: skip
        assert said in page.words
    # the trigger's span first, then those of its arguments: what a script joins
    assert 'data-places="75-78 0-4 79-86"' in page.text
    assert 'data-span="13-62"' in page.text
    reviewed = site.get(_document(site, "news-5"))
    assert "Reviewed by Ada" in reviewed.words
    assert "a person's review" in reviewed.words


def test_the_colours_of_types_are_a_style_sheet(site: Site) -> None:
    page = site.get(f"/documents/types/{site.job}.css")
    assert page.headers["content-type"].startswith("text/css")
    assert "--h:" in page.text


def test_where_a_record_comes_from(site: Site) -> None:
    page = site.get(_document(site, "news-4"))
    call = site.get(page.link("/documents/calls/"))
    for said in ("small", "0.0001 USD", "100 in, 10 out", "0.25 s", "buster-12", "not known here",
                 "Find the named entities in the sentence.", "cannot be told"):  # fmt: skip
        assert said in call.words
    assert site.visitor.get("/documents/calls/999999").status == 404


def test_what_is_not_there_is_said(site: Site) -> None:
    assert "There is no job job_none." in site.visitor.get("/jobs/job_none").words
    assert site.visitor.get("/documents/999999").status == 404
    assert site.visitor.get("/nothing").status == 404


def test_a_question_and_its_rows(site: Site) -> None:
    page = site.get("/sql?question=1")
    assert "name_key = 'crude oil'" in page.text.replace("&#39;", "'")
    sql = (
        "SELECT job_id, document_id, type, char_start AS at FROM entity_mentions ORDER BY type, at"
    )
    done = site.visitor.post("/sql", {"sql": sql, "kind": "bar", "label": "type"}, page)
    assert "COMMODITY" in done.words
    assert 'href="/documents/' in done.text
    assert done.text.count("<rect") > 5


def test_a_query_that_writes_is_refused(site: Site) -> None:
    page = site.get("/sql")
    for sql in ("DELETE FROM jobs", "SELECT nothing FROM jobs", ""):
        refused = site.visitor.post("/sql", {"sql": sql}, page)
        assert refused.status == 400
        assert 'role="alert"' in refused.text
    assert len(site.client.jobs()) == 3


def test_csv_and_parquet(site: Site) -> None:
    page = site.get("/sql")
    sql = "SELECT external_id AS id, chars FROM document_metadata WHERE chars > 40 ORDER BY 1, 2"
    csv = site.visitor.post("/sql/file.csv", {"sql": sql}, page)
    assert csv.headers["content-disposition"] == 'attachment; filename="ruie.csv"'
    assert csv.text.splitlines()[:2] == ["id,chars", "news-1,41"]
    parquet = site.visitor.post("/sql/file.parquet", {"sql": sql}, page)
    table = pq.read_table(io.BytesIO(parquet.content))
    assert table.to_pylist()[0] == {"id": "news-1", "chars": 41}
    assert site.visitor.post("/sql/file.csv", {"sql": "DROP TABLE jobs"}, page).status == 400


def test_the_fleet(site: Site) -> None:
    page = site.get("/fleet")
    for said in ("none is alive", "0 processes hold 0 items", "not configured", "None."):
        assert said in page.words


def test_schedules_with_their_runs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "oil.yaml").write_text(json.dumps(news.SCHEMA), encoding="utf-8")
    schedules = Schedules(site.client)
    schedules.add("every night", "0 2 * * *", "UTC", [tmp_path / "x.jsonl"], tmp_path / "oil.yaml")
    assert "every night" in site.get("/fleet").words
    page = site.get("/fleet/schedules/every%20night")
    assert "0 2 * * *" in page.words
    assert "It has not run yet." in page.words
    page = site.visitor.post("/fleet/schedules/every%20night/run", {}, page)
    assert "It is due now" in page.words
    site.visitor.post("/fleet/schedules/every%20night/disable", {}, page)
    assert schedules.runs("every night")[0].next_due_at is None
    site.visitor.post("/fleet/schedules/every%20night/enable", {}, page)
    one, runs = schedules.runs("every night")
    assert one.next_due_at is not None
    assert [run.state for run in runs] == ["due"]


def test_hostile_names_are_shown_and_do_nothing(site: Site) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    with site.client.engine.begin() as conn:
        known = jobs.get_job(conn, site.job)
        body = {**news.SCHEMA, "entities": {evil: ""}}
        new = jobs.NewJob(
            name=evil, schema_name=evil, schema_body=body, schema_digest="e" * 64, model=evil,
            endpoint=known.endpoint, prompt_version="1", settings=known.settings, corpus=evil,
        )  # fmt: skip  # a job
        job = jobs.create_job(conn, new)
        row = queue.NewDocument(evil, evil, evil, 1, {evil: evil})
        queue.enqueue_documents(conn, job, [row], news.TASKS)
    for path in ("/jobs", f"/jobs/{job}", f"/documents?job={job}", "/documents?words=alert",
                 _document(site, evil, job), f"/documents/types/{job}.css", "/fleet",
                 "/sql"):  # fmt: skip
        page = site.visitor.get(path)
        assert page.status == 200, path
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
    page = site.get("/sql")
    shown = site.visitor.post("/sql", {"sql": "SELECT name FROM jobs"}, page)
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "<script>alert" not in shown.text


def _waiting(site: Site) -> str:
    """A job that runs, with an item that waits."""
    with site.client.engine.begin() as conn:
        known = jobs.get_job(conn, site.job)
        new = jobs.NewJob(
            name="waits", schema_name=known.schema_name, schema_body=known.schema_body,
            schema_digest=known.schema_digest, model="small", endpoint=known.endpoint,
            prompt_version="1", settings=known.settings,
        )  # fmt: skip  # a job
        job = jobs.create_job(conn, new)
        queue.enqueue_documents(conn, job, [queue.NewDocument("Tin rose.", "a", None, None, {})],
                                news.TASKS)  # fmt: skip
        jobs.finish_enqueueing(conn, job)
    return job


def _document(site: Site, name: str, job: str = "") -> str:
    with reading(site.client.engine) as conn:
        found = find_document(conn, job or site.job, name)
    assert found
    return f"/documents/{found[0]}?job={job or site.job}"


def _listed(page: Page) -> list[str]:
    return re.findall(r'<h2><a href="/documents/[^"]*">([^<]*)</a>', page.text)


def _names(site: Site, path: str) -> list[str]:
    return _listed(site.get(path))


def _next(page: Page) -> str:
    found = re.search(r'rel="next" href="([^"]*)"', page.text)
    assert found
    return unescape(found[1])
