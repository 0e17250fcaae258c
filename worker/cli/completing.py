"""What a shell completes beside commands and options: ids of jobs, numbers of batches, names of
schedules and tables.

A completion says nothing of what goes wrong: where there is no database, it offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from sqlalchemy import Connection

OFFERED = 50
"""Jobs that are offered, the newest ones."""
SAID_CHARS = 60

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _from_database(find: Callable[[Connection], list[tuple[str, str]]]) -> Completer:
    """A completer of what a database has: words, each with what is said of it."""

    @wraps(find)
    def complete(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            from ruie.db.engine import open_engine, reading
            from ruie.settings import settings

            with reading(open_engine(settings().database_url)) as conn:
                found = find(conn)
        except Exception:  # a shell would take a message for words
            return []
        given = ctx.params.get(param.name or "") or ()
        return [
            CompletionItem(word, help=said)
            for word, said in found
            # a shell takes a word to its end of line, and shows it as it is
            if word.startswith(begun) and word.isprintable() and word not in given
        ]

    return complete


@_from_database
def job_ids(conn: Connection) -> list[tuple[str, str]]:
    """The newest jobs, with their names and states."""
    from ruie.db.jobs import list_jobs

    return [(job.id, _line(f"{job.name}, {job.state}")) for job in list_jobs(conn, limit=OFFERED)]


@_from_database
def open_batches(conn: Connection) -> list[tuple[str, str]]:
    """The numbers of batches that are not over, with whose they are and their states."""
    from ruie.db.provider_batches import listed

    found = [each for each in listed(conn) if each.state not in ("done", "failed")]
    return [(str(each.id), _line(f"{each.scope}, {each.state}")) for each in found[-OFFERED:]]


@_from_database
def schedule_names(conn: Connection) -> list[tuple[str, str]]:
    """The schedules, with their times."""
    from ruie.db.schedules import list_schedules

    return [(one.name, _line(f"{one.cron} {one.timezone}")) for one in list_schedules(conn)]


def table_names(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """The tables and views."""
    from ruie.db.catalogue import relations

    return [
        CompletionItem(one.name, help=one.holds)
        for one in relations().values()
        if one.name.startswith(begun)
    ]


def _line(text: str) -> str:
    """What is said of a word, on the line that a shell shows beside it."""
    return " ".join(text.split())[:SAID_CHARS]
