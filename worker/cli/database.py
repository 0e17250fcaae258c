"""`ruie db`."""

from __future__ import annotations

import click


@click.group("db")
def database() -> None:
    """Bring the database up to date, or check it."""


@database.command()
def upgrade() -> None:
    """Create the tables, or change them to this version's. Safe to run at any time."""
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url
    from ruie.settings import settings

    engine = open_engine(settings().database_url)
    migrate.upgrade(engine)
    click.echo(f"The database is up to date: {shown_url(engine)}", err=True)


@database.command()
def check() -> None:
    """Exit code 0 if the database is of this version, 4 if it is not."""
    from ruie.db import migrate
    from ruie.db.engine import open_engine, shown_url
    from ruie.settings import settings

    engine = open_engine(settings().database_url)
    migrate.check(engine)
    click.echo(f"The database is of this version: {shown_url(engine)}", err=True)
