"""What a database loses on the way back to an older version, which has no place for it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, func, inspect, select

from ruie.db import migrate, version
from ruie.db.engine import open_engine, reading
from ruie.db.models import metadata
from ruie.errors import UsageError


def losses(engine: Engine, revision: str) -> list[str]:
    """What `migrate.downgrade` to a revision removes: tables that hold anything, and columns of the
    others. Raises `UsageError` where the database is not of a later revision of this program."""
    with reading(engine) as conn:
        version.check(conn)
    older = version.revisions()[1:]
    if revision not in older:
        raise UsageError(
            f"{revision} is no revision before this version's, {version.newest()}.",
            f"There are {', '.join(reversed(older))}; `ruie db upgrade` said which one it found.",
        )
    kept = _columns_at(revision)
    found = []
    with reading(engine) as conn:
        for name, table in sorted(metadata.tables.items()):
            if name not in kept:
                if rows := conn.execute(select(func.count()).select_from(table)).scalar_one():
                    found.append(f"table {name}, rows: {rows}")
            elif columns := [c.name for c in table.columns if c.name not in kept[name]]:
                found.append(f"of {name}: {', '.join(columns)}")
    return found


def _columns_at(revision: str) -> dict[str, set[str]]:
    """The columns of each table at a revision: those of an empty database that went back to it."""
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'empty.db'}")
        migrate.upgrade(engine)
        migrate.downgrade(engine, revision)
        inspector = inspect(engine)
        columns = {
            name: {column["name"] for column in inspector.get_columns(name)}
            for name in inspector.get_table_names()
        }
        engine.dispose()
    return columns
