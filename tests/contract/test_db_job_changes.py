"""A job that is changed after it began: its items, and what corpora make of its answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.job_database import JobDatabase

from ruie.db import corpora, job_states, jobs, queue
from ruie.db.corpora import CorpusJob, Position
from ruie.db.job_changes import ChangedJob, JobChange, change_job
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import question_of
from ruie.decoding import Decoding
from ruie.errors import DatabaseError, OutputError, TransientCallError
from ruie.records import Task

LARGE = JobChange(model="large")


def change(database: JobDatabase, job: str, to: JobChange) -> ChangedJob:
    with database.engine.begin() as conn:
        return change_job(conn, job, to)


def get(database: JobDatabase, job: str) -> jobs.Job:
    with database.engine.begin() as conn:
        return jobs.get_job(conn, job)


def test_only_what_is_named_is_changed(database: JobDatabase) -> None:
    job = database.job(settings=JobSettings(Decoding(demonstrations=3), context="title"))
    to = JobChange("n", "large", 512, ["\n"], {"seed": 1}, 1)
    done = change(database, job, to)
    stored = get(database, job)
    assert stored == done.job
    assert (stored.name, stored.model, stored.priority) == ("n", "large", 1)
    decoding = Decoding(3, 512, stop=("\n",), parameters={"seed": 1})
    assert stored.settings == JobSettings(decoding, context="title")
    assert done.changed == {
        "name": ("oil", "n"),
        "model": ("small", "large"),
        "max_tokens": (256, 512),
        "stop": (["\n\n"], ["\n"]),
        "parameters": ({}, {"seed": 1}),
        "priority": (0, 1),
    }
    assert change(database, job, to).changed == {}
    assert change(database, job, JobChange(parameters={}, stop=())).changed.keys() == {
        "parameters",
        "stop",
    }


def test_items_that_wait_are_as_new_and_those_of_others_stay_as_they_are(
    database: JobDatabase,
) -> None:
    job, other = database.job(), database.job()
    for each in (job, other):
        database.enqueue(each, ["a", "b", "c", "d", "e"])
        taken = database.take(each)
        with database.engine.begin() as conn:
            longer = queue.Overrides(max_tokens=512)
            queue.retry(conn, taken[0], 60, OutputError("cut off"), counts=True, overrides=longer)
            queue.quarantine(conn, taken[1], OutputError("unreadable"))
            queue.release(conn, [taken[2]])
        database.save(taken[3])
        (batch,) = database.dispatch(each)
        assert batch.items == 1
    done = change(database, job, LARGE)
    assert (done.waiting, done.leased, done.done, done.quarantined) == (2, 1, 1, 1)
    sql = "SELECT state, attempts, max_tokens, batch IS NULL FROM work_items WHERE job_id = '{}'"
    waiting = [("retry", 0, None, 1), ("pending", 0, None, 1)]
    rows = database.rows(sql.format(job) + " ORDER BY id")
    assert [row for row in rows if row[0] in ("retry", "pending")] == waiting
    assert ("leased", 1, None, 1) in rows
    others = database.rows(sql.format(other) + " AND state IN ('retry', 'pending') ORDER BY id")
    assert others == [("retry", 1, 512, 1), ("pending", 0, None, 0)]
    # sent again at once, by the new settings
    assert [batch.items for batch in database.dispatch(job)] == [1]


def test_a_message_that_was_sent_before_the_change_is_void(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a"])
    (before,) = database.dispatch(job)
    change(database, job, JobChange(priority=1))
    assert database.lease(before.id) == []
    (after,) = database.dispatch(job)
    assert (after.priority, len(database.lease(after.id))) == (1, 1)


def test_another_name_or_service_tier_is_no_other_question(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b"])
    first, second = database.take(job)
    database.save(first)
    with database.engine.begin() as conn:
        queue.retry(conn, second, 60, TransientCallError("500"), counts=True)
    question = get(database, job).question
    change(database, job, JobChange(name="n", parameters={"service_tier": "flex"}))
    assert get(database, job).question == question
    assert database.one("SELECT attempts FROM work_items WHERE state = 'retry'") == 1


def test_items_keep_a_model_of_their_own(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b"])
    database.take(job)
    with database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE work_items SET model = 'medium' WHERE id = 1")
    assert change(database, job, LARGE).own_model == 1
    assert database.rows("SELECT model FROM work_items ORDER BY id") == [("medium",), (None,)]


def test_a_job_that_ended_is_not_changed(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b"])
    with database.engine.begin() as conn:
        jobs.finish_enqueueing(conn, job)
    first, second = database.take(job)
    database.save(first)
    with database.engine.begin() as conn:
        queue.quarantine(conn, second, OutputError("unreadable"))
        job_states.close_jobs(conn)
    assert change(database, job, LARGE).quarantined == 1
    done = database.job()
    with database.engine.begin() as conn:
        jobs.finish_enqueueing(conn, done)
        job_states.close_jobs(conn)
    assert change(database, done, JobChange(name="n")).job.name == "n"
    with pytest.raises(DatabaseError, match="nothing of it remains"):
        change(database, done, LARGE)
    cancelled = database.job()
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, cancelled, "cancelled")
    with pytest.raises(DatabaseError, match="is cancelled"):
        change(database, cancelled, LARGE)
    with pytest.raises(DatabaseError, match="no job job_0"):
        change(database, "job_0", LARGE)


# What later jobs of its corpus make of it


def corpus_job(database: JobDatabase, model: str, texts: Mapping[str, str]) -> tuple[str, int]:
    """A job that has read a file, and how many of its documents it adds; unchanged ones are not."""
    job = database.job(corpus="news", scope="s", model=model)
    rows = [queue.NewDocument(t, name, "a", n) for n, (name, t) in enumerate(texts.items(), 1)]
    with database.engine.begin() as conn:
        added = queue.enqueue_documents(conn, job, rows, (Task.NER,)).added
        corpora.set_positions(conn, job, {"a": Position("f", len(rows), "done")})
        jobs.finish_enqueueing(conn, job)
    return job, added


def skips_the_file(database: JobDatabase, model: str) -> bool:
    job = get(database, database.job(corpus="news", scope="s", model=model))
    with database.engine.begin() as conn:
        asked = CorpusJob(job.id, "news", job.question, False)
        return bool(corpora.unchanged_sources(conn, asked, "s", [("a", "f")]))


def test_a_job_of_which_nothing_was_asked_counts_as_asked_in_the_new_way(
    database: JobDatabase,
) -> None:
    job, _ = corpus_job(database, "small", {"a": "A.", "b": "B."})
    assert (skips_the_file(database, "small"), skips_the_file(database, "large")) == (True, False)
    change(database, job, LARGE)
    stored = get(database, job)
    assert stored.question == question_of(stored)
    assert (skips_the_file(database, "small"), skips_the_file(database, "large")) == (False, True)
    assert corpus_job(database, "large", {"a": "A.", "b": "B."})[1] == 0


@pytest.mark.parametrize("state", ["done", "leased", "quarantined"])
def test_a_job_that_was_asked_in_two_ways_counts_as_neither(
    database: JobDatabase, state: str
) -> None:
    job, _ = corpus_job(database, "small", {"a": "A.", "b": "B."})
    first, second = database.take(job)
    if state == "done":
        database.save(first)
    with database.engine.begin() as conn:
        queue.release(conn, [second])
        if state == "quarantined":
            queue.quarantine(conn, first, OutputError("unreadable"))
    change(database, job, LARGE)
    assert not skips_the_file(database, "small")
    assert not skips_the_file(database, "large")
    for model in ("small", "large"):
        assert corpus_job(database, model, {"a": "A.", "b": "B."})[1] == 2


@pytest.mark.parametrize("changed", [0, 1])
def test_documents_that_a_changed_job_or_its_successor_found_unchanged_are_read_again(
    database: JobDatabase, changed: int
) -> None:
    """The file was read by the last job with the question; of its documents one is of another."""
    first, _ = corpus_job(database, "small", {"a": "A."})
    second, added = corpus_job(database, "small", {"a": "A.", "b": "B."})
    assert added == 1
    change(database, (first, second)[changed], LARGE)
    assert not skips_the_file(database, "small")
    assert not skips_the_file(database, "large")
    texts = {"a": "A.", "b": "B."}
    assert corpus_job(database, "large", texts)[1] == 1
