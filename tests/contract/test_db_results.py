"""Results: the fence, the records at their offsets, what ED makes, and paying once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from support.job_database import JobDatabase

from ruie.db import kept_answers, queue, reused_results
from ruie.db.models import chunks, documents, extractions, origins, work_items
from ruie.records import Grounding, Item, Reject, RejectReason, Span, Task, Trigger

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."
ROLES = {"Movement": ("Item", "Difference"), "Caused": ()}


@pytest.fixture(autouse=True, params=["one", "many"])
def saver(database: JobDatabase, request: pytest.FixtureRequest) -> None:
    """Saving one result and saving many do the same."""
    database.saves_many = request.param == "many"


class TestSaving:
    def test_entities_with_their_provenance(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        job = database.job()
        database.enqueue(job, {"a": TEXT})
        (item,) = database.take()
        rejects = [Reject(RejectReason.LEAKED, "ORGANISATION: \ud800")]
        items = [record(TEXT, "COMMODITY", "Crude"), record(TEXT, "ORGANISATION", "OPEC")]
        assert database.save(item, items, rejects=rejects)
        assert database.states(job) == ["done"]
        assert database.rows(
            "SELECT type, text, char_start, char_end, grounding FROM entities ORDER BY id"
        ) == [("COMMODITY", "Crude", 0, 5, "exact"), ("ORGANISATION", "OPEC", 18, 22, "exact")]
        assert database.rows(
            "SELECT model, prompt_tokens, completion_tokens, raw_output, reused_from"
            " FROM extractions"
        ) == [("small", 100, 10, "COMMODITY: Crude", None)]
        with database.engine.connect() as conn:
            row = conn.execute(extractions.select()).one()
        assert row.demonstration_ids == ["d1", "d2"]
        assert row.rejects == [{"reason": "leaked", "raw": "ORGANISATION: \ud800"}]
        assert (float(row.cost_usd), row.latency_s) == (0.0015, 0.25)
        linked = database.one("SELECT extraction_id FROM work_items")
        assert linked == database.one("SELECT id FROM extractions")

    def test_relations_have_two_sides(self, database: JobDatabase, record: MakeRecord) -> None:
        database.enqueue(database.job(), {"a": TEXT}, Task.RE)
        (item,) = database.take()
        database.save(item, [record(TEXT, "moved_by", "Crude", "OPEC")])
        assert database.rows(
            "SELECT type, head_text, head_start, head_end, tail_text, tail_start, tail_end,"
            " tail_grounding FROM relations"
        ) == [("moved_by", "Crude", 0, 5, "OPEC", 18, 22, "exact")]

    def test_no_row_comes_twice(self, database: JobDatabase, record: MakeRecord) -> None:
        database.enqueue(database.job(), {"a": TEXT})
        (item,) = database.take()
        nowhere = Item("COMMODITY", (Span("gas"),))
        database.save(item, [record(TEXT, "COMMODITY", "Crude")] * 2 + [nowhere, nowhere])
        assert database.rows("SELECT text, char_start, grounding FROM entities ORDER BY id") == [
            ("Crude", 0, "exact"),
            ("gas", None, "none"),
        ]

    def test_a_stale_fence_writes_nothing(self, database: JobDatabase, record: MakeRecord) -> None:
        database.enqueue(database.job(), {"a": TEXT})
        (old,) = database.take()
        with database.engine.begin() as conn:
            queue.release(conn, [old])
        (new,) = database.take()
        items = [record(TEXT, "COMMODITY", "Crude")]
        assert not database.save(old, items)
        assert database.one("SELECT COUNT(*) FROM extractions") == 0
        assert database.save(new, items)
        assert not database.save(new, items)
        assert database.one("SELECT COUNT(*) FROM entities") == 1

    def test_offsets_are_in_the_document(self, database: JobDatabase, record: MakeRecord) -> None:
        """A chunk in the middle of a document: text, trigger and spans are relative to it."""
        job = database.job()
        whole = "石油. " + TEXT
        with database.engine.begin() as conn:
            _second_chunk(conn, job, whole, len("石油. "), Task.ED)
        (item,) = database.take()
        assert (item.text, item.chunk_start) == (TEXT, 4)
        database.save(item, [record(TEXT, "Movement", "fell")])
        assert database.rows("SELECT trigger_start, trigger_end FROM events") == [(10, 14)]
        (argument,) = database.take()
        assert argument.trigger == Trigger("Movement", Span("fell", 6, 10, Grounding.EXACT))
        database.save(argument, [record(TEXT, "Item", "Crude")])
        ((text, start, end),) = database.rows(
            "SELECT text, char_start, char_end FROM event_arguments"
        )
        assert whole[start:end] == text == "Crude"


class TestEvents:
    def test_each_event_with_roles_gets_one_argument_item(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        job = database.job()
        database.enqueue(job, {"a": TEXT}, Task.ED)
        (item,) = database.take()
        events = [
            record(TEXT, "Movement", "fell"),
            record(TEXT, "Movement", "met"),
            record(TEXT, "Caused", "as"),
        ]
        database.save(item, events)
        first, second = database.take()
        assert {first.task, second.task} == {Task.EAE}
        assert [i.trigger and i.trigger.span.text for i in (first, second)] == ["fell", "met"]
        assert first.event_id != second.event_id
        database.save(first, [record(TEXT, "Item", "Crude"), record(TEXT, "Difference", "2 %")])
        database.save(second, [record(TEXT, "Item", "OPEC")])
        assert database.rows(
            "SELECT v.trigger_text, a.role, a.text FROM event_arguments a"
            " JOIN events v ON v.id = a.event_id ORDER BY a.id"
        ) == [("fell", "Item", "Crude"), ("fell", "Difference", "2 %"), ("met", "Item", "OPEC")]
        assert database.states(job) == ["done"] * 3

    def test_one_key_for_two_events_gives_each_its_own_arguments(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        database.enqueue(database.job(), {"a": TEXT}, Task.ED)
        (item,) = database.take()
        database.save(item, [record(TEXT, "Movement", "fell"), record(TEXT, "Movement", "met")])
        for argument in database.take():
            database.save(argument, [record(TEXT, "Item", "Crude")], key="same")
        assert database.one("SELECT COUNT(DISTINCT event_id) FROM event_arguments") == 2


class TestPayingOnce:
    def _reuse(self, database: JobDatabase, item: queue.LeasedItem, key: str) -> bool:
        with database.engine.begin() as conn:
            paid = kept_answers.find_paid(conn, [key, "unknown"])
            return reused_results.reuse_result(conn, item, paid[key], ROLES)

    def test_nothing_is_paid_that_nobody_asked(self, database: JobDatabase) -> None:
        with database.engine.begin() as conn:
            assert kept_answers.find_paid(conn, ["x"]) == {}
            assert kept_answers.find_paid(conn, []) == {}

    def test_the_same_chunk_in_a_second_job_is_linked(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        first, second = database.job(), database.job()
        database.enqueue(first, {"a": TEXT})
        database.enqueue(second, {"b": TEXT})
        (item,) = database.take(first)
        database.save(item, [record(TEXT, "COMMODITY", "Crude")], key="k")
        (again,) = database.take(second)
        assert self._reuse(database, again, "k")
        assert not self._reuse(database, again, "k")  # the lease is over
        assert database.one("SELECT COUNT(*) FROM extractions") == 1
        assert database.one("SELECT COUNT(*) FROM entities") == 1
        assert database.states(second) == ["done"]

    def test_two_jobs_that_paid_at_once_share_the_first_answer(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        made = [database.job(), database.job()]
        for job in made:
            database.enqueue(job, {job: TEXT})
        for item in database.take():
            assert database.save(item, [record(TEXT, "COMMODITY", "Crude")], key="k")
        assert database.one("SELECT COUNT(*) FROM entities") == 1
        assert database.one("SELECT COUNT(DISTINCT extraction_id) FROM work_items") == 1

    def test_linked_events_have_argument_items_in_their_own_job(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        first, second = database.job(), database.job()
        database.enqueue(first, {"a": TEXT}, Task.ED)
        database.enqueue(second, {"b": TEXT}, Task.ED)
        (item,) = database.take(first)
        database.save(item, [record(TEXT, "Movement", "fell")], key="k")
        (argument,) = database.take(first)
        database.save(argument, [record(TEXT, "Item", "Crude")], key="ka")
        (again,) = database.take(second)
        self._reuse(database, again, "k")
        (its_argument,) = database.take(second)
        assert its_argument.event_id == argument.event_id
        self._reuse(database, its_argument, "ka")
        assert database.one("SELECT COUNT(*) FROM event_arguments") == 1
        assert [r[0] for r in database.rows("SELECT argument_text FROM event_mentions")] == [
            "Crude"
        ] * 2

    @pytest.mark.parametrize(
        ("task", "type_", "words"),
        [
            (Task.NER, "COMMODITY", ("Crude",)),
            (Task.RE, "moved_by", ("Crude", "OPEC")),
            (Task.ED, "Movement", ("fell",)),
        ],
    )
    def test_another_chunk_with_equal_text_gets_a_copy_at_its_own_offsets(
        self,
        database: JobDatabase,
        record: MakeRecord,
        task: Task,
        type_: str,
        words: tuple[str, ...],
    ) -> None:
        job = database.job()
        database.enqueue(job, {"a": TEXT}, task)
        (item,) = database.take()
        database.save(
            item, [record(TEXT, type_, *words), Item(type_, (Span("gas"),) * len(words))], "k"
        )
        with database.engine.begin() as conn:
            _second_chunk(conn, job, ">> " + TEXT, 3, task)
        (other,) = [i for i in database.take() if i.task is task]
        assert self._reuse(database, other, "k")
        (copied,) = database.rows(
            "SELECT cost_usd, prompt_tokens, reused_from FROM extractions"
            " WHERE reused_from IS NOT NULL"
        )
        assert (float(copied[0]), copied[1]) == (0.0, 0)
        table, start = {
            Task.NER: ("entities", "char_start"),
            Task.RE: ("relations", "tail_start"),
            Task.ED: ("events", "trigger_start"),
        }[task]
        at = TEXT.index(words[-1])
        starts = [r[0] for r in database.rows(f"SELECT {start} FROM {table} ORDER BY id")]
        assert starts == [at, None, at + 3, None]

    def test_a_copied_event_has_its_own_arguments(
        self, database: JobDatabase, record: MakeRecord
    ) -> None:
        job = database.job()
        database.enqueue(job, {"a": TEXT}, Task.ED)
        (item,) = database.take()
        database.save(item, [record(TEXT, "Movement", "fell")], "k")
        (argument,) = database.take()
        database.save(argument, [record(TEXT, "Item", "Crude")], "ka")
        with database.engine.begin() as conn:
            _second_chunk(conn, job, ">> " + TEXT, 3, Task.ED)
        (other,) = database.take()
        self._reuse(database, other, "k")
        (its_argument,) = database.take()
        assert its_argument.event_id != argument.event_id
        self._reuse(database, its_argument, "ka")
        assert database.rows("SELECT text, char_start FROM event_arguments ORDER BY id") == [
            ("Crude", 0),
            ("Crude", 3),
        ]


def _second_chunk(conn: Connection, job: str, text: str, start: int, task: Task) -> None:
    """A document of which only the part from `start` on is a chunk, as long ones will have."""
    document = conn.execute(
        documents.insert()
        .values(digest="d" * 64, text=text, chars=len(text))
        .returning(documents.c.id)
    ).scalar_one()
    conn.execute(origins.insert().values(job_id=job, document_id=document, external_id="long"))
    chunk = conn.execute(
        chunks.insert()
        .values(
            document_id=document, ordinal=1, char_start=start, char_end=len(text), digest="c" * 64
        )
        .returning(chunks.c.id)
    ).scalar_one()
    conn.execute(work_items.insert().values(job_id=job, chunk_id=chunk, task=str(task)))
