"""`ruie query`."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import click

if TYPE_CHECKING:
    from ruie.db.query import QueryResult

SHOWN = 10_000
"""Rows of a table, at most; the other formats stream all of them."""
SHOWN_BYTES = 4_000_000
"""Likewise, of its text: of the next row, none is shown."""
SHOWN_CHARS = 500
"""Characters of a value in a table: more than a line of any terminal has."""
WHOLE = "--format tsv, csv, json or parquet"
"""What shows all rows, and all of them."""


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "tsv", "csv", "json", "parquet"]),
    help="json: an object a line. Default: table on a terminal, else tsv, tab-separated.",
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
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Time until the next rows; 0: any; default: RUIE_QUERY_TIMEOUT_S.",
)
@click.option(
    "--as-owner",
    is_flag=True,
    help="On PostgreSQL, query with all rights of the URL's login: only SQL that you trust.",
)
def query(
    sql: str,
    form: str | None,
    spreadsheet: bool,
    output: Path | None,
    timeout_s: float | None,
    as_owner: bool,
) -> None:
    """Run one SELECT over the tables and views (docs/sql.md).

    The connection is read-only, whatever the SQL, and on PostgreSQL its login may do nothing but
    read (`ruie db reader`).
    """
    from ruie.db import migrate
    from ruie.db.engine import open_engine
    from ruie.db.query import run_as_reader, run_readonly
    from ruie.files import replacing
    from ruie.settings import settings
    from ruie.shown import raw_output

    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is for --format csv.")
    if form is None:
        form = "table" if output is None and sys.stdout.isatty() else "tsv"
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet cannot be printed to a terminal: use --output FILE.")
    config = settings()
    url = config.query_database_url or config.database_url
    engine = open_engine(url)
    migrate.check(engine)
    engine.dispose()
    run = run_readonly if as_owner else run_as_reader
    answer = run(url, sql, timeout_s=config.query_timeout_s if timeout_s is None else timeout_s)
    if output is None:
        _write(answer, form, raw_output().buffer, spreadsheet)
    else:
        with replacing(output) as partial, partial.open("wb") as file:
            _write(answer, form, file, spreadsheet)


def _write(answer: QueryResult, form: str, file: BinaryIO, spreadsheet: bool) -> None:
    from ruie.shown import ShownStream
    from ruie.worker.answers import write_csv, write_json, write_parquet, write_tsv
    from ruie.worker.terminal import counted

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
        elif form == "tsv":
            click.echo(counted(write_tsv(answer, text), "row"), err=True)
        else:
            _print_table(answer, out)
        out.flush()
    finally:
        out.detach()


def _print_table(answer: QueryResult, out: io.TextIOWrapper) -> None:
    from ruie.console import Console
    from ruie.worker.terminal import block, counted, table, table_width

    shown, more = _shown(answer)
    console = Console(file=out, highlight=False)
    if out.isatty() and table_width(answer.columns, shown) > console.width:
        for number, row in enumerate(shown, 1):
            console.print(block(answer.columns, row, f"row {number:,}"))
    else:
        console.print(table(answer.columns, shown))
    if more:
        first = counted(len(shown), "row")
        click.echo(f"only the first {first}: {WHOLE} has all", err=True)
    else:
        click.echo(counted(len(shown), "row"), err=True)
    if any(len(value) > SHOWN_CHARS for row in shown for value in row if isinstance(value, str)):
        click.echo(
            f"values are cut after {SHOWN_CHARS} characters: {WHOLE} has them in full", err=True
        )


def _shown(answer: QueryResult) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows of a table, and whether there are more."""
    from ruie.db.query_values import size_of

    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in answer.rows:
        if len(rows) == SHOWN or size > SHOWN_BYTES:
            return rows, True
        rows.append(tuple(_cut(value) for value in row))
        size += size_of(rows[-1])
    return rows, False


def _cut(value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
