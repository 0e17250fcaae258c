"""Errors that list what there is, the closest first."""

from __future__ import annotations

import sqlite3

import pytest

from ruie.closest import closest_first, listed
from ruie.db.unknown_names import what_there_is


def test_the_closest_name_comes_first() -> None:
    assert closest_first("JOBS_", ["documents", "job_sources", "jobs"])[0] == "jobs"
    assert closest_first("tpye", ["text", "type", "task"])[0] == "type"
    assert closest_first("x", []) == []
    assert closest_first("", ["b", "a"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"),
     (["a", "b", "c", "d"], "a, b, c and 1 more")],
)  # fmt: skip  # a list
def test_names_are_listed_up_to_a_bound(names: list[str], shown: str) -> None:
    assert listed(names, 3) == shown


@pytest.mark.parametrize(
    ("message", "statement", "begin"),
    [
        ("no such table: entitys", "SELECT * FROM entitys", "There are entities, "),
        ("no such column: tpye", "SELECT tpye FROM entity_mentions",
         "The columns of entity_mentions are type, "),
        ("no such column: event_type", "SELECT event_type, text FROM event_mentions",
         "The columns of event_mentions are event_id, "),
        ("no such column: trigger", "SELECT type, trigger, text FROM event_mentions",
         "The columns of event_mentions are trigger_"),
        ("no such column: tpye", "SELECT tpye, txt, strat FROM entity_mentions AS m, jobs j",
         "The columns of entity_mentions and jobs are type, "),
        ("no such column: m.hed_text", "SELECT m.hed_text FROM jobs j, relation_mentions AS m",
         "The columns of relation_mentions are head_text, "),
        ("no such column: chars", "select chars from Entities e join jobs on 1",
         "The columns of entities and jobs are char_start, "),
        ("no such column: ORG", 'SELECT 1 FROM jobs WHERE name = "ORG"',
         "Text stands in single quotes: 'ORG'. The columns of jobs are "),
        ("no such column: x", "SELECT x", "`ruie tables` lists the tables and views"),
        ("near \"x\": syntax error", "SELECT x x x", ""),
    ],
)  # fmt: skip  # a statement a line
def test_a_query_is_told_what_there_is(message: str, statement: str, begin: str) -> None:
    hint = what_there_is(sqlite3.OperationalError(message), statement)
    assert hint.startswith(begin)
    assert bool(hint) == bool(begin)
