"""What enqueueing writes: documents, origins, chunks and items, each once."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase
from support.threads import together

from ruie.db import job_states, queue
from ruie.db.types import storable
from ruie.errors import DatabaseError, UsageError
from ruie.records import Task


class TestEnqueue:
    def test_a_document_has_an_origin_a_chunk_and_an_item_for_each_task(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        counts = database.enqueue(
            job, {"a": "Crude fell.", "b": "Naïve 石油 rose."}, Task.NER, Task.RE
        )
        assert counts == queue.EnqueueCounts(2, 0, (), 2, 4)
        assert database.rows("SELECT chars FROM documents ORDER BY chars") == [(11,), (14,)]
        assert database.rows("SELECT external_id, source, line FROM origins ORDER BY id") == [
            ("a", "news.jsonl", 1),
            ("b", "news.jsonl", 2),
        ]
        whole = database.rows("SELECT char_start, char_end FROM chunks ORDER BY char_end")
        assert whole == [(0, 11), (0, 14)]
        assert database.states(job) == ["pending"] * 4

    def test_the_same_again_adds_nothing(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["one", "two"])
        assert database.enqueue(job, ["one", "two", "three"]) == queue.EnqueueCounts(1, 2, (), 1, 1)
        assert database.one("SELECT COUNT(*) FROM work_items") == 3

    def test_an_id_that_comes_twice_is_reported_and_the_first_stays(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        rows = [queue.NewDocument(t, "x", "f", n) for n, t in enumerate(("one", "two"), 1)]
        with database.engine.begin() as conn:
            counts = queue.enqueue_documents(conn, job, rows, [Task.NER])
        assert (counts.added, counts.known, counts.duplicates) == (1, 0, (1,))
        assert database.rows("SELECT text FROM documents") == [("one",)]

    def test_one_text_from_two_places_is_one_document_with_two_origins(
        self, database: JobDatabase
    ) -> None:
        first, second = database.job(), database.job()
        counts = database.enqueue(first, {"a": "same", "b": "same"})
        assert (counts.added, counts.new_documents, counts.new_items) == (2, 1, 1)
        again = database.enqueue(second, {"c": "same"})
        assert (again.added, again.new_documents, again.new_items) == (1, 0, 1)
        assert database.one("SELECT COUNT(*) FROM origins") == 3

    def test_what_no_database_can_hold_is_replaced_and_offsets_hold(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        database.enqueue(job, {"a": "a\x00b \ud800 石"})
        (item,) = database.take()
        assert item.text == "a\ufffdb \ufffd 石" == storable("a\x00b \ud800 石")

    def test_a_job_that_ended_takes_no_documents(self, database: JobDatabase) -> None:
        job = database.job()
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        with pytest.raises(DatabaseError, match="is cancelled"):
            database.enqueue(job, ["x"])
        with pytest.raises(DatabaseError, match="does not exist"):
            database.enqueue("job_none", ["x"])

    def test_eae_follows_ed_and_is_not_enqueued(self, database: JobDatabase) -> None:
        with pytest.raises(UsageError):
            database.enqueue(database.job(), ["x"], Task.EAE)

    def test_two_writers_of_the_same_texts_make_each_once(self, database: JobDatabase) -> None:
        texts = {str(n): f"text {n}" for n in range(300)}
        made = [database.job(), database.job()]
        together(
            lambda: database.enqueue(made[0], texts),
            lambda: database.enqueue(made[1], dict(reversed(texts.items()))),
        )
        assert database.one("SELECT COUNT(*) FROM documents") == 300
        assert database.one("SELECT COUNT(*) FROM work_items") == 600
