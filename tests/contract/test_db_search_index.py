"""The index of full-text search: nothing is indexed twice or missed, whoever writes meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from support.job_database import JobDatabase

from ruie.db import migrate, search_index, version
from ruie.db.engine import open_engine, reading
from ruie.db.models import FTS
from ruie.db.search import search
from ruie.db.search_index import count_waiting, index_documents, index_for

_BEFORE = ScriptDirectory.from_config(version.config()).get_revision("0009").down_revision
BEFORE = str(_BEFORE)
"""The revision without search."""


class TestIndexing:
    def test_in_batches_and_not_again(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), [f"text {n}" for n in range(25)])
        with reading(database.engine) as conn:
            assert count_waiting(conn) == 25
        assert [index_documents(database.engine, 10) for _ in range(4)] == [10, 10, 5, 0]
        assert database.indexed() == 25
        with reading(database.engine) as conn:
            assert count_waiting(conn) == 0
        assert database.one("SELECT indexed_to FROM search_state") == 25

    def test_a_batch_has_no_more_characters_than_it_may(
        self, database: JobDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search_index, "CHARS", 100)
        database.enqueue(database.job(), ["a" * 60, "b" * 300, "c" * 60])
        assert [index_documents(database.engine) for _ in range(5)] == [1, 1, 1, 0, 0]
        database.enqueue(database.job(), ["d" * 50, "e" * 50])
        assert [index_documents(database.engine) for _ in range(2)] == [2, 0]

    def test_for_a_while(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), [f"text {n}" for n in range(25)])
        assert index_for(database.engine, 0.0, limit=10) == 10
        assert index_for(database.engine, 60.0, limit=10) == 15
        assert index_for(database.engine, 60.0) == 0

    def test_several_at_once_index_nothing_twice(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), [f"text {n}" for n in range(400)])
        with ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(lambda _: index_for(database.engine, 60.0, 20), range(4)))
        assert sum(counts) == 400
        assert database.indexed() == 400

    def test_while_two_enqueue(self, database: JobDatabase, url: str) -> None:
        job = database.job()
        started, stop = threading.Barrier(3), threading.Event()
        engines = [open_engine(url) for _ in range(3)]

        def enqueue(number: int) -> None:
            started.wait()
            other = type(database)(engines[number])
            for batch in range(20):
                other.enqueue(job, [f"text {number} {batch} {n}" for n in range(20)])

        def index() -> int:
            started.wait()
            total = 0
            while not stop.is_set():
                total += index_documents(engines[2], 30)
            return total

        with ThreadPoolExecutor(3) as pool:
            indexing = pool.submit(index)
            try:
                for writer in [pool.submit(enqueue, n) for n in range(2)]:
                    writer.result(60)
            finally:
                stop.set()
            done = indexing.result(60)
        done += index_for(database.engine, 60.0)
        for engine in engines:
            engine.dispose()
        assert done == 800
        assert database.indexed() == 800
        index_documents(database.engine)
        assert database.one("SELECT indexed_to FROM search_state") == database.one(
            "SELECT MAX(id) FROM documents"
        )

    def test_an_interrupted_batch_leaves_nothing(
        self, database: JobDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database.enqueue(database.job(), ["a b", "c d"])
        name = database.engine.dialect.name
        parts, entries = search_index._INSERT[name]
        broken = {name: (parts, entries.replace(FTS, "nowhere"))}
        with monkeypatch.context() as patch:
            patch.setattr(search_index, "_INSERT", broken)
            with pytest.raises(Exception, match="nowhere"):
                index_documents(database.engine)
        assert database.indexed() == 0
        assert index_documents(database.engine) == 2


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
class TestLateCommits:
    """PostgreSQL: ids are handed out before their transactions commit. (SQLite has one writer.)"""

    def insert(self, conn: Any, text_: str) -> None:
        conn.execute(
            text("INSERT INTO documents (digest, text, chars, created_at)"
                 " VALUES (md5(:t), :t, 1, now())"),
            {"t": text_},
        )  # fmt: skip  # one statement

    def mark(self, database: JobDatabase) -> tuple[int, int]:
        (row,) = database.rows("SELECT indexed_to, settled_to FROM search_state")
        return (row[0], row[1])

    def test_a_document_that_appears_below_others_is_not_missed(
        self, database: JobDatabase
    ) -> None:
        with database.engine.connect() as late, database.engine.connect() as later:
            self.insert(late, "one")
            for n in range(5):
                with database.engine.begin() as conn:
                    self.insert(conn, f"two {n}")
                index_documents(database.engine, 2)
            assert database.indexed() == 5
            assert self.mark(database) == (0, 0)
            self.insert(later, "three")
            late.commit()
            # the mark goes on to the id that was the last when `late` was first seen, whatever
            # began since
            assert index_documents(database.engine) == 1
            assert self.mark(database) == (2, 2)
            later.commit()
        assert index_documents(database.engine) == 1
        assert index_documents(database.engine) == 0
        assert self.mark(database) == (7, 7)
        assert database.indexed() == 7

    def test_one_that_took_an_id_and_writes_later(self, database: JobDatabase) -> None:
        with database.engine.connect() as late:
            late.execute(text("SELECT nextval(pg_get_serial_sequence('documents', 'id'))"))
            with database.engine.begin() as conn:
                self.insert(conn, "two")
            assert index_documents(database.engine) == 1
            late.execute(text("INSERT INTO documents (id, digest, text, chars, created_at)"
                              " VALUES (1, 'x', 'one', 3, now())"))  # fmt: skip  # one statement
            assert index_documents(database.engine) == 0
            late.commit()
        assert index_documents(database.engine) == 1
        assert database.indexed() == 2

    def test_one_that_is_rolled_back_holds_nothing_up(self, database: JobDatabase) -> None:
        with database.engine.connect() as late:
            self.insert(late, "one")
            with database.engine.begin() as conn:
                self.insert(conn, "two")
            index_documents(database.engine)
            late.rollback()
        index_documents(database.engine)
        assert self.mark(database) == (2, 2)

    def test_readers_and_writers_of_other_tables_hold_nothing_up(
        self, database: JobDatabase
    ) -> None:
        database.enqueue(database.job(), ["a"])
        with database.engine.connect() as reader, database.engine.connect() as writer:
            reader.execute(text("SELECT * FROM documents"))
            writer.execute(
                text("INSERT INTO chunks (document_id, ordinal, char_start, char_end, digest)"
                     " VALUES (1, 9, 0, 0, 'x')")
            )  # fmt: skip  # one statement
            index_documents(database.engine)
            assert self.mark(database) == (1, 1)


class TestMigration:
    def test_documents_that_are_there_are_indexed_later(self, database: JobDatabase) -> None:
        migrate.downgrade(database.engine, BEFORE)
        tables = set(inspect(database.engine).get_table_names())
        assert not {name for name in tables if name.startswith((FTS, "document_parts", "search"))}
        add = text(
            "INSERT INTO documents (digest, text, chars, created_at)"
            " VALUES (:digest, :text, 8, '2026-01-31 08:05:09.123000')"
        )
        with database.engine.begin() as conn:
            conn.execute(add, [{"digest": str(n), "text": f"crude {n}"} for n in range(30)])
        migrate.upgrade(database.engine)
        assert database.indexed() == 0
        assert index_for(database.engine, 60.0, 20) == 30
        with reading(database.engine) as conn:
            assert search(conn, "crude 7").total == 1
        migrate.downgrade(database.engine, BEFORE)
        assert database.one("SELECT COUNT(*) FROM documents") == 30
        migrate.upgrade(database.engine)
        assert index_for(database.engine, 60.0) == 30


def test_a_search_that_goes_on_holds_nobody_up(database: JobDatabase) -> None:
    database.enqueue(database.job(), ["crude one"])
    index_documents(database.engine)
    with reading(database.engine) as conn:
        assert search(conn, "crude").total == 1
        database.enqueue(database.job("b"), ["crude two"])
        assert index_for(database.engine, 60.0) == 1
    with reading(database.engine) as conn:
        assert search(conn, "crude").total == 2
