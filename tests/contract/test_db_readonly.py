"""Reading cannot write, whatever the SQL; what opening a database refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.job_database import JobDatabase

from ruie.db.engine import open_engine, open_readonly
from ruie.db.query import run_readonly
from ruie.errors import DatabaseError, SettingsError, UnavailableError

WRITES = [
    "INSERT INTO schedules (name, cron, timezone, spec, enabled, created_at)"
    " VALUES ('x', 'x', 'x', '{}', true, '2026-01-01')",
    "UPDATE jobs SET name = 'taken'",
    "DELETE FROM entities",
    "DROP TABLE event_arguments",
    "DROP VIEW spend_by_day",
    "CREATE TABLE mine (x int)",
    "CREATE TEMP TABLE mine (x int)",
    "WITH gone AS (DELETE FROM entities RETURNING id) SELECT * FROM gone",
    "SELECT 1; UPDATE jobs SET name = 'taken'",
    "COMMIT; UPDATE jobs SET name = 'taken'",
    "COMMIT; BEGIN; UPDATE jobs SET name = 'taken'; COMMIT",
]
ONLY: dict[str, list[str]] = {
    "sqlite": [
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 7",
        "ATTACH '{other}' AS other",
        "VACUUM INTO '{other}'",
        "SELECT load_extension('x')",
        "REINDEX",
        "ANALYZE",
    ],
    "postgresql": [
        "SET default_transaction_read_only = off; UPDATE jobs SET name = 'taken'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET TRANSACTION READ WRITE",
        "BEGIN READ WRITE",
        "ROLLBACK; BEGIN READ WRITE; UPDATE jobs SET name = 'taken'; COMMIT",
        "COPY jobs TO '{other}'",
        "COPY jobs TO PROGRAM 'cat > {other}'",
        "COPY jobs FROM '/dev/null'",
        "COPY jobs TO STDOUT",
        "SELECT setval('documents_id_seq', 99)",
        "SELECT nextval('documents_id_seq')",
        "SELECT lo_import('/etc/hostname')",
        "SELECT lo_create(0)",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT * FROM jobs FOR UPDATE",
        "SELECT * INTO mine FROM jobs",
        "DO $$ BEGIN UPDATE jobs SET name = 'taken'; END $$",
        "DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; UPDATE jobs SET name = 'taken'; END $$",
        "EXPLAIN ANALYZE UPDATE jobs SET name = 'taken'",
        "EXPLAIN SELECT 1; UPDATE jobs SET name = 'taken'",
        "PREPARE x AS UPDATE jobs SET name = 'taken'",
        "CALL nothing()",
        "VACUUM",
        "NOTIFY x",
    ],
}


class TestReadingOnly:
    def test_nothing_writes(
        self, url: str, database: JobDatabase, worked: str, tmp_path: Path
    ) -> None:
        before = self.state(database)
        other = tmp_path / "other"
        for sql in WRITES + ONLY[database.engine.dialect.name]:
            with pytest.raises(DatabaseError) as caught:
                list(run_readonly(url, sql.replace("{other}", str(other))).rows)
            assert "\n" not in str(caught.value), sql
            assert self.state(database) == before, sql
            assert not other.exists(), sql

    def test_nor_does_the_engine_one_statement_after_the_other(
        self, url: str, database: JobDatabase, worked: str
    ) -> None:
        before = self.state(database)
        reader = open_readonly(url)
        for first in [
            "SELECT 1",
            "COMMIT",
            "SET TRANSACTION READ WRITE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "SET default_transaction_read_only = off",
            "PRAGMA query_only = OFF",
        ]:
            with reader.connect() as conn:
                try:
                    conn.exec_driver_sql(first)
                    conn.commit()
                except DBAPIError:
                    conn.rollback()
                with pytest.raises(DBAPIError):
                    conn.execute(text("UPDATE jobs SET name = 'taken'"))
                conn.rollback()
        reader.dispose()
        assert self.state(database) == before

    def state(self, database: JobDatabase) -> list[Any]:
        names = ["jobs", "entities", "event_arguments", "schedules"]
        counts = [database.one(f"SELECT COUNT(*) FROM {name}") for name in names]
        kept = database.rows("SELECT name FROM jobs ORDER BY id")
        database.rows("SELECT * FROM spend_by_day")
        return [*counts, *kept]

    def test_a_percent_sign_a_colon_and_a_semicolon_are_the_users_own(
        self, url: str, worked: str
    ) -> None:
        sql_plain = "SELECT '%s :y', name FROM jobs WHERE name LIKE 'o%'"
        assert list(run_readonly(url, sql_plain).rows) == [("%s :y", "oil")]
        sql = "SELECT '5 %', name FROM jobs WHERE name LIKE 'o%' AND 'v' = :x;\n"
        assert list(run_readonly(url, sql, {"x": "v"}).rows) == [("5 %", "oil")]

    def test_the_databases_own_words(self, url: str) -> None:
        with pytest.raises(DatabaseError, match="nothing_here"):
            run_readonly(url, "SELECT * FROM nothing_here")
        with pytest.raises(DatabaseError, match="empty"):
            run_readonly(url, " ; ")

    def test_a_plan_can_be_seen(self, url: str, database: JobDatabase) -> None:
        plan = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
        answer = run_readonly(url, f"{plan} SELECT * FROM jobs")
        assert "jobs" in str(list(answer.rows))

    def test_sums_of_integers_are_integers(self, url: str, worked: str) -> None:
        (row,) = run_readonly(
            url,
            "SELECT SUM(calls), SUM(cost_usd), 1.0 * SUM(calls) FROM spend_by_day",
        ).rows
        assert [type(value) for value in row] == [int, float, float]

    def test_all_tables_of_a_query_are_ordered(self, url: str) -> None:
        if url.startswith("postgres"):
            for name in ("join_collapse_limit", "from_collapse_limit"):
                assert list(run_readonly(url, f"SHOW {name}").rows) == [("16",)]

    def test_large_answers_stream(self, url: str) -> None:
        many = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            " SELECT i FROM n"
        )
        rows = run_readonly(url, many).rows
        assert next(rows) == (1,)
        assert sum(1 for _ in rows) == 4999

    def test_while_a_writer_is_at_work(self, url: str, database: JobDatabase) -> None:
        with database.engine.begin() as conn:
            conn.execute(text("UPDATE jobs SET name = name"))
            assert list(run_readonly(url, "SELECT COUNT(*) FROM jobs").rows) == [(0,)]


class TestOpening:
    def test_a_server_that_does_not_answer_is_one_sentence_without_the_password(self) -> None:
        with pytest.raises(UnavailableError) as caught:
            open_engine("postgres://me:secret@127.0.0.1:9/ruie?connect_timeout=1")
        assert "127.0.0.1:9" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(UnavailableError, match=r"no/such\.db"):
            open_engine(f"sqlite:///{tmp_path}/no/such.db")

    def test_reading_makes_no_file(self, sqlite_path: Path) -> None:
        with pytest.raises(UnavailableError, match="db upgrade"):
            open_readonly(f"sqlite:///{sqlite_path}")
        assert not sqlite_path.exists()

    def test_a_file_that_is_no_database(self, sqlite_path: Path) -> None:
        sqlite_path.write_text("text " * 1000)
        for opening in (open_engine, open_readonly):
            with pytest.raises(DatabaseError, match="not a SQLite database"):
                opening(f"sqlite:///{sqlite_path}")

    @pytest.mark.parametrize(
        "url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"]
    )
    def test_a_wrong_url(self, url: str) -> None:
        with pytest.raises(SettingsError, match="RUIE_DATABASE_URL"):
            open_engine(url)
