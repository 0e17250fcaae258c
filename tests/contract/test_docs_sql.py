"""docs/sql.md: every query of it is run on both databases, every column is of the type it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, UniqueConstraint
from support import news
from support.documents import blocks, questions, sections, table_head, table_rows, tables_page

from ruie.db import jobs
from ruie.db.engine import reading
from ruie.db.models import metadata
from ruie.db.query import run_readonly
from ruie.db.views import VIEWS
from ruie.records import Task
from ruie.worker.reviewing import score

PAGE = tables_page()
QUESTIONS = questions(PAGE)


@pytest.fixture
def filled(url: str, engine: Engine, tmp_path: Path) -> str:
    news.build(engine, tmp_path)
    return url


def written(value: Any) -> str:
    """A value as a cell of the page has it."""
    return "" if value is None else str(value).replace("|", r"\|")


def test_every_question_has_the_answer_that_is_printed(filled: str) -> None:
    assert len(QUESTIONS) >= 12
    for title, sql in QUESTIONS.items():
        answer = run_readonly(filled, sql)
        body = sections(PAGE)[title]
        rows = [tuple(map(written, row)) for row in answer.rows]
        assert rows, title
        assert list(answer.columns) == table_head(body), title
        assert rows == table_rows(body), f"{title}:\n{rows}"


def columns(name: str) -> list[tuple[str, str]]:
    """The columns that the page gives a table or a view, with their types."""
    return [(row[0].strip("`"), row[1]) for row in table_rows(sections(PAGE)[f"`{name}`"])]


@pytest.mark.parametrize("name", [*VIEWS, *metadata.tables])
def test_columns_are_listed_in_their_order(url: str, name: str) -> None:
    listed = [column for column, _ in columns(name)]
    found = list(run_readonly(url, f"SELECT * FROM {name}").columns)
    if name in metadata.tables:  # in the order of the models: a database has later ones last
        listed, found = sorted(listed), sorted(found)
    assert listed == found
    kinds = {kind for _, kind in columns(name)}
    assert kinds <= {"text", "integer", "real", "JSON text", "bytes"}


def test_types_are_those_of_the_values(filled: str) -> None:
    """Of every value of the corpus, as `ruie query` gives it."""
    for name in [*VIEWS, *metadata.tables]:
        answer = run_readonly(filled, f"SELECT * FROM {name}")
        kinds = dict(columns(name))
        for row in answer.rows:
            for column, value in zip(answer.columns, row, strict=True):
                assert value is None or fits(kinds[column], value), (name, column, value)


def fits(kind: str, value: Any) -> bool:
    if kind == "JSON text":
        json.loads(value)
    # SQLite keeps a whole number as an integer.
    allowed = {"integer": (int,), "real": (int, float), "bytes": (bytes,)}.get(kind, (str,))
    return isinstance(value, allowed) and (kind != "real" or float(value) == value)


def test_types_are_those_of_postgresql(url: str, engine: Engine) -> None:
    """Which knows them of views too, without a row."""
    if engine.dialect.name != "postgresql":
        return
    kinds = {"int8": "integer", "int4": "integer", "bool": "integer", "text": "text",
             "varchar": "text", "timestamptz": "text", "float8": "real", "numeric": "real",
             "json": "JSON text", "bytea": "bytes"}  # fmt: skip  # a list
    with reading(engine) as conn:
        for name in [*VIEWS, *metadata.tables]:
            found = conn.exec_driver_sql(
                "SELECT a.attname, t.typname FROM pg_attribute a"
                " JOIN pg_type t ON t.oid = a.atttypid"
                f" WHERE a.attrelid = '{name}'::regclass AND a.attnum > 0 ORDER BY a.attnum"
            )
            assert dict(columns(name)) == {column: kinds[kind] for column, kind in found}, name


# The diagram


def diagram() -> list[str]:
    (found,) = [block.text for block in blocks(PAGE) if block.language == "mermaid"]
    first, *lines = found.splitlines()
    assert first == "erDiagram"
    return [line.strip() for line in lines]


def test_the_diagram_has_every_foreign_key_and_no_other() -> None:
    drawn = sorted(line for line in diagram() if "--" in line)
    assert drawn == sorted(
        f"{key.column.table.name} {'|o' if column.nullable else '||'}--"
        f"{'o|' if alone(table, column.name) else 'o{'} {table.name} : {column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        for key in column.foreign_keys
    )


def alone(table: Table, column: str) -> bool:
    """Whether no two rows have one value in the column."""
    return any(
        [c.name for c in rule.columns] == [column]
        for rule in table.constraints
        if isinstance(rule, UniqueConstraint)
    )


def test_the_diagram_has_every_table_with_its_keys() -> None:
    drawn: dict[str, list[str]] = {}
    name = ""
    for line in diagram():
        if begin := re.fullmatch(r"(\w+) \{", line):
            name = begin[1]
            drawn[name] = []
        elif line != "}" and "--" not in line:
            drawn[name].append(line)
    assert drawn == {name: list(keys(table)) for name, table in metadata.tables.items()}


def keys(table: Table) -> Iterator[str]:
    kinds = dict(columns(table.name))
    for column in table.columns:
        marks = [
            mark
            for mark, is_one in (
                ("PK", column.primary_key),
                ("FK", bool(column.foreign_keys)),
                ("UK", alone(table, column.name)),
            )
            if is_one
        ]
        if marks:
            yield f"{kinds[column.name]} {column.name} {', '.join(marks)}"


# review_agreement


def agreement(url: str, job: str) -> dict[str, Sequence[int]]:
    rows = run_readonly(
        url,
        "SELECT task, SUM(matched + missing), SUM(matched + spurious), SUM(matched)"
        " FROM review_agreement WHERE job_id = :job GROUP BY task",
        {"job": job},
    ).rows
    return {task: numbers for task, *numbers in rows}


def scored(engine: Engine, job: str) -> dict[str, Sequence[int]]:
    with reading(engine) as conn:
        found = score(engine, jobs.get_job(conn, job)).tasks
    return {str(task): [s.gold, s.predicted, s.matched] for task, s in found.items()}


def test_the_view_counts_as_review_score_does(filled: str, engine: Engine) -> None:
    with reading(engine) as conn:
        listed = {job.name: job.id for job in jobs.list_jobs(conn)}
    sums = {name: agreement(filled, job) for name, job in listed.items()}
    assert sums == {name: scored(engine, job) for name, job in listed.items()}
    assert set(sums["oil"]) == set(Task)
    assert sums["oil"]["NER"] == [7, 8, 6]
    assert sums["oil again"] == {}  # none of its documents is reviewed


def test_so_it_does_where_something_has_no_place_or_no_answer_or_is_there_twice(
    filled: str, engine: Engine
) -> None:
    changes = (
        # two records without a place, of one type: they count as one
        "UPDATE entities SET char_start = NULL, char_end = NULL, grounding = 'none'"
        " WHERE text IN ('Copper', 'Crude')",
        # an argument that is still asked for: the events of the document are not compared
        "UPDATE work_items SET state = 'pending' WHERE task = 'EAE' AND event_id IN"
        " (SELECT id FROM events WHERE trigger_text = 'cut')",
        "UPDATE work_items SET state = 'pending' WHERE task = 'RE' AND job_id IN"
        " (SELECT id FROM jobs WHERE name = 'oil large')",
        # one that was given up: what people found is missed
        "UPDATE work_items SET state = 'quarantined', extraction_id = NULL,"
        " model_extraction_id = NULL WHERE task = 'NER' AND job_id IN"
        " (SELECT id FROM jobs WHERE name = 'oil')",
    )
    with reading(engine) as conn:
        listed = {job.name: job.id for job in jobs.list_jobs(conn)}
    before = agreement(filled, listed["oil"])
    for change in changes:
        with engine.begin() as conn:
            conn.exec_driver_sql(change)
        for job in listed.values():
            assert agreement(filled, job) == scored(engine, job), change
    after = agreement(filled, listed["oil"])
    assert after["ED"] != before["ED"]
    assert after["NER"] == [before["NER"][0], 0, 0]
    assert "RE" not in agreement(filled, listed["oil large"])
