"""`ruie forget`: remove a document and everything made of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.errors import UnavailableError, UsageError
from ruie.worker.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from ruie.db.forget import Found

PATIENCE_S = 300.0
"""How long to wait for answers that are on their way."""


@click.command()
@click.argument("ids", nargs=-1, metavar="DOCUMENT...")
@click.option("--corpus", help="Only documents that were read into this corpus.")
@click.option(
    "--bundle",
    "bundles",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Look for demonstrations made of them here; default: RUIE_BUNDLE. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "show", is_flag=True, help="List what is forgotten.")
@click.option("--lift", type=int, metavar="NUMBER", help="Let a forgotten text be read again.")
@click.option("--compact", "only_compact", is_flag=True, help="Only rewrite the database's file.")
@json_option
def forget(
    ids: tuple[str, ...],
    corpus: str | None,
    bundles: tuple[Path, ...],
    yes: bool,
    show: bool,
    lift: int | None,
    only_compact: bool,
    as_json: bool,
) -> None:
    """Remove every DOCUMENT (its id) and all that was made of it; refuse its text from now on.

    Text, metadata, names, records, reviews, answers, prompts in quarantine, the index of words.
    What was spent and the counts of jobs stay. Exported files and backups are not touched.
    """
    from ruie.db.compact import compact
    from ruie.worker.client import Client

    if sum([bool(ids), show, lift is not None, only_compact]) != 1:
        raise UsageError("Give documents, or --list, --lift or --compact.", "See --help.")
    client = Client()
    if show:
        _list(client.engine, as_json)
    elif lift is not None:
        _lift(client.engine, lift)
    elif only_compact:
        compact(client.engine)
    else:
        found = _found(client.engine, ids, corpus)
        _show(found)
        if not yes:
            click.confirm("Forget this for good?", abort=True, err=True)
        kept = _demonstrations(client.engine, found, bundles or (client.config.bundle,))
        _erase(client.engine, [each.document_id for each in found])
        compact(client.engine)
        click.echo(f"{len(found):,} forgotten", err=True)
        for bundle, numbers in kept.items():
            click.echo(
                f"{bundle} has {len(numbers):,} demonstrations made of it; remove them:\n"
                f"  ruie bundle remove {bundle} {' '.join(numbers)}",
                err=True,
            )


def _found(engine: Engine, ids: Sequence[str], corpus: str | None) -> list[Found]:
    from ruie.db import forget as stored
    from ruie.db.engine import reading

    with reading(engine) as conn:
        found = stored.find(conn, ids, corpus)
    known = {id_ for each in found for id_ in each.ids}
    if missing := [id_ for id_ in ids if id_ not in known]:
        where = f" in the corpus {corpus}" if corpus else ""
        raise UsageError(
            f"No document was read as {', '.join(missing)}{where}.",
            "`ruie search` shows the ids of documents; `ruie forget --list` what is forgotten.",
        )
    return found


def _show(found: Sequence[Found]) -> None:
    from ruie.worker.terminal import error_console, table

    columns = ["document", "read as", "jobs", "characters", "records", "reviews"]
    rows = [
        [str(f.document_id), ", ".join(f.ids), len(f.jobs), f.chars, f.records, f.reviews]
        for f in found
    ]
    error_console.print(table(columns, rows, wrap="read as"))


def _erase(engine: Engine, documents: Sequence[int]) -> None:
    from ruie.db import forget as stored
    from ruie.db.erasure import blank

    deadline = time.monotonic() + PATIENCE_S
    while True:
        with engine.begin() as conn:
            held = stored.mark(conn, documents)
            if not held:
                blank(conn, documents)
                return
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Workers still hold {held:,} items of it; nothing new is asked about it.",
                "Run the same command again to remove the rest.",
            )
        time.sleep(1.0)


def _demonstrations(
    engine: Engine, found: Sequence[Found], bundles: Sequence[Path | str]
) -> dict[str, list[str]]:
    """Ids of demonstrations whose text is a part of a document, by bundle."""
    from ruie.bundle import Bundle
    from ruie.bundle.retrieval import text_key
    from ruie.db import forget as stored
    from ruie.db.engine import reading

    with reading(engine) as conn:
        texts = [text_key(text) for text in stored.texts(conn, [f.document_id for f in found])]
    made: dict[str, list[str]] = {}
    for path in map(Path, bundles):
        for one in Bundle.open(path).demonstrations():
            key = text_key(one.text)
            if any(key in text for text in texts):
                made.setdefault(str(path), []).append(one.id)
    return made


def _list(engine: Engine, as_json: bool) -> None:
    from ruie.db import forget as stored
    from ruie.db.engine import reading
    from ruie.worker.terminal import console, print_json, table

    with reading(engine) as conn:
        marks = stored.marks(conn)
    if as_json:
        print_json({"forgotten": [asdict(each) for each in marks]})
    elif marks:
        rows = [[str(m.number), m.at, m.digest] for m in marks]
        console.print(table(["number", "since (UTC)", "SHA-256 of the text"], rows))
    else:
        click.echo("nothing is forgotten", err=True)


def _lift(engine: Engine, number: int) -> None:
    from ruie.db import forget as stored

    with engine.begin() as conn:
        if not stored.lift(conn, number):
            raise UsageError(f"{number} is not forgotten.", "See `ruie forget --list`.")
    click.echo("its text may be read again", err=True)
