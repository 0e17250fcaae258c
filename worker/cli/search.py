"""`ruie search`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ruie.worker.cli.completing import job_ids
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from rich.text import Text
    from sqlalchemy import Engine

    from ruie.db.search import Hit, JobOrigin
    from ruie.snippets import Snippet

INDEX_S = 5.0
"""Seconds for indexing documents that are not indexed yet, before the search."""


@click.command()
@click.argument("query")
@click.option("--job", metavar="JOB", shell_complete=job_ids, help="Only documents of this job.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, help="At most this many; default: 10."
)
@json_option
def search(query: str, job: str | None, limit: int, as_json: bool) -> None:
    """Find documents by their words, the best matches first.

    A document must have all words. "several words" is a phrase, word* a prefix; -word excludes, OR
    separates alternatives.
    """
    from ruie.db import jobs, search_index
    from ruie.db import search as fulltext
    from ruie.db.engine import reading
    from ruie.search_query import parse_query
    from ruie.settings import settings
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, counted, print_json

    parse_query(query)  # an invalid query is refused before anything is done
    config = settings()
    reader = config.query_database_url
    engine = Client(config.model_copy(update={"database_url": reader}) if reader else config).engine
    with reading(engine) as conn:
        if job is not None:
            jobs.get_job(conn, job)
    if not reader:
        _catch_up(engine)
    with reading(engine) as conn:
        result = fulltext.search(conn, query, job_id=job, limit=limit)
        waiting = search_index.count_waiting(conn)
    if as_json:
        hits = [asdict(hit) for hit in result.hits]
        print_json({"query": query, "total": result.total, "not_indexed": waiting, "hits": hits})
    elif result.hits:
        console.print(_table(result.hits, with_job=job is None))
        shown = f"the best {len(result.hits):,} of " if result.total > len(result.hits) else ""
        more = ": --limit shows more" if shown else ""
        click.echo(f"{shown}{counted(result.total, 'document')}{more}", err=True)
    else:
        click.echo(f"no document has {query}", err=True)
    if waiting:
        click.echo(
            f"{counted(waiting, 'document')} not indexed yet: the coordinator continues,"
            " and so does the next search",
            err=True,
        )


def _catch_up(engine: Engine) -> None:
    """Index what is not indexed, for a while; if that is refused, search what is."""
    from sqlalchemy.exc import DBAPIError

    from ruie.db.outage import error_text
    from ruie.db.search_index import index_for

    try:
        index_for(engine, INDEX_S)
    except DBAPIError as error:
        click.echo(f"nothing was added to the index: {error_text(error)}", err=True)


def _table(hits: tuple[Hit, ...], *, with_job: bool) -> object:
    from ruie.worker.terminal import table

    columns = ["document", "id", "job", "text"]
    rows: list[list[object]] = []
    for hit in hits:
        name, job = _where(hit.places)
        # a document's number identifies it: text, so that it has no thousands separator
        rows.append([str(hit.document_id), name, job, _marked(hit.snippet)])
    if not with_job:
        del columns[2]
        for row in rows:
            del row[2]
    return table(columns, rows, wrap="text")


def _where(places: tuple[JobOrigin, ...]) -> tuple[str, str]:
    """The document's id and job where it came first, and how many others there are."""
    if not places:
        return "", ""
    more = f" +{len(places) - 1}" if len(places) > 1 else ""
    return places[0].external_id + more, places[0].job_id


def _marked(snippet: Snippet) -> Text:
    """The text with its matches in bold, on a terminal."""
    from rich.text import Text

    shown = Text(snippet.text)
    for start, end in snippet.marks:
        shown.stylize("bold", start, end)
    return shown
