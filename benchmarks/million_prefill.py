"""A database in which most of a job is over: rows of query_data.py, and the documents that are yet
to be worked on in the largest of their jobs."""

from __future__ import annotations

from typing import Any

from query_fill import fill
from sqlalchemy import Engine, text
from web import give_settings

from ruie.db import migrate
from ruie.db.engine import open_engine, reading
from ruie.db.fold import Folding
from ruie.db.search_index import index_documents

LARGEST = "job_oil"
"""With six of ten documents of query_data.py."""
_OF_JOB = ("work_items", "origins", "job_sources", "input_errors", "spend_accounts")
_JOB = "state, schema_digest, model, endpoint, prompt_version, settings, enqueued_at"


def prefill(url: str, documents: int) -> None:
    """Fill the database unless that was done; all of it is counted and indexed for search."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    with reading(engine) as conn:
        there = conn.execute(text("SELECT 1 FROM documents LIMIT 1")).first()
    if not there:
        fill(engine, documents)
        give_settings(url)
    while index_documents(engine):
        pass
    folding = Folding(engine)
    for _ in range(2):  # the first looks how far the tables are
        folding.fold_for(engine.begin, 3600.0)
    engine.dispose()


def join(engine: Engine, job: str) -> str:
    """Move what a job has to do into the largest job of the prefilled database, as if both were one
    job; returns that one's id."""
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    driver.autocommit = True
    driver.execute("SET session_replication_role = replica")  # foreign keys are right
    driver.execute("SET statement_timeout = 0")
    for table in _OF_JOB:
        column = "account" if table == "spend_accounts" else "job_id"
        if table == "spend_accounts":
            driver.execute(f"DELETE FROM {table} WHERE {column} = '{LARGEST}'")
        driver.execute(f"UPDATE {table} SET {column} = '{LARGEST}' WHERE {column} = '{job}'")
    driver.execute(
        f"UPDATE jobs SET finished_at = NULL, ({_JOB}) ="
        f" (SELECT {_JOB} FROM jobs WHERE id = '{job}') WHERE id = '{LARGEST}'"
    )
    driver.execute(f"DELETE FROM jobs WHERE id = '{job}'")
    pooled.invalidate()
    return LARGEST
