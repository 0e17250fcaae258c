"""Reading: the views give the same answers on both databases, and reading cannot write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.house import House

from ruie.db import jobs, queue, results
from ruie.db.engine import open_engine, open_readonly
from ruie.db.progress import progress
from ruie.db.query import run_readonly
from ruie.errors import DatabaseError, OutputError, SettingsError, UnavailableError
from ruie.records import Item, Task

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."


@pytest.fixture
def worked(house: House, record: MakeRecord) -> str:
    """A job with every kind of record, a quarantined item, and a second job that reused it."""
    job = house.job("oil")
    house.enqueue(job, {"b": TEXT, "a": TEXT, "c": "Broken."}, Task.NER, Task.RE, Task.ED)
    items = {
        Task.NER: [record(TEXT, "COMMODITY", "Crude"), record(TEXT, "ORGANISATION", "OPEC")],
        Task.RE: [record(TEXT, "moved_by", "Crude", "OPEC")],
        Task.ED: [record(TEXT, "Movement", "fell"), record(TEXT, "Caused", "as")],
    }
    for item in house.take():
        if item.text == TEXT:
            house.save(item, items[item.task], key=str(item.task))
        elif item.task is Task.NER:
            with house.engine.begin() as conn:
                queue.quarantine(conn, item, OutputError("nothing to read"))
        else:
            with house.engine.begin() as conn:
                queue.retry(conn, item, 3600, OutputError("again"), counts=True)
    for item in house.take():
        house.save(item, [record(TEXT, "Item", "Crude")], key="EAE")
    second = house.job("again")
    house.enqueue(second, {"z": TEXT})
    (item,) = house.take(second)
    with house.engine.begin() as conn:
        results.reuse_result(conn, item, results.find_paid(conn, ["NER"])["NER"])
        jobs.add_input_errors(conn, job, [jobs.NewInputError("f", 3, "not JSON", "{")] * 2)
    return job


class TestViews:
    def ask(self, url: str, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        return list(run_readonly(url, sql, params).rows)

    def test_entities(self, url: str, worked: str) -> None:
        rows = self.ask(
            url,
            "SELECT external_id, type, text, char_start, char_end, grounding, model"
            " FROM entity_mentions WHERE job_id = :job ORDER BY char_start",
            job=worked,
        )
        assert rows == [
            ("a", "COMMODITY", "Crude", 0, 5, "exact", "small"),
            ("a", "ORGANISATION", "OPEC", 18, 22, "exact", "small"),
        ]

    def test_a_reused_result_is_seen_under_both_jobs(self, url: str, worked: str) -> None:
        rows = self.ask(
            url, "SELECT COUNT(*), COUNT(DISTINCT entity_id), MAX(external_id) FROM entity_mentions"
        )
        assert rows == [(4, 2, "z")]

    def test_relations(self, url: str, worked: str) -> None:
        rows = self.ask(url, "SELECT type, head_text, tail_text, tail_start FROM relation_mentions")
        assert rows == [("moved_by", "Crude", "OPEC", 18)]

    def test_events_have_a_row_for_each_argument_and_one_where_there_is_none(
        self, url: str, worked: str
    ) -> None:
        rows = self.ask(
            url,
            "SELECT type, trigger_text, role, argument_text, argument_start"
            " FROM event_mentions ORDER BY trigger_start",
        )
        assert rows == [
            ("Movement", "fell", "Item", "Crude", 0),
            ("Caused", "as", None, None, None),
        ]

    def test_job_progress(self, url: str, worked: str) -> None:
        rows = self.ask(
            url,
            "SELECT task, items, pending, leased, retry, done, quarantined, cancelled, documents,"
            " input_errors FROM job_progress WHERE job_id = :job ORDER BY task",
            job=worked,
        )
        assert rows == [
            ("EAE", 1, 0, 0, 0, 1, 0, 0, 3, 1),
            ("ED", 2, 0, 0, 1, 1, 0, 0, 3, 1),
            ("NER", 2, 0, 0, 0, 1, 1, 0, 3, 1),
            ("RE", 2, 0, 0, 1, 1, 0, 0, 3, 1),
        ]

    def test_a_job_without_items_has_a_row(self, url: str, house: House) -> None:
        house.job("empty")
        assert self.ask(url, "SELECT name, task, items FROM job_progress") == [("empty", None, 0)]

    def test_spend_by_day_counts_no_reuse(self, url: str, worked: str) -> None:
        (row,) = self.ask(
            url, "SELECT day, calls, prompt_tokens, completion_tokens, cost_usd FROM spend_by_day"
        )
        assert len(row[0]) == 10
        assert row[1:4] == (4, 400, 40)
        assert row[4] == pytest.approx(0.006)

    def test_progress(self, house: House, worked: str) -> None:
        with house.engine.connect() as conn:
            seen = progress(conn, worked)
        assert (seen.documents, seen.input_errors, seen.calls) == (3, 1, 4)
        assert (seen.items, seen.open, seen.done, seen.quarantined) == (7, 2, 4, 1)
        assert seen.prompt_tokens == 400
        assert seen.cost_usd == pytest.approx(0.006)
        assert [(t.task, t.items, t.retry) for t in seen.tasks] == [
            (Task.NER, 2, 0),
            (Task.RE, 2, 1),
            (Task.ED, 2, 1),
            (Task.EAE, 1, 0),
        ]

    def test_values_are_the_same_on_both(self, url: str, worked: str) -> None:
        answer = run_readonly(
            url,
            "SELECT created_at, settings, 1 = 1 AS truth, SUM(priority) + 0.5 AS half FROM jobs"
            " WHERE id = :job GROUP BY id",
            {"job": worked},
        )
        ((created, settings, truth, half),) = answer.rows
        assert answer.columns == ("created_at", "settings", "truth", "half")
        assert len(created) == len("2026-01-31 08:05:09.123000")
        assert created[10] == " "
        assert settings == (
            '{"demonstrations": 8, "max_tokens": 256, "prompt_tokens": 1792, "form": "linear",'
            ' "stop": ["\\n"], "temperature": 0}'
        )
        assert (truth, half) == (1, 0.5)


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
    def test_nothing_writes(self, url: str, house: House, worked: str, tmp_path: Path) -> None:
        before = self.state(house)
        other = tmp_path / "other"
        for sql in WRITES + ONLY[house.engine.dialect.name]:
            with pytest.raises(DatabaseError) as caught:
                list(run_readonly(url, sql.replace("{other}", str(other))).rows)
            assert "\n" not in str(caught.value), sql
            assert self.state(house) == before, sql
            assert not other.exists(), sql

    def test_nor_does_the_engine_one_statement_after_the_other(
        self, url: str, house: House, worked: str
    ) -> None:
        before = self.state(house)
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
        assert self.state(house) == before

    def state(self, house: House) -> list[Any]:
        names = ["jobs", "entities", "event_arguments", "schedules"]
        counts = [house.one(f"SELECT COUNT(*) FROM {name}") for name in names]
        kept = house.rows("SELECT name FROM jobs ORDER BY id")
        house.rows("SELECT * FROM spend_by_day")
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

    def test_a_plan_can_be_seen(self, url: str, house: House) -> None:
        plan = "EXPLAIN QUERY PLAN" if house.engine.dialect.name == "sqlite" else "EXPLAIN"
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

    def test_while_a_writer_is_at_work(self, url: str, house: House) -> None:
        with house.engine.begin() as conn:
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
