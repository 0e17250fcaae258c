"""Which version a database has: the revision of its tables. A program works on its own alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Select, column, inspect, select, table

from ruie.db.models import metadata
from ruie.db.reader import VERSION_TABLE
from ruie.db.views import VIEWS
from ruie.errors import DatabaseError, DatabaseVersionError

_STORED: Select[str] = select(column("version_num")).select_from(table(VERSION_TABLE))


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file; env.py runs on `connection`."""
    settings = Config()
    # ConfigParser reads % as its own sign.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    settings.set_main_option("script_location", folder)
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


@cache
def revisions() -> list[str]:
    """All that this program knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]


def newest() -> str:
    """This program's."""
    return revisions()[0]


def stored(conn: Connection) -> str | None:
    """The database's; None where it has none: it is empty, or somebody else's."""
    if not inspect(conn).has_table(VERSION_TABLE):
        return None
    return conn.execute(_STORED).scalar()


def require(conn: Connection) -> None:
    """Raise `DatabaseVersionError` unless the database has this program's version: one statement,
    for a process that works on it. Last in a transaction that has locked what it changes: no
    migration is under way then (db/standstill.py)."""
    if (found := conn.execute(_STORED).scalar()) != newest():
        raise _of_another_version(found)


def check(conn: Connection) -> None:
    """Likewise, with what to do for any database. Raises `DatabaseError` too."""
    current = stored(conn)
    refuse_foreign(conn, current)
    if current is None:
        raise DatabaseError("The database is empty.", "Run `ruie db upgrade`.")
    if current != newest():
        raise _of_another_version(current)
    if missing := set(VIEWS) - set(inspect(conn).get_view_names()):
        raise DatabaseError(
            f"The database lacks its views, {min(missing)} among them.", "Run `ruie db upgrade`."
        )


def refuse_foreign(conn: Connection, revision: str | None) -> None:
    """Raise where the database is newer than this program, or has other tables with our names."""
    if revision is None:
        inspector = inspect(conn)
        taken = {*inspector.get_table_names(), *inspector.get_view_names()}
        taken &= {*metadata.tables, *VIEWS}
        if taken:
            raise DatabaseError(
                f"The database has a table {min(taken)} that is not ruie's.",
                "Set RUIE_DATABASE_URL to a database of its own, then run `ruie db upgrade`.",
            )
    elif revision not in revisions():
        raise _of_another_version(revision)


def _of_another_version(found: str | None) -> DatabaseVersionError:
    if found in revisions():
        return DatabaseVersionError(
            f"The database is from another version of ruie: it has {found}, this is {newest()}.",
            "Run `ruie db upgrade`.",
        )
    return DatabaseVersionError(
        f"The database is from a newer version of ruie: it has {found}, this is {newest()}.",
        "Install the newer ruie; or go back by its `ruie db downgrade`, or from a backup"
        " (docs/installation.md).",
    )
