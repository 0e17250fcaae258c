"""What is in quarantine, and how it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update
from support.job_database import JobDatabase

from ruie.db import job_states, jobs, quarantine, queue
from ruie.db.models import attempts, work_items
from ruie.errors import DatabaseError, OutputError, TransientCallError, TruncatedError
from ruie.records import Item, Task

PROMPT = [{"role": "user", "content": "Sentence: a"}, {"role": "assistant", "content": "None"}]


def give_up(database: JobDatabase, job: str, *errors: Exception) -> list[queue.LeasedItem]:
    """Enqueue a document for each error, and put its item into quarantine with it."""
    database.enqueue(job, {f"doc-{n}": f"text {n}" for n in range(len(errors))})
    items: list[queue.LeasedItem] = database.take(job)
    with database.engine.begin() as conn:
        for item, error in zip(items, errors, strict=True):
            queue.quarantine(conn, item, error, raw_output="?\n??", prompt=PROMPT)
    return items


def failed_call(
    database: JobDatabase, item: queue.LeasedItem, attempt: int, **changes: Any
) -> None:
    values = {
        "work_item_id": item.id,
        "job_id": item.job_id,
        "attempt": attempt,
        "error_class": "output",
        "error": "The answer cannot be read.",
        "model": "small",
        "raw_output": "???",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cost_usd": 0.0015,
    }
    with database.engine.begin() as conn:
        conn.execute(insert(attempts).values(values | changes))


class TestList:
    def test_the_newest_first_with_the_documents_name(self, database: JobDatabase) -> None:
        job = database.job()
        first, second = give_up(
            database, job, OutputError("no line"), TransientCallError("timed out")
        )
        with database.engine.connect() as conn:
            listed = quarantine.list_quarantined(conn)
        assert [(i.id, i.external_id, i.task, i.error_class, i.attempts) for i in listed] == [
            (second.id, "doc-1", Task.NER, "transient", 1),
            (first.id, "doc-0", Task.NER, "output", 1),
        ]
        assert {i.job_id for i in listed} == {job}
        assert abs((listed[0].at - datetime.now(UTC)).total_seconds()) < 60

    def test_of_one_job_of_one_class_and_not_more_than_asked_for(
        self, database: JobDatabase
    ) -> None:
        one, other = database.job(), database.job()
        give_up(database, one, OutputError("x"), OutputError("y"), TruncatedError("z"))
        give_up(database, other, OutputError("x"))
        with database.engine.connect() as conn:
            assert len(quarantine.list_quarantined(conn)) == 4
            assert len(quarantine.list_quarantined(conn, one)) == 3
            assert len(quarantine.list_quarantined(conn, one, "output")) == 2
            assert len(quarantine.list_quarantined(conn, one, limit=1)) == 1
            assert quarantine.list_quarantined(conn, "job_none") == []
            assert list(quarantine.count_quarantined(conn, one).items()) == [
                ("output", 2),
                ("truncated", 1),
            ]
            assert quarantine.count_quarantined(conn) == {"output": 3, "truncated": 1}
            assert quarantine.count_quarantined(conn, "job_none") == {}


class TestShow:
    def test_all_that_is_known(self, database: JobDatabase) -> None:
        job = database.job()
        (item,) = give_up(database, job, OutputError("no line"))
        failed_call(database, item, 1, error_class="transient", raw_output=None, cost_usd=None)
        failed_call(database, item, 2)
        with database.engine.connect() as conn:
            detail = quarantine.get_quarantined(conn, item.id)
        assert (detail.item.id, detail.model, detail.event, detail.text) == (
            item.id,
            "small",
            None,
            "text 0",
        )
        assert detail.places == (quarantine.DocumentOrigin("doc-0", "news.jsonl", 1),)
        assert detail.prompt == tuple(PROMPT)
        assert detail.raw_output == "?\n??"
        assert [(c.attempt, c.error_class, c.cost_usd) for c in detail.history] == [
            (1, "transient", None),
            (2, "output", pytest.approx(0.0015)),
        ]
        assert detail.history[1].at.tzinfo is not None

    def test_of_arguments_the_event(self, database: JobDatabase, record: Any) -> None:
        job = database.job()
        text = "Crude fell 2 %."
        database.enqueue(job, {"a": text}, Task.ED)
        (detection,) = database.take(job)
        event: Item = record(text, "Movement", "fell")
        database.save(detection, [event])
        (item,) = database.take(job)
        with database.engine.begin() as conn:
            queue.quarantine(conn, item, OutputError("x"))
            detail = quarantine.get_quarantined(conn, item.id)
        assert (detail.event, detail.prompt) == ("Movement: fell", None)

    def test_an_item_that_is_not_there_or_not_in_quarantine_is_an_error(
        self, database: JobDatabase
    ) -> None:
        database.enqueue(database.job(), ["a"])
        (item,) = database.take()
        with database.engine.connect() as conn:
            with pytest.raises(DatabaseError, match="not in quarantine: it is leased"):
                quarantine.get_quarantined(conn, item.id)
            with pytest.raises(DatabaseError, match="There is no item 99"):
                quarantine.get_quarantined(conn, 99)


class TestRetry:
    def test_they_become_as_if_new_and_their_history_stays(self, database: JobDatabase) -> None:
        job = database.job()
        (item,) = give_up(database, job, TruncatedError("cut"))
        failed_call(database, item, 1)
        with database.engine.begin() as conn:
            conn.execute(update(work_items).values(losses=2, max_tokens=512, demonstrations=2))
            assert quarantine.retry_quarantined(conn, job) == 1
        assert database.rows(
            "SELECT state, attempts, losses, max_tokens, demonstrations, model, error_class, error"
            " FROM work_items"
        ) == [("pending", 0, 0, None, None, None, None, None)]
        assert database.one("SELECT COUNT(*) FROM quarantine") == 0
        assert database.one("SELECT COUNT(*) FROM attempts") == 1
        (again,) = database.take(job)
        assert (again.id, again.attempts, again.losses) == (item.id, 1, 0)

    def test_with_another_model(self, database: JobDatabase) -> None:
        job = database.job()
        give_up(database, job, OutputError("x"), TransientCallError("y"))
        with database.engine.begin() as conn:
            assert quarantine.retry_quarantined(conn, job, "output", "large") == 1
        rows = "SELECT state, model FROM work_items ORDER BY id"
        assert database.rows(rows) == [("pending", "large"), ("quarantined", None)]

    def test_another_jobs_items_are_left_alone(self, database: JobDatabase) -> None:
        one, other = database.job(), database.job()
        give_up(database, one, OutputError("x"))
        give_up(database, other, OutputError("x"))
        with database.engine.begin() as conn:
            assert quarantine.retry_quarantined(conn, one, "nonsense") == 0
            assert quarantine.retry_quarantined(conn, one) == 1
            assert quarantine.retry_quarantined(conn, one) == 0
        assert database.states(other) == ["quarantined"]

    @pytest.mark.parametrize(
        ("before", "after"), [("done", "running"), ("paused", "paused"), ("failed", "failed")]
    )
    def test_a_done_job_runs_again_and_others_stay_as_they_are(
        self, database: JobDatabase, before: Any, after: str
    ) -> None:
        job = database.job()
        give_up(database, job, OutputError("x"))
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, before)
            assert quarantine.retry_quarantined(conn, job, "nothing") == 0
            assert jobs.get_job(conn, job).state == before
            assert quarantine.retry_quarantined(conn, job) == 1
            assert jobs.get_job(conn, job).state == after

    def test_a_cancelled_job_and_no_job_are_errors(self, database: JobDatabase) -> None:
        job = database.job()
        give_up(database, job, OutputError("x"))
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        with database.engine.begin() as conn:
            with pytest.raises(DatabaseError, match="is cancelled"):
                quarantine.retry_quarantined(conn, job)
            with pytest.raises(DatabaseError, match="no job job_none"):
                quarantine.retry_quarantined(conn, "job_none")
        assert database.states(job) == ["quarantined"]
