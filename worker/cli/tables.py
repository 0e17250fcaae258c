"""`ruie tables`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ruie.worker.cli.completing import table_names
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from ruie.db.catalogue import Relation

COUNT_S = 1.0
"""Seconds that a database may count the rows of one table or view."""


@click.command()
@click.argument("name", required=False, shell_complete=table_names)
@json_option
def tables(name: str | None, as_json: bool) -> None:
    """List the tables and views that a query may read, or the columns of NAME."""
    from ruie.db import migrate
    from ruie.db.catalogue import relation, relations
    from ruie.db.engine import open_engine
    from ruie.settings import settings
    from ruie.worker.terminal import print_json

    asked = [relation(name)] if name else list(relations().values())
    config = settings()
    url = config.query_database_url or config.database_url
    engine = open_engine(url)
    migrate.check(engine)
    engine.dispose()
    rows = {one.name: count_rows(url, one.name) for one in asked}
    if as_json:
        documents = [_document(one, rows[one.name]) for one in asked]
        print_json(documents[0] if name else documents)
    elif name:
        _print_columns(asked[0], rows[name])
    else:
        _print_list(asked, rows)


def count_rows(url: str, name: str, timeout_s: float = COUNT_S) -> int | None:
    """The number of rows of a table or view; None where counting takes longer than `timeout_s`."""
    from ruie.db.catalogue import relation
    from ruie.db.query import run_readonly
    from ruie.db.query_watch import QueryTimeoutError

    sql = f"SELECT COUNT(*) FROM {relation(name).name}"
    try:
        ((count,),) = run_readonly(url, sql, timeout_s=timeout_s).rows
    except QueryTimeoutError:
        return None
    return int(count)


def _document(one: Relation, rows: int | None) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "rows": rows,
        "holds": one.holds,
        "columns": [asdict(column) for column in one.columns],
    }


def _print_list(listed: list[Relation], rows: dict[str, int | None]) -> None:
    from ruie.worker.terminal import console, table

    lines = [(one.name, one.kind, rows[one.name], one.holds) for one in listed]
    console.print(table(("name", "kind", "rows", "holds"), lines, wrap="holds"))
    console.print()
    console.print("`ruie tables NAME` lists the columns of one.", style="dim")
    if None in rows.values():
        console.print(f"Without a number: not counted within {COUNT_S:g} s.", style="dim")


def _print_columns(one: Relation, rows: int | None) -> None:
    from ruie.worker.terminal import console, counted, table

    count = "" if rows is None else f", {counted(rows, 'row')}"
    console.print(f"[bold]{one.name}[/]  {one.kind}{count}")
    console.print(one.holds)
    console.print()
    lines = [
        (column.name, column.type, "yes" if column.nullable else "", column.meaning)
        for column in one.columns
    ]
    console.print(table(("column", "type", "may be null", "meaning"), lines, wrap="meaning"))
