"""The questions of `ruie web` are about the database that is open."""

from __future__ import annotations

import re
from html import unescape

import pytest
from support.pages_server import Visitor, serving
from support.web_site import Site

from ruie.settings import load
from ruie.worker.web.example_values import REPLACED, about
from ruie.worker.web.sql import questions

CHANGES = (
    "UPDATE relations SET type = 'belongs to its ''member''' WHERE type = 'member_of'",
    "UPDATE relations SET type = 'sells' WHERE type = 'exports'",
    "UPDATE events SET type = 'Change' WHERE type = 'Movement'",
    "UPDATE event_arguments SET role = 'the \"Thing\"' WHERE role = 'Item'",
    "UPDATE event_arguments SET role = 'Amount' WHERE role = 'Difference'",
    "UPDATE jobs SET created_at = '2030-01-01 00:00:00.000000', name = 'my job' WHERE name = 'oil'",
    "UPDATE jobs SET name = 'my second job' WHERE name = 'oil large'",
    "DELETE FROM work_items WHERE job_id IN (SELECT id FROM jobs WHERE name = 'oil again')",
)
GONE = {"oil", "oil large", "exports", "member_of", "Movement", "Item", "Difference"}


@pytest.fixture
def changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("ruie.worker.web.sql.SOON_S", None)
    with site.client.engine.begin() as conn:
        for change in CHANGES:
            conn.exec_driver_sql(change)
    return site


def asked(visitor: Visitor, number: int) -> str:
    found = re.search(
        r"<textarea[^>]*>(.*?)</textarea>", visitor.get(f"/sql?question={number}").text, re.S
    )
    assert found
    return unescape(found[1])


def test_each_question_has_names_and_types_of_this_database(changed: Site) -> None:
    page = changed.get("/sql")
    for number, question in enumerate(questions()):
        sql = asked(changed.visitor, number)
        told = set(re.findall(r"'((?:[^']|'')*)'", sql))
        assert not told & GONE, sql
        done = changed.visitor.post("/sql", {"sql": sql}, page)
        assert done.status == 200, (sql, done.words)
        has_rows = " 0 rows in " not in done.words
        assert has_rows or question.title == "What one model finds and another does not", sql


def test_where_there_is_nothing_they_are_those_of_the_documentation(database_url: str) -> None:
    with serving(load(database_url=database_url)) as url:
        visitor = Visitor(url)
        for number, question in enumerate(questions()):
            assert asked(visitor, number).strip() == question.sql


def test_a_value_is_a_literal_whatever_is_in_it() -> None:
    sql = "SELECT MAX(role = 'Item') AS item, 1 AS items FROM x WHERE type = 'Cut' AND d = 'date'"
    hostile = {"Cut": "'; DROP TABLE jobs; --", "Item": 'a"b'}
    assert about(sql, hostile) == (
        'SELECT MAX(role = \'a"b\') AS "a""b", 1 AS items FROM x'
        " WHERE type = '''; DROP TABLE jobs; --' AND d = 'date'"
    )
    assert about(sql, {}) == sql


def test_what_the_questions_say_is_replaced_or_no_name_of_a_database() -> None:
    said = {literal for one in questions() for literal in re.findall(r"'([^']*)'", one.sql)}
    assert said - REPLACED == {"entity", "relation", "event", "date"}
    assert REPLACED - said == set()
