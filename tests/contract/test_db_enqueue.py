"""What enqueueing writes: documents, origins, chunks and items, each once."""

from __future__ import annotations

import pytest
from support.house import House
from support.threads import together

from ruie.db import job_states, queue
from ruie.db.types import storable
from ruie.errors import DatabaseError, UsageError
from ruie.records import Task


class TestEnqueue:
    def test_a_document_has_an_origin_a_chunk_and_an_item_for_each_task(self, house: House) -> None:
        job = house.job()
        counts = house.enqueue(
            job, {"a": "Crude fell.", "b": "Naïve 石油 rose."}, Task.NER, Task.RE
        )
        assert counts == queue.EnqueueCounts(2, 0, (), 2, 4)
        assert house.rows("SELECT chars FROM documents ORDER BY chars") == [(11,), (14,)]
        assert house.rows("SELECT external_id, source, line FROM origins ORDER BY id") == [
            ("a", "news.jsonl", 1),
            ("b", "news.jsonl", 2),
        ]
        whole = house.rows("SELECT char_start, char_end FROM chunks ORDER BY char_end")
        assert whole == [(0, 11), (0, 14)]
        assert house.states(job) == ["pending"] * 4

    def test_the_same_again_adds_nothing(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["one", "two"])
        assert house.enqueue(job, ["one", "two", "three"]) == queue.EnqueueCounts(1, 2, (), 1, 1)
        assert house.one("SELECT COUNT(*) FROM work_items") == 3

    def test_an_id_that_comes_twice_is_reported_and_the_first_stays(self, house: House) -> None:
        job = house.job()
        rows = [queue.NewDocument(t, "x", "f", n) for n, t in enumerate(("one", "two"), 1)]
        with house.engine.begin() as conn:
            counts = queue.enqueue_documents(conn, job, rows, [Task.NER])
        assert (counts.added, counts.known, counts.duplicates) == (1, 0, (1,))
        assert house.rows("SELECT text FROM documents") == [("one",)]

    def test_one_text_from_two_places_is_one_document_with_two_origins(self, house: House) -> None:
        first, second = house.job(), house.job()
        counts = house.enqueue(first, {"a": "same", "b": "same"})
        assert (counts.added, counts.new_documents, counts.new_items) == (2, 1, 1)
        again = house.enqueue(second, {"c": "same"})
        assert (again.added, again.new_documents, again.new_items) == (1, 0, 1)
        assert house.one("SELECT COUNT(*) FROM origins") == 3

    def test_what_no_database_can_hold_is_replaced_and_offsets_hold(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, {"a": "a\x00b \ud800 石"})
        (item,) = house.take()
        assert item.text == "a\ufffdb \ufffd 石" == storable("a\x00b \ud800 石")

    def test_a_job_that_ended_takes_no_documents(self, house: House) -> None:
        job = house.job()
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        with pytest.raises(DatabaseError, match="is cancelled"):
            house.enqueue(job, ["x"])
        with pytest.raises(DatabaseError, match="does not exist"):
            house.enqueue("job_none", ["x"])

    def test_eae_follows_ed_and_is_not_enqueued(self, house: House) -> None:
        with pytest.raises(UsageError):
            house.enqueue(house.job(), ["x"], Task.EAE)

    def test_two_writers_of_the_same_texts_make_each_once(self, house: House) -> None:
        texts = {str(n): f"text {n}" for n in range(300)}
        made = [house.job(), house.job()]
        together(
            lambda: house.enqueue(made[0], texts),
            lambda: house.enqueue(made[1], dict(reversed(texts.items()))),
        )
        assert house.one("SELECT COUNT(*) FROM documents") == 300
        assert house.one("SELECT COUNT(*) FROM work_items") == 600
