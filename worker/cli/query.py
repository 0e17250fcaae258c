"""`ruie query`."""

from __future__ import annotations

import io
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

import click

if TYPE_CHECKING:
    from ruie.db.query import QueryResult

SHOWN = 10_000
"""Rows of a table; the other formats stream all of them."""


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    help="json prints one object a line.",
)
@click.option(
    "--spreadsheet",
    is_flag=True,
    help="With csv: texts that a spreadsheet would compute begin with an apostrophe.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, complete or not at all; default: standard output.",
)
def query(sql: str, form: str, spreadsheet: bool, output: Path | None) -> None:
    """Run one SELECT over the tables and views (docs/sql.md).

    The connection is read-only, whatever the SQL.
    """
    from ruie.db import migrate
    from ruie.db.engine import open_engine
    from ruie.db.query import run_readonly
    from ruie.files import replacing
    from ruie.settings import settings
    from ruie.shown import raw_output

    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is for --format csv.")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet cannot be printed to a terminal: use --output FILE.")
    url = settings().database_url
    engine = open_engine(url)
    migrate.check(engine)
    engine.dispose()
    answer = run_readonly(url, sql)
    if output is None:
        _write(answer, form, raw_output().buffer, spreadsheet)
    else:
        with replacing(output) as partial, partial.open("wb") as file:
            _write(answer, form, file, spreadsheet)


def _write(answer: QueryResult, form: str, file: BinaryIO, spreadsheet: bool) -> None:
    from ruie.shown import ShownStream
    from ruie.worker.cli.answers import write_csv, write_json, write_parquet

    if form == "parquet":
        write_parquet(answer, file)
        return
    out = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        text = cast(TextIO, ShownStream(out)) if out.isatty() else out
        if form == "csv":
            write_csv(answer, text, spreadsheet=spreadsheet)
        elif form == "json":
            write_json(answer, text)
        else:
            _print_table(answer, out)
        out.flush()
    finally:
        out.detach()


def _print_table(answer: QueryResult, out: io.TextIOWrapper) -> None:
    from ruie.console import Console
    from ruie.worker.terminal import LOG_WIDTH, counted, table

    shown = list(islice(answer.rows, SHOWN))
    more = next(answer.rows, None)
    width = None if out.isatty() else LOG_WIDTH
    Console(file=out, highlight=False, width=width).print(table(answer.columns, shown))
    if more is not None:
        left = 1 + sum(1 for _ in answer.rows)
        click.echo(f"and {left:,} more rows: --format csv prints all of them", err=True)
    else:
        click.echo(counted(len(shown), "row"), err=True)
