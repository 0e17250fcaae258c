"""Alembic's environment: the connection comes from db/migrate.py, and so does the transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from ruie.db.models import metadata
from ruie.db.reader import VERSION_TABLE
from ruie.db.views import create_views, drop_views


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        # SQLite cannot alter most of a table; batch mode copies it.
        render_as_batch=connection.dialect.name == "sqlite",
        # With the driver's own transactions off (db/engine.py), SQLite's DDL is in ours.
        transactional_ddl=True,
    )
    # PostgreSQL refuses to alter what a view reads.
    drop_views(connection)
    with context.begin_transaction():
        context.run_migrations()
    if set(context.get_context().get_current_heads()) == set(context.script.get_heads()):
        create_views(connection)


run(context.config.attributes["connection"])
