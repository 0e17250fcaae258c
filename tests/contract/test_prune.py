"""Pruning: what is old and not needed goes; nothing is paid for again, no sum falls."""

from __future__ import annotations

import pytest
from support.aged import NEW, OLD, RECORDS, SHOWN, AgedCorpus, gone, sums
from support.job_database import JobDatabase

from ruie.db import job_states, kept_answers, queue
from ruie.db.engine import reading
from ruie.db.pruning.parts import Kind
from ruie.db.quarantine import retry_quarantined
from ruie.errors import OutputError


@pytest.fixture
def corpus(database: JobDatabase) -> AgedCorpus:
    return AgedCorpus(database)


def test_no_sum_falls_and_what_is_current_stays(corpus: AgedCorpus) -> None:
    first, second = corpus.run(OLD), corpus.run(NEW)
    before = sums(corpus, first, second)
    removed = gone(corpus.prune())
    assert sums(corpus, first, second) == before
    assert removed == {
        "failed calls": 9, "work items of superseded documents": 3, "superseded records": 3,
    }  # fmt: skip  # by what it is
    assert corpus.rows("attempts", *RECORDS) == {
        "attempts": 0, "entities": 2, "events": 2, "event_arguments": 2,
    }  # fmt: skip  # by table
    assert gone(corpus.prune()) == {}


def test_a_dry_run_says_what_goes_and_changes_nothing(corpus: AgedCorpus) -> None:
    first, second = corpus.run(OLD), corpus.run(NEW)
    corpus.run({"a": NEW["a"]}, forced=True)
    before = sums(corpus, first, second), corpus.rows("attempts", "work_items", *RECORDS)
    planned = gone(corpus.survey())
    assert (sums(corpus, first, second), corpus.rows("attempts", "work_items", *RECORDS)) == before
    assert planned == gone(corpus.prune())


def test_a_text_that_comes_back_is_not_paid_for_again(corpus: AgedCorpus) -> None:
    corpus.run(OLD)
    corpus.run(NEW)
    corpus.count()
    corpus.prune()
    paid = len(corpus.asked)
    shown = corpus.database.rows(SHOWN)
    again = corpus.run(OLD)
    assert len(corpus.asked) == paid
    assert corpus.progress(again).done == 3
    assert ("a", "COMMODITY", "Brent") in shown
    assert corpus.database.rows(SHOWN) == [
        ("a", "COMMODITY", "Crude"), ("a", "Item", "Crude"),
        ("b", "COMMODITY", "Copper"), ("b", "Item", "Copper"),
    ]  # fmt: skip  # a record a place


def test_records_that_another_job_shows_stay(corpus: AgedCorpus) -> None:
    corpus.run(OLD)
    AgedCorpus(corpus.database, "other").run({"z": OLD["a"]})
    corpus.run(NEW)
    corpus.count()
    before = corpus.database.rows(SHOWN)
    assert gone(corpus.survey(Kind.RECORDS)) == {"work items of superseded documents": 3}
    assert gone(corpus.prune(Kind.RECORDS)) == {
        "failed calls": 3, "work items of superseded documents": 3,
    }  # fmt: skip  # by what it is
    assert corpus.database.rows(SHOWN) == before
    # once that one is superseded too, nothing shows them
    AgedCorpus(corpus.database, "other").run({"z": NEW["a"]})
    assert gone(corpus.prune(Kind.RECORDS))["superseded records"] == 3


@pytest.mark.parametrize("spoil", ["quarantine", "review", "fewer demonstrations", "older version"])
def test_superseded_records_stay_where_something_needs_them(corpus: AgedCorpus, spoil: str) -> None:
    first = corpus.run(OLD)
    schema = corpus.database.one("SELECT digest FROM schemas")
    item = f"(SELECT MIN(id) FROM work_items WHERE job_id = '{first}')"
    statements = {
        "quarantine": f"UPDATE work_items SET state = 'quarantined' WHERE id = {item}",
        "fewer demonstrations": f"UPDATE work_items SET demonstrations = 1 WHERE id = {item}",
        "older version": "UPDATE extractions SET prompt_key = NULL",
        "review": (
            "INSERT INTO reviews (document_id, schema_digest, job_id, digest, tasks, body,"
            f" created_at) SELECT document_id, '{schema}',"
            f" job_id, 'd', '[]', '{{}}', '2026-01-01 00:00:00.000000' FROM origins"
            " WHERE external_id = 'a'"
        ),
    }
    with corpus.database.engine.begin() as conn:
        conn.exec_driver_sql(statements[spoil])
    corpus.run(NEW)
    corpus.count()
    before = corpus.rows("work_items", *RECORDS)
    found = corpus.survey(Kind.RECORDS)[Kind.RECORDS]
    assert (found.goes, found.stays.total()) == ({}, 1)
    assert gone(corpus.prune(Kind.RECORDS)) == {}
    assert corpus.rows("work_items", *RECORDS) == before


def test_nothing_goes_of_jobs_that_are_not_over(corpus: AgedCorpus) -> None:
    open_job = corpus.enqueue(OLD)
    corpus.run(NEW)
    with corpus.database.engine.begin() as conn:
        job_states.set_job_state(conn, open_job, "paused")
    corpus.count()
    gone_ = gone(corpus.prune())
    assert set(gone_) <= {"failed calls"}
    assert corpus.database.states(open_job) == ["pending"] * 4


def test_failed_calls_stay_until_they_are_counted(corpus: AgedCorpus) -> None:
    job = corpus.run(OLD)
    found = corpus.survey(Kind.ATTEMPTS)[Kind.ATTEMPTS]
    assert (found.goes, dict(found.stays)) == (
        {}, {("failed calls", "not yet counted into the metrics"): 6},
    )  # fmt: skip  # what goes, what stays
    assert gone(corpus.prune(Kind.ATTEMPTS)) == {}
    before = sums(corpus, job)
    assert gone(corpus.prune(Kind.ATTEMPTS)) == {"failed calls": 6}
    assert sums(corpus, job) == before


def test_a_failed_call_whose_cost_is_unknown_has_none_afterwards(corpus: AgedCorpus) -> None:
    corpus.run(OLD)
    with corpus.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE attempts SET cost_usd = NULL WHERE id > 1")
    corpus.count()
    corpus.prune(Kind.ATTEMPTS)
    assert corpus.database.rows("SELECT calls, cost_usd FROM pruned_attempts") == [(6, 0.25)]
    with corpus.database.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM pruned_attempts")
    AgedCorpus(corpus.database, None).run({"c": "Gold fell now."})
    with corpus.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE attempts SET cost_usd = NULL")
    corpus.count()
    corpus.prune(Kind.ATTEMPTS)
    assert corpus.database.rows("SELECT calls, cost_usd FROM pruned_attempts") == [(3, None)]


def test_of_equal_prompts_the_raw_answer_that_is_found_stays(corpus: AgedCorpus) -> None:
    corpus.run(OLD)
    AgedCorpus(corpus.database, None).run({"x": OLD["a"] + " "})
    found = corpus.survey(Kind.RAW)[Kind.RAW]
    needed = ("raw answers", "the same prompt is answered with them, unpaid")
    assert found.stays == {needed: 6}
    assert gone(corpus.prune(Kind.RAW)) == {"raw answers": 3, "raw answers of failed calls": 6}
    assert corpus.database.one("SELECT COUNT(*) FROM extractions WHERE raw_output <> ''") == 6
    with reading(corpus.database.engine) as conn:
        key = f"p NER  {OLD['a']}"
        assert kept_answers.find_kept(conn, [key])[key].text == f"NER of {OLD['a']}"
    assert gone(corpus.prune(Kind.RAW)) == {}


def test_prompts_in_quarantine_go_and_their_items_can_be_retried(corpus: AgedCorpus) -> None:
    job = corpus.enqueue(OLD)
    items = corpus.database.take(job)
    with corpus.database.engine.begin() as conn:
        for item in items:
            prompt = [{"role": "user", "content": item.text}]
            queue.quarantine(conn, item, OutputError("nothing"), raw_output="?", prompt=prompt)
    assert gone(corpus.survey(Kind.RAW)) == {}  # somebody may still look
    with corpus.database.engine.begin() as conn:
        job_states.close_jobs(conn)
    assert gone(corpus.prune(Kind.RAW)) == {"prompts in quarantine": 4}
    with corpus.database.engine.begin() as conn:
        assert retry_quarantined(conn, job) == 4
    corpus.run({})
    assert corpus.progress(job).quarantined == 0


def test_cancelled_items_and_what_nothing_is_in_go(corpus: AgedCorpus) -> None:
    cancelled = corpus.enqueue(OLD)
    with corpus.database.engine.begin() as conn:
        job_states.set_job_state(conn, cancelled, "cancelled")
    empty = [corpus.run({}) for _ in range(3)]
    before = corpus.progress(cancelled)
    assert gone(corpus.prune(Kind.JOBS)) == {"cancelled work items": 4, "jobs without anything": 2}
    assert corpus.progress(cancelled) == before
    left = {row[0] for row in corpus.database.rows("SELECT id FROM jobs")}
    assert left == {cancelled, empty[-1]}  # with which the next run compares
    assert corpus.database.rows(
        f"SELECT task, items, cancelled, documents FROM job_progress WHERE job_id = '{cancelled}'"
        " ORDER BY task"
    ) == [("ED", 2, 2, 2), ("NER", 2, 2, 2)]


def test_sources_are_compared_with_until_a_later_run(corpus: AgedCorpus) -> None:
    first, second = corpus.run(OLD), corpus.run(NEW)
    alone = AgedCorpus(corpus.database, None).run(OLD)
    with corpus.database.engine.begin() as conn:
        for job in (first, second, alone):
            conn.exec_driver_sql(
                "INSERT INTO job_sources (job_id, source, fingerprint, position, state, read_at)"
                f" VALUES ('{job}', 'a', '', 1, 'done', '2026-01-01 00:00:00.000000'),"
                f" ('{job}', 'b', '', 1, 'done', '2026-01-01 00:00:00.000000')"
            )
    assert gone(corpus.survey(Kind.JOBS)) == {"sources of ended jobs": 4}
    assert gone(corpus.prune(Kind.JOBS)) == {"sources of ended jobs": 4}
    assert {row[0] for row in corpus.database.rows("SELECT job_id FROM job_sources")} == {second}
