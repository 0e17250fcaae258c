"""Reading: the views give the same answers on both databases, and reading cannot write."""

from __future__ import annotations

from typing import Any

import pytest
from support.job_database import JobDatabase

from ruie.db.progress import progress
from ruie.db.query import run_readonly
from ruie.records import Task


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

    def test_a_job_without_items_has_a_row(self, url: str, database: JobDatabase) -> None:
        database.job("empty")
        assert self.ask(url, "SELECT name, task, items FROM job_progress") == [("empty", None, 0)]

    def test_spend_by_day_counts_no_reuse(self, url: str, worked: str) -> None:
        (row,) = self.ask(
            url, "SELECT day, calls, prompt_tokens, completion_tokens, cost_usd FROM spend_by_day"
        )
        assert len(row[0]) == 10
        assert row[1:4] == (4, 400, 40)
        assert row[4] == pytest.approx(0.006)

    def test_progress(self, database: JobDatabase, worked: str) -> None:
        with database.engine.connect() as conn:
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
