"""The login for users' SQL: it reads ruie's tables, and PostgreSQL refuses it everything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from support.databases import Server
from support.deployment import COMPOSE_TEXT
from support.job_database import JobDatabase

from ruie.db import migrate, reader
from ruie.db.engine import database_url, open_engine
from ruie.db.query import run_as_reader, run_readonly
from ruie.errors import DatabaseError, UsageError

OTHERS = "test_outsider"


@pytest.fixture
def owner(postgresql_server: Server) -> Iterator[Engine]:
    """The engine of a superuser, and a table that is not ruie's."""
    url = postgresql_server.current()
    engine = open_engine(url)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE secrets (password text)")
        conn.exec_driver_sql("INSERT INTO secrets VALUES ('x')")
    yield engine
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE secrets")
        for name in (reader.NAME, OTHERS):
            if conn.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).scalar():
                conn.exec_driver_sql(f"DROP OWNED BY {name}")
                conn.exec_driver_sql(f"DROP ROLE {name}")
    engine.dispose()
    postgresql_server.drop(url)


def log_in(engine: Engine, name: str = reader.NAME, password: str = "word") -> str:
    """The URL of a login; the tests' server asks for no password."""
    return reader.make_reader(engine, name, password).render_as_string(hide_password=False)


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    return list(run_as_reader(url, sql, timeout_s=10).rows)


def test_it_reads_every_table_and_view(owner: Engine) -> None:
    url = log_in(owner)
    for name in reader.READABLE:
        ask(url, f"SELECT * FROM {name} LIMIT 1")
    engine = open_engine(url)
    migrate.check(engine)
    engine.dispose()


REFUSED = {
    "SELECT pg_read_file('/etc/passwd')": "permission denied for function pg_read_file",
    "SELECT pg_ls_dir('/')": "permission denied for function pg_ls_dir",
    "SELECT lo_export(1, '/tmp/x')": "permission denied for function lo_export",
    "SELECT lo_import('/etc/passwd')": "permission denied for function lo_import",
    "SELECT lo_from_bytea(0, 'x')": "read-only transaction",
    "SELECT pg_terminate_backend({pid})": "permission denied to terminate process",
    "SELECT pg_cancel_backend({pid})": "permission denied to cancel query",
    "SELECT pg_create_physical_replication_slot('x')": "replication slots",
    "SELECT pg_reload_conf()": "permission denied for function pg_reload_conf",
    "SELECT pg_switch_wal()": "permission denied for function pg_switch_wal",
    "SELECT * FROM secrets": "permission denied for table secrets",
    "SELECT rolpassword FROM pg_authid": "permission denied for table pg_authid",
    "SELECT nextval('documents_id_seq')": "read-only transaction|permission denied",
    "SELECT set_config('role', 'postgres', false)": "permission denied to set role",
    "SELECT set_config('session_authorization', 'postgres', false)": "permission denied",
    "SELECT query_to_xml('DELETE FROM jobs', true, true, '')": "DELETE is not allowed",
    "COPY jobs TO PROGRAM 'cat'": "syntax error",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_by_its_rights_it_may_do_nothing_else(owner: Engine, sql: str) -> None:
    url = log_in(owner)
    with owner.connect() as conn:
        pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with pytest.raises(DatabaseError, match=f"refuses the query: .*({REFUSED[sql]})"):
            ask(url, sql.format(pid=pid))
        assert conn.exec_driver_sql("SELECT 1").scalar() == 1


def test_nor_does_it_write_where_a_transaction_is_not_read_only(owner: Engine) -> None:
    engine = create_engine(database_url(log_in(owner)))
    for sql in ("DELETE FROM entities", "CREATE TABLE mine (x int)", "UPDATE jobs SET name = 'x'"):
        with engine.connect() as conn:
            conn.exec_driver_sql("SET TRANSACTION READ WRITE")
            with pytest.raises(DBAPIError, match="permission denied"):
                conn.exec_driver_sql(sql)
    engine.dispose()


def test_users_sql_is_not_run_with_more_rights(owner: Engine) -> None:
    url = owner.url.render_as_string(hide_password=False)
    with pytest.raises(DatabaseError, match=r"postgres, which is a superuser.*ruie db reader"):
        ask(url, "SELECT 1")
    assert list(run_readonly(url, "SELECT 1").rows) == [(1,)]  # ruie's own SQL


@pytest.mark.parametrize(
    ("right", "named"),
    [
        ("ALTER ROLE ruie_reader REPLICATION", "may replicate"),
        ("ALTER ROLE ruie_reader CREATEROLE", "may make logins"),
        ("GRANT pg_read_server_files TO ruie_reader", "has the role pg_read_server_files"),
        ("GRANT pg_signal_backend TO ruie_reader", "has the role pg_signal_backend"),
        ("GRANT pg_read_all_data TO ruie_reader", "has the role pg_read_all_data"),
        ("GRANT INSERT ON reviews TO ruie_reader", "may write to reviews"),
        (
            "CREATE ROLE test_outsider; GRANT test_outsider TO ruie_reader;"
            "ALTER TABLE reviews OWNER TO test_outsider",
            "may write to reviews",
        ),
    ],
)
def test_nor_as_a_reader_that_was_given_more(owner: Engine, right: str, named: str) -> None:
    url = log_in(owner)
    with owner.begin() as conn:
        for statement in right.split(";"):
            conn.exec_driver_sql(statement)
    try:
        with pytest.raises(DatabaseError, match=f"ruie_reader, which {named}"):
            ask(url, "SELECT 1")
    finally:
        with owner.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE reviews OWNER TO postgres")


def test_made_again_it_has_the_new_password(owner: Engine) -> None:
    with owner.connect() as conn:
        stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'ruie_reader'"
        log_in(owner, password="one")
        first = conn.exec_driver_sql(stored).scalar()
        url = log_in(owner, password="two'; DROP TABLE jobs; --")
        conn.rollback()
        second = conn.exec_driver_sql(stored).scalar()
    assert first != second
    assert str(second).startswith("SCRAM-SHA-256$")
    assert ask(url, "SELECT COUNT(*) FROM jobs") == [(0,)]


def test_after_a_migration_it_reads_what_was_made_anew(owner: Engine) -> None:
    url = log_in(owner)
    migrate.downgrade(owner, "0012")
    migrate.upgrade(owner)
    for name in reader.READABLE:
        ask(url, f"SELECT * FROM {name} LIMIT 1")


def test_an_owner_that_is_no_superuser_makes_it(owner: Engine, postgresql_server: Server) -> None:
    with owner.begin() as conn:
        conn.exec_driver_sql(f"CREATE ROLE {OTHERS} LOGIN CREATEROLE")
    url = postgresql_server.empty()
    with owner.begin() as conn:
        conn.exec_driver_sql(f"ALTER DATABASE {database_url(url).database} OWNER TO {OTHERS}")
    plain = open_engine(
        database_url(url).set(username=OTHERS).render_as_string(hide_password=False)
    )
    try:
        migrate.upgrade(plain)
        query_url = plain.url.set(username=reader.NAME, password="word")
        shown = query_url.render_as_string(hide_password=False)
        assert reader.prepare_reader(plain, shown) is None
        assert reader.prepare_reader(plain, shown) is None
        assert ask(shown, "SELECT COUNT(*) FROM jobs") == [(0,)]
        with pytest.raises(DatabaseError, match=f"{OTHERS}, which may make logins"):
            ask(plain.url.render_as_string(hide_password=False), "SELECT 1")
        with owner.begin() as conn:
            conn.exec_driver_sql(f"ALTER ROLE {OTHERS} NOCREATEROLE")
        with pytest.raises(DatabaseError, match=f"{OTHERS}, which may write to "):
            ask(plain.url.render_as_string(hide_password=False), "SELECT 1")
        assert reader.prepare_reader(plain, shown) is None  # it is there, and is granted again
        other = plain.url.set(username="test_nobody", password="word")
        problem = reader.prepare_reader(plain, other.render_as_string(hide_password=False))
        assert "The login test_nobody cannot be made: permission denied" in str(problem)
    finally:
        plain.dispose()
        with owner.connect() as conn:
            conn.execution_options(isolation_level="AUTOCOMMIT")
            conn.exec_driver_sql(f"DROP DATABASE {database_url(url).database} WITH (FORCE)")


def test_the_owner_that_compose_makes_is_no_superuser(
    owner: Engine, postgresql_server: Server
) -> None:
    """The SQL of deploy/compose.yaml, then what its service `migrate` does."""
    content = yaml.safe_load(COMPOSE_TEXT)["configs"]["owner"]["content"]
    script = content.partition("<<'SQL'\n")[2].partition("SQL\n")[0]
    assert "NULL" in script
    admin = create_engine(owner.url, isolation_level="AUTOCOMMIT")
    url = owner.url.set(database="ruie", username="ruie")
    with admin.connect() as conn:
        conn.exec_driver_sql("CREATE DATABASE ruie")
        for statement in script.replace(":'password'", "'word'").split(";"):
            if statement.strip():
                conn.exec_driver_sql(statement)
    engine = open_engine(url.render_as_string(hide_password=False))
    try:
        migrate.upgrade(engine)
        query_url = url.set(username=reader.NAME, password="other")
        shown = query_url.render_as_string(hide_password=False)
        assert reader.prepare_reader(engine, shown) is None
        assert ask(shown, "SELECT COUNT(*) FROM jobs") == [(0,)]
        with engine.connect() as conn, pytest.raises(DBAPIError, match="permission denied"):
            conn.exec_driver_sql("SELECT pg_read_file('/etc/passwd')")
    finally:
        engine.dispose()
        with admin.connect() as conn:
            conn.exec_driver_sql("DROP DATABASE ruie WITH (FORCE)")
            conn.exec_driver_sql(f"DROP ROLE {reader.NAME}")
            conn.exec_driver_sql("DROP ROLE ruie")
        admin.dispose()


def test_sqlite_needs_none(database: JobDatabase, url: str) -> None:
    if database.engine.dialect.name == "sqlite":
        with pytest.raises(UsageError, match="SQLite has no logins"):
            reader.make_reader(database.engine, "x", "y")
        assert reader.prepare_reader(database.engine, "") is None
        assert ask(url, "SELECT 1") == [(1,)]


def test_the_owners_own_login_is_not_made_a_reader(owner: Engine) -> None:
    with pytest.raises(UsageError, match="which may write"):
        reader.make_reader(owner, "postgres", "x")
