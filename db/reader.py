"""The login for users' own SQL: on PostgreSQL, one that may read ruie's tables and nothing else.

A transaction that only reads still lets a superuser read the server's files, end other sessions and
take up replication slots. What a query may do is therefore a matter of its login's rights. SQLite
has no logins: there an authorizer allows reading alone (db/engine.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db.engine import database_url, reading
from ruie.db.models import FTS, metadata
from ruie.db.outage import error_text, is_away
from ruie.db.views import VIEWS
from ruie.errors import DatabaseError, UsageError

NAME = "ruie_reader"
VERSION_TABLE = "ruie_version"
"""Whoever may read this table, besides its owner, is a reader and gets the others too."""
READABLE = (*metadata.tables, FTS, *VIEWS, VERSION_TABLE)
# As docs/sql.md says for other clients: a query over views has more tables than the default of 8.
_SETTINGS = {
    "default_transaction_read_only": "on",
    "join_collapse_limit": "16",
    "from_collapse_limit": "16",
}


def make_reader(engine: Engine, name: str, password: str) -> URL:
    """Make the login, or give it this password, and let it read; returns the URL to use.

    Raises `UsageError` on SQLite, and `DatabaseError` where the engine's own login may not make
    logins.
    """
    if engine.dialect.name == "sqlite":
        raise UsageError(
            "SQLite has no logins: `ruie query` opens the file for reading alone.",
            "Nothing has to be made.",
        )
    if name == engine.url.username:
        raise UsageError(
            f"{name} is the login of RUIE_DATABASE_URL, which may write.", "Give another --name."
        )
    try:
        with engine.begin() as conn:
            _make_login(conn, name, password)
            grant(conn, [name])
    except DBAPIError as error:
        raise DatabaseError(
            f"The login {name} cannot be made: {error_text(error)}.",
            "RUIE_DATABASE_URL needs a login with CREATEROLE that owns ruie's tables; docs/sql.md"
            " has the SQL for an administrator.",
        ) from error
    return engine.url.set(drivername="postgresql", username=name, password=password)


def prepare_reader(engine: Engine, query_url: str) -> str | None:
    """Make the login of RUIE_QUERY_DATABASE_URL, or give it that URL's password, where the engine's
    login may. Returns what an administrator has to do where it may not."""
    url = database_url(query_url) if query_url else None
    if url is None or engine.dialect.name == "sqlite" or url.drivername == "sqlite":
        return None
    if not url.username or not url.password or url.username == engine.url.username:
        return None
    try:
        make_reader(engine, url.username, str(url.password))
    except DatabaseError as error:
        if error.__cause__ is not None and is_away(error.__cause__):
            raise
        try:
            with engine.begin() as conn:  # it is there already, made by somebody else
                grant(conn, [url.username])
        except DBAPIError:
            return str(error)
    return None


def _make_login(conn: Connection, name: str, password: str) -> None:
    driver: Any = conn.connection.driver_connection
    # A hash and not the password: statements of this kind are written to logs.
    secret = driver.pgconn.encrypt_password(password.encode(), name.encode()).decode()
    login = _quoted(conn, name)
    there = conn.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).scalar()
    if there:
        conn.exec_driver_sql(f"ALTER ROLE {login} LOGIN PASSWORD '{secret}'")
    else:
        conn.exec_driver_sql(
            f"CREATE ROLE {login} LOGIN PASSWORD '{secret}'"
            " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
        )
    for setting, value in _SETTINGS.items():
        conn.exec_driver_sql(f"ALTER ROLE {login} SET {setting} = {value}")


def _quoted(conn: Connection, name: str) -> str:
    return conn.dialect.identifier_preparer.quote_identifier(name)


def readers(conn: Connection) -> list[str]:
    """The logins that may read ruie's tables without owning them."""
    if conn.dialect.name == "sqlite":
        return []
    listed = conn.exec_driver_sql(
        "SELECT DISTINCT r.rolname FROM pg_class c, LATERAL aclexplode(c.relacl) a"
        " JOIN pg_roles r ON r.oid = a.grantee"
        f" WHERE c.oid = to_regclass('{VERSION_TABLE}') AND a.privilege_type = 'SELECT'"
        " AND a.grantee <> c.relowner ORDER BY r.rolname"
    )
    return list(listed.scalars())


def grant(conn: Connection, names: Iterable[str]) -> None:
    """Let logins read every table and view of ruie, and see where they are."""
    for name in names:
        login = _quoted(conn, name)
        schema, database = conn.exec_driver_sql(
            "SELECT quote_ident(current_schema()), quote_ident(current_database())"
        ).one()
        conn.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {login}")
        conn.exec_driver_sql(f"GRANT CONNECT ON DATABASE {database} TO {login}")
        conn.exec_driver_sql(f"GRANT SELECT ON {', '.join(READABLE)} TO {login}")


_ATTRIBUTES = {
    "rolsuper": "is a superuser",
    "rolreplication": "may replicate",
    "rolcreaterole": "may make logins",
    "rolcreatedb": "may make databases",
    "rolbypassrls": "passes by the policies of rows",
}
_LOGIN = f"SELECT rolname, {', '.join(_ATTRIBUTES)} FROM pg_roles WHERE rolname = session_user"
# Of PostgreSQL's own roles each gives rights beyond some tables: files, programs, other sessions.
_ROLES = r"""SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\_%%'
    AND rolname <> 'pg_database_owner' AND pg_has_role(session_user, oid, 'MEMBER')
    ORDER BY rolname LIMIT 1"""
_WRITABLE = """SELECT relname FROM pg_class
    WHERE relname = ANY(%s) AND pg_table_is_visible(oid)
    AND (pg_has_role(session_user, relowner, 'MEMBER')
        OR has_table_privilege(session_user, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'))
    ORDER BY relname LIMIT 1"""


def refuse_more_than_reading(engine: Engine) -> None:
    """Raise `DatabaseError` unless the engine's login may read and do nothing else."""
    if engine.dialect.name == "sqlite":
        return
    with reading(engine) as conn:
        row = conn.exec_driver_sql(_LOGIN).one()
        can = [words for name, words in _ATTRIBUTES.items() if getattr(row, name)]
        if not can and (role := conn.exec_driver_sql(_ROLES).scalar()):
            can = [f"has the role {role}"]
        if not can and (table := conn.exec_driver_sql(_WRITABLE, (list(READABLE),)).scalar()):
            can = [f"may write to {table}"]
    if can:
        raise DatabaseError(
            f"The query is not run as {row.rolname}, which {' and '.join(can)}: a query may read"
            " ruie's tables and nothing else.",
            "Run `ruie db reader -o reader-url` and set RUIE_QUERY_DATABASE_URL_FILE=reader-url;"
            " --as-owner runs a query of your own all the same.",
        )
