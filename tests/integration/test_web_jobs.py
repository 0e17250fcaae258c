"""Jobs in `ruie web`: the list, one job, what a person may do about it."""

from __future__ import annotations

import pytest
from support import news
from support.pages_server import Visitor, serving
from support.waiting import wait_until
from support.web_site import Site

from ruie.db import jobs, queue
from ruie.errors import OutputError
from ruie.settings import load


def test_the_list_of_jobs(site: Site) -> None:
    page = site.get("/jobs")
    assert "Last error" not in page.words
    for said in (
        "oil",
        "oil large",
        "oil again",
        "done",
        "3.2 % given up",
        "1 given up",
        "0.0032 USD",
    ):
        assert said in page.words
    assert "There are no jobs" not in page.words
    assert "No job is paused." in site.get("/jobs?state=paused").words


def test_the_list_says_why_a_job_is_stuck(site: Site) -> None:
    job = _waiting(site)
    with site.client.engine.begin() as conn:
        (batch,) = queue.dispatch(conn, job, 1, 1, 60)
    with site.client.engine.begin() as conn:
        (item,) = queue.lease(conn, batch.id, "worker-1", 60)
        assert queue.quarantine(conn, item, OutputError("No <answer> can be read."))
    page = site.get("/jobs")
    assert "Last error" in page.words
    assert "No <answer> can be read." in page.words
    assert 'class="given-up"' in page.text


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
    page = site.get(f"/jobs/{job}")
    wrong = site.visitor.post(f"/jobs/{job}/cap", {"usd": "lots"}, page)
    assert wrong.status == 400
    assert "'lots' is no amount." in wrong.words
    done = site.visitor.post(f"/jobs/{job}/cap", {"usd": "2.5"}, page)
    assert "The job may cost 2.5000 USD now; it is running." in done.words
    assert site.client.job(job).cap_nusd == 2_500_000_000
    done = site.visitor.post(f"/jobs/{job}/cap", {"usd": ""}, page)
    assert "has no cap now" in done.words
    assert site.client.job(job).cap_nusd is None


def test_a_job_that_has_ended_has_no_cap_to_set(site: Site) -> None:
    assert "Set the cap" in site.get(f"/jobs/{_waiting(site)}").words
    assert site.client.job(site.job).state == "done"
    assert "Set the cap" not in site.get(f"/jobs/{site.job}").words


def test_the_endpoint_is_that_of_the_calls_where_the_job_names_none(site: Site) -> None:
    with site.client.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE jobs SET endpoint = ''")
        (called,) = conn.exec_driver_sql(
            f"SELECT DISTINCT endpoint FROM extractions WHERE job_id = '{site.job}'"
            " AND source = 'model'"
        ).one()
    assert f"Endpoint {called}" in site.get(f"/jobs/{site.job}").words
    assert "Endpoint that of the workers" in site.get(f"/jobs/{_waiting(site)}").words


def test_the_longest_answer_is_said_with_that_of_a_second_try(site: Site) -> None:
    said = site.get(f"/jobs/{site.job}").words
    assert "Longest answer 256 tokens; 512 in a second try, where it is cut off" in said


def test_retrying_a_class_of_errors(site: Site) -> None:
    page = site.get(f"/jobs/{site.job}/quarantine?error_class=output")
    assert "Retry all of output" in page.words
    assert ">news-7</a>" in page.text
    shown = site.get(page.link("/documents/"))
    assert "news-7" in shown.words
    assert 'title="Named entity recognition: entities"' in page.text
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
