"""`ruie query`."""

from __future__ import annotations

import csv
import json
import sys
from itertools import chain, islice

import click

SHOWN = 10_000
"""Rows that are held to lay a table out; the other formats stream."""


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    help="json prints one object a line.",
)
def query(sql: str, form: str) -> None:
    """Run one SELECT over the tables and views (docs/sql.md).

    The connection itself can only read, whatever the SQL says.
    """
    from db import migrate
    from db.engine import open_engine
    from db.query import run_readonly
    from ruie.settings import settings
    from worker.cli.output import console, table

    url = settings().database_url
    engine = open_engine(url)
    migrate.check(engine)
    engine.dispose()
    answer = run_readonly(url, sql)
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    elif form == "json":
        for row in answer.rows:
            named = dict(zip(answer.columns, row, strict=True))
            sys.stdout.write(json.dumps(named, ensure_ascii=False, default=str) + "\n")
    else:
        shown = list(islice(answer.rows, SHOWN))
        more = next(answer.rows, None)
        console.print(table(answer.columns, shown))
        if more is not None:
            left = 1 + sum(1 for _ in chain(answer.rows))
            click.echo(f"and {left:,} more rows: --format csv prints all of them", err=True)
        else:
            click.echo(f"{len(shown):,} row{'' if len(shown) == 1 else 's'}", err=True)
