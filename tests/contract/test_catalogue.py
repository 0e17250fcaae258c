"""`ruie tables`: what it says is what docs/sql.md and the databases say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support import news
from support.documents import sections, table_rows, tables_page

from ruie.db.catalogue import relation, relations
from ruie.db.models import FTS, metadata
from ruie.db.query import run_readonly
from ruie.db.reader import READABLE, VERSION_TABLE
from ruie.db.views import VIEWS, create_views, drop_views
from ruie.errors import DatabaseError
from ruie.worker.cli.tables import count_rows

DOCUMENTED = [name for name in relations() if name not in (FTS, VERSION_TABLE)]


def plain(text: str) -> str:
    """Markdown as a terminal has it: a link is the page's path."""

    def page(link: re.Match[str]) -> str:
        return f"docs/{link[2]}" if link[1] == link[2] else f"{link[1]} (docs/{link[2]})"

    return " ".join(re.sub(r"\[([^\]]+)\]\(([^)#]+)[^)]*\)", page, text).replace("`", "").split())


def test_it_lists_what_a_query_may_read_and_nothing_else() -> None:
    assert sorted(relations()) == sorted(READABLE)
    assert {n for n, one in relations().items() if one.kind == "view"} == set(VIEWS)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_says_what_the_page_says(name: str) -> None:
    body = sections(tables_page())[f"`{name}`"]
    one = relation(name)
    assert plain(body).startswith(one.holds.removesuffix("."))
    assert [(c.name, c.type, c.meaning) for c in one.columns] == [
        (row[0].strip("`"), row[1], plain(row[2])) for row in table_rows(body)
    ]


def test_columns_of_tables_may_be_null_where_the_models_say_so() -> None:
    for name, table in metadata.tables.items():
        said = {column.name: column.nullable for column in relation(name).columns}
        assert said == {column.name: column.nullable for column in table.columns}, name


def test_columns_are_those_of_the_database_and_null_only_where_they_may_be(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    news.build(engine, tmp_path)
    for one in relations().values():
        answer = run_readonly(url, f"SELECT * FROM {one.name}")
        nullable = {column.name: column.nullable for column in one.columns}
        assert set(answer.columns) <= set(nullable), one.name
        rows = list(answer.rows)
        for row in rows if one.name != FTS else ():  # FTS5 stores no text
            for column, value in zip(answer.columns, row, strict=True):
                assert value is not None or nullable[column], (one.name, column)
        assert count_rows(url, one.name) == len(rows), one.name


def test_rows_that_take_long_to_count_are_not_counted(url: str, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP VIEW entity_pairs")
        conn.exec_driver_sql(
            "CREATE VIEW entity_pairs AS WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        )
    try:
        assert count_rows(url, "entity_pairs", 0.05) is None
    finally:  # the database is used again
        with engine.begin() as conn:
            drop_views(conn)
            create_views(conn)


def test_a_name_that_is_not_there_is_told_the_closest(url: str) -> None:
    with pytest.raises(DatabaseError, match="There are entity_mentions, "):
        relation("entity_mention")
    for sql, hint in (
        ("SELECT * FROM entitys", "There are entities, "),
        ("SELECT m.tpye FROM entity_mentions m", "The columns of entity_mentions are type, "),
        ("SELECT tpye FROM entity_mentions", "The columns of entity_mentions are type, "),
        ("SELECT tpye, txt FROM entity_mentions", "The columns of entity_mentions are type, "),
    ):
        with pytest.raises(DatabaseError, match=hint):
            run_readonly(url, sql)
