"""SQL, the fleet and hostile contents in `ruie web`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest
from support import news
from support.web_site import Site, document

from ruie.db import jobs, queue
from ruie.worker.schedules import Schedules


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


def test_a_query_has_an_address(site: Site) -> None:
    page = site.get("/sql")
    sent = {"csrf_token": page.csrf, "sql": "SELECT 'a & ü' AS said", "kind": "bar"}
    answer = site.visitor.send("POST", "/sql", sent)
    assert answer.status == 303
    shared = site.get(answer.headers["location"])
    assert "said a & ü" in shared.words
    assert '<option value="bar" selected>' in shared.text
    assert page.csrf not in answer.headers["location"]
    written = site.visitor.get("/sql?" + urlencode({"sql": "DELETE FROM jobs"}))
    assert written.status == 400
    elsewhere = site.get(answer.headers["location"], sec_fetch_site="cross-site")
    assert "1 row in" not in elsewhere.words, "another site may not have it run"
    assert "SELECT &#39;a &amp; ü&#39;" in elsewhere.text


def test_a_query_that_is_too_long_for_an_address_has_one_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.worker.web.long_queries.MOST", 2)
    page = site.get("/sql")
    places = []
    for number in range(3):
        sql = f"SELECT {number} AS n, '{'x' * 20_000}' AS long"
        places.append(
            site.visitor.send("POST", "/sql", {"csrf_token": page.csrf, "sql": sql}).headers[
                "location"
            ]
        )
    assert all(len(place) < 100 for place in places)
    assert "1 row in" in site.get(places[2]).words
    gone = site.visitor.get(places[0])
    assert gone.status == 404
    assert "This query is not kept any longer." in gone.words


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
                 document(site, evil, job), f"/documents/types/{job}.css", "/fleet",
                 "/sql"):  # fmt: skip
        page = site.visitor.get(path)
        assert page.status == 200, path
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
    page = site.get("/sql")
    shown = site.visitor.post("/sql", {"sql": "SELECT name FROM jobs"}, page)
    assert "&lt;script&gt;alert(1)" in shown.text
    assert "<script>alert" not in shown.text
