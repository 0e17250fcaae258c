"""The rows of query_data.py written into an empty database, in bulk."""

from __future__ import annotations

from typing import Any

from query_data import COLUMNS, Maker
from sqlalchemy import Engine
from sqlalchemy.schema import CreateIndex

from ruie.db.fold import Folding
from ruie.db.models import metadata
from ruie.db.review_records import place_all


def fill(engine: Engine, documents: int) -> None:
    """Fill an empty database. Indexes are made after the rows; foreign keys are not checked."""
    postgresql = engine.dialect.name == "postgresql"
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    if postgresql:
        driver.autocommit = True
        driver.execute("SET session_replication_role = replica")
        driver.execute("SET statement_timeout = 0")
        driver.execute("SET maintenance_work_mem = '512MB'")
    else:
        driver.execute("PRAGMA foreign_keys=OFF")
    for index in indexes:
        driver.execute(f"DROP INDEX {index.name}")
    for rows in Maker(documents).batches():
        for table in rows:
            (_copy if postgresql else _insert)(driver, table, rows[table])
    for index in indexes:
        driver.execute(str(CreateIndex(index).compile(engine)))
    driver.execute("VACUUM ANALYZE" if postgresql else "ANALYZE")
    if postgresql:
        for table in set(COLUMNS) - {"schemas", "jobs", "canonical"}:
            driver.execute(f"SELECT setval('{table}_id_seq', (SELECT MAX(id) FROM {table}))")
    pooled.invalidate()
    with engine.begin() as conn:
        place_all(conn)
    Folding(engine).fold_for(engine.begin, 3600.0)  # as the leading coordinator counts all of it


def _copy(driver: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    statement = f"COPY {table} ({COLUMNS[table]}) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _insert(driver: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(COLUMNS[table].split(",")))
    driver.execute("BEGIN")
    driver.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({marks})", rows)
    driver.execute("COMMIT")
