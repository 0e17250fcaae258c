"""The database's version: brought up to date, or checked.

The version's table is `ruie_version`, so that the database may be shared with other programs that
use Alembic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

from ruie.db import reader
from ruie.db.engine import reading
from ruie.db.models import metadata
from ruie.db.outage import error_text
from ruie.db.time_limits import as_long_as_it_takes
from ruie.db.views import VIEWS
from ruie.errors import DatabaseError

VERSION_TABLE = reader.VERSION_TABLE
_LOCK = 0x72756965  # "ruie", the number of PostgreSQL's advisory lock


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file; env.py runs on `connection`."""
    settings = Config()
    # ConfigParser reads % as its own sign.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    settings.set_main_option("script_location", folder)
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to the newest version, in one transaction: all or nothing. Safe to run in
    several processes at once: one migrates, the others wait.

    Raises DatabaseError where the database is not ours or newer than this program.
    """
    try:
        with _migrating(engine) as conn:
            _refuse_foreign(conn, _revision(conn))
            allowed = reader.readers(conn)
            command.upgrade(config(conn), revision)
            if revision == "head":
                reader.grant(conn, allowed)  # to new tables, and to the views, which are made anew
    except DBAPIError as error:
        raise DatabaseError(
            f"The database cannot be brought up to date: {error_text(error)}.",
            "Nothing was changed. The database's user must be allowed to create tables and views.",
        ) from error


def downgrade(engine: Engine, revision: str = "base") -> None:
    """Take the database back to an older version; at base, the tables and their data are gone."""
    with _migrating(engine) as conn:
        command.downgrade(config(conn), revision)


def check(engine: Engine) -> None:
    """Raise DatabaseError unless the database is of exactly this program's version."""
    with reading(engine) as conn:
        current = _revision(conn)
        _refuse_foreign(conn, current)
    head = ScriptDirectory.from_config(config()).get_current_head()
    if current is None:
        raise DatabaseError("The database is empty.", "Run `ruie db upgrade`.")
    if current != head:
        raise DatabaseError(
            f"The database is from another version of ruie: it has {current}, this is {head}.",
            "Run `ruie db upgrade`.",
        )


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes tables, one process at a time."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as conn:
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection: Any = conn.connection.driver_connection
            with as_long_as_it_takes(connection):  # it may rewrite large tables
                yield conn
        return
    # The transaction is the only writer from its beginning. What SQLite cannot alter is copied, and
    # the old table dropped: refused while rows refer to it. Only outside of a transaction can
    # foreign keys be switched off.
    with engine.connect() as conn:
        driver: Any = conn.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with conn.begin():
                yield conn
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _revision(conn: Connection) -> str | None:
    context = MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _refuse_foreign(conn: Connection, revision: str | None) -> None:
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
        return
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if revision not in known:
        raise DatabaseError(
            f"The database is from a newer version of ruie: it has {revision}, unknown here.",
            "Install the newer ruie, or set RUIE_DATABASE_URL to another database and run"
            " `ruie db upgrade`.",
        )
