"""Recomputing the keys of all names: for rows from before there were keys, or after their rule
changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ruie.names import name_key

SPELLINGS_AT_ONCE = 20_000
"""Spellings in memory at a time."""

NAMED = (
    ("entities", "text", "name_key"),
    ("relations", "head_text", "head_key"),
    ("relations", "tail_text", "tail_key"),
    ("event_arguments", "text", "name_key"),
)
"""Tables, with the columns of their spellings and keys."""


def rekey_names(conn: Connection) -> None:
    """Set every key, and add the names that have no row. The key of each distinct spelling is
    computed once; the rows are then written by one statement for each table."""
    columns: dict[str, dict[str, str]] = {}
    for table, spelling, key in NAMED:
        columns.setdefault(table, {})[spelling] = key
    if conn.dialect.name == "sqlite":
        driver: Any = conn.connection.driver_connection
        driver.create_function("ruie_name_key", 1, name_key, deterministic=True)
        for table, keys in columns.items():
            values = ", ".join(f"{key} = ruie_name_key({text})" for text, key in keys.items())
            conn.exec_driver_sql(f"UPDATE {table} SET {values}")
    else:
        _list_spellings(conn)
        for table, keys in columns.items():  # a row is written once, whatever keys it has
            values = ", ".join(f"{key} = of_{key}.key" for key in keys.values())
            sources = ", ".join(f"spellings of_{key}" for key in keys.values())
            where = " AND ".join(f"of_{key}.spelling = {text}" for text, key in keys.items())
            conn.exec_driver_sql(f"UPDATE {table} SET {values} FROM {sources} WHERE {where}")
        conn.exec_driver_sql("DROP TABLE spellings")
    for table, spelling, key in NAMED:
        conn.exec_driver_sql(
            "INSERT INTO canonical (key, seen, name, mapped)"
            f" SELECT {key}, SUBSTR({spelling}, 1, 200), SUBSTR({spelling}, 1, 200), false"
            f" FROM {table} WHERE id IN (SELECT MIN(id) FROM {table} GROUP BY {key})"
            " ON CONFLICT DO NOTHING"
        )


def _list_spellings(conn: Connection) -> None:
    """A temporary table of all spellings with their keys."""
    every = " UNION ".join(f"SELECT {spelling} FROM {table}" for table, spelling, _ in NAMED)
    conn.exec_driver_sql(
        "CREATE TEMPORARY TABLE unkeyed ON COMMIT DROP AS"
        f" SELECT ROW_NUMBER() OVER () AS n, spelling FROM ({every}) u(spelling)"
    )
    conn.exec_driver_sql("CREATE INDEX ON unkeyed (n)")
    conn.exec_driver_sql(
        "CREATE TEMPORARY TABLE spellings (spelling text, key text) ON COMMIT DROP"
    )
    last = conn.exec_driver_sql("SELECT COALESCE(MAX(n), 0) FROM unkeyed").scalar_one()
    driver: Any = conn.connection.driver_connection
    for start in range(0, last, SPELLINGS_AT_ONCE):
        part = conn.exec_driver_sql(
            f"SELECT spelling FROM unkeyed WHERE n > {start} AND n <= {start + SPELLINGS_AT_ONCE}"
        ).scalars().all()  # fmt: skip  # one statement
        with driver.cursor() as cursor, cursor.copy("COPY spellings FROM STDIN") as copy:
            for spelling in part:
                copy.write_row((spelling, name_key(spelling)))
    conn.exec_driver_sql("DROP TABLE unkeyed")
    conn.exec_driver_sql("ANALYZE spellings")
