"""`ruie canonical`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

import click

from ruie.errors import UsageError
from ruie.named_files import opened


@click.group("canonical")
def canonical() -> None:
    """Map the spellings of names to one name."""


@canonical.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Import lines `spelling,name` of a CSV file."""
    mapping: dict[str, str] = {}
    try:
        with opened(file) as stream, TextIOWrapper(stream, encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines), 1):
                if not row:
                    continue
                if len(row) != 2 or not all(cell.strip() for cell in row):
                    raise UsageError(
                        f"{file}:{number} is not a spelling and a name.", "Write `spelling,name`."
                    )
                mapping[row[0]] = row[1]
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "Give a CSV file in UTF-8.") from None
    _map(mapping)


@canonical.command("set")
@click.argument("spelling")
@click.argument("name")
def set_(spelling: str, name: str) -> None:
    """Set the name of SPELLING, and of those that differ only in case, spacing and the like."""
    if not spelling.strip() or not name.strip():
        raise UsageError("A name is empty.", "Give a spelling and a name.")
    _map({spelling: name})


@canonical.command("unset")
@click.argument("spelling")
def unset(spelling: str) -> None:
    """Use the spelling that was seen first again."""
    from ruie.db.canonical import unmap_names
    from ruie.worker.client import Client

    with Client().engine.begin() as conn:
        changed = unmap_names(conn, [spelling])
    click.echo(f"{changed} changed", err=True)


@canonical.command("list")
@click.argument("prefix", default="")
@click.option("--mapped", is_flag=True, help="Only those that were set or imported.")
@click.option(
    "--limit", type=click.IntRange(1), default=1000, help="At most this many; default: 1000."
)
def list_(prefix: str, mapped: bool, limit: int) -> None:
    """List keys with their names."""
    from ruie.db.canonical import list_names
    from ruie.db.engine import reading
    from ruie.worker.client import Client
    from ruie.worker.terminal import console, table

    with reading(Client().engine) as conn:
        rows = [(n.key, n.seen, n.name, n.mapped) for n in list_names(
            conn, prefix, mapped=mapped, limit=limit
        )]  # fmt: skip  # a row for each name
    console.print(table(("key", "seen first", "name", "mapped"), rows))


def _map(mapping: Mapping[str, str]) -> None:
    from ruie.db.canonical import map_names
    from ruie.worker.client import Client

    with Client().engine.begin() as conn:
        changed = map_names(conn, mapping)
    click.echo(f"{changed} changed", err=True)
