"""A database in the middle of a large job, written in bulk: rows from the database itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from ruie.db import jobs
from ruie.db.job_settings import JobSettings
from ruie.decoding import Decoding
from ruie.schema import Schema

SCHEMA: dict[str, Any] = {"name": "oil", "entities": {"ORG": ""}, "relations": {"owns": ""}}
MODELS = ("small", "large")
TASKS = 2
FAR = "'2099-01-01 00:00:00.000000'"
"""No lease runs out, and no retry is due, during a measurement."""

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0})",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, {0}))",
}
# No call is of the last minute, which the coordinator restores in an empty Redis.
_EARLIER = {
    "sqlite": "(strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 hour') || '000')",
    "postgresql": "(statement_timestamp() - interval '1 hour')",
}
# Of a hundred items: 60 done, 2 in quarantine, 1 waits for its retry, 37 pending; 500 are leased.
_STATE = (
    "CASE WHEN i <= 500 THEN 'leased' WHEN i % 100 < 60 THEN 'done'"
    " WHEN i % 100 < 62 THEN 'quarantined' WHEN i % 100 = 62 THEN 'retry' ELSE 'pending' END"
)


def fill(engine: Engine, items: int) -> str:
    """Fill an empty database with a job of so many items; returns its id."""
    schema = Schema.from_body(SCHEMA)
    new = jobs.NewJob(
        "large", SCHEMA["name"], SCHEMA, schema.digest, "small", "http://127.0.0.1:9/v1", "1",
        JobSettings(Decoding()),
    )  # fmt: skip  # one job
    with engine.begin() as conn:
        job = jobs.create_job(conn, new)
        conn.exec_driver_sql(f"UPDATE jobs SET enqueued_at = {_EARLIER[engine.dialect.name]}")
    _write(engine, _statements(engine.dialect.name, job, items))
    return job


def _write(engine: Engine, statements: list[str]) -> None:
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    if engine.dialect.name == "postgresql":
        driver.autocommit = True
        driver.execute("SET session_replication_role = replica")  # foreign keys are right
        driver.execute("SET statement_timeout = 0")
    else:
        driver.execute("PRAGMA foreign_keys=OFF")
    for statement in statements:
        driver.execute(statement)
    driver.execute("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE")
    pooled.invalidate()


def _statements(dialect: str, job: str, items: int) -> list[str]:
    at, numbers = _EARLIER[dialect], _NUMBERS[dialect]
    documents = items // TASKS
    one = "TRUE" if dialect == "postgresql" else "1"
    cast = {"postgresql": "CAST('[]' AS json)", "sqlite": "'[]'"}[dialect]
    each_document, each_item = numbers.format(documents), numbers.format(items)
    task = "CASE WHEN i % 2 = 0 THEN 'NER' ELSE 'RE' END"
    model = f"CASE WHEN i % 3 = 0 THEN '{MODELS[1]}' ELSE '{MODELS[0]}' END"
    statements = [
        f"INSERT INTO documents (id, digest, text, chars, created_at) {each_document}"
        f" SELECT i, 'd' || i, 'text ' || i, 10, {at} FROM n",
        f"INSERT INTO origins (id, job_id, document_id, external_id, state) {each_document}"
        f" SELECT i, '{job}', i, 'd' || i, 'current' FROM n",
        "INSERT INTO chunks (id, document_id, ordinal, char_start, char_end, digest)"
        f" {each_document} SELECT i, i, 0, 0, 10, 'c' || i FROM n",
        "INSERT INTO extractions (id, job_id, chunk_id, task, key, model, endpoint, prompt_version,"
        " bundle_digest, schema_digest, demonstration_ids, prompt_tokens, completion_tokens,"
        " latency_s, raw_output, rejects, cost_usd, source, created_at)"
        f" {each_item} SELECT i, '{job}', (i + 1) / 2, {task}, 'k' || i, {model},"
        f" 'http://127.0.0.1:9/v1', '1', 'b', 's', {cast}, 900 + i % 300, 20 + i % 50,"
        f" (i % 4000) / 1000.0, 'ORG: OPEC', {cast}, 0.001234567, 'model', {at} FROM n"
        " WHERE i % 100 < 60 AND i > 500",
        "INSERT INTO work_items (id, job_id, chunk_id, task, state, attempts, losses, fence,"
        " lease_owner, lease_expires, not_before, extraction_id, updated_at)"
        f" {each_item} SELECT i, '{job}', (i + 1) / 2, {task}, {_STATE}, 1, 0, 1,"
        " CASE WHEN i <= 500 THEN 'host:' || (i % 16) END,"
        f" CASE WHEN i <= 500 THEN {FAR} END, CASE WHEN i % 100 = 62 THEN {FAR} END,"
        f" CASE WHEN i % 100 < 60 AND i > 500 THEN i END, {at} FROM n",
        "INSERT INTO attempts (work_item_id, job_id, attempt, error_class, error, model, endpoint,"
        f" prompt_tokens, completion_tokens, cost_usd, created_at) {each_item}"
        f" SELECT i, '{job}', 1, 'output', 'unreadable', {model}, 'http://127.0.0.1:9/v1',"
        f" 900, 20, 0.001, {at} FROM n WHERE i % 100 IN (60, 61, 62) AND i > 500",
        "INSERT INTO quarantine (work_item_id, job_id, document_id, task, error_class, error,"
        f" attempts, created_at) {each_item} SELECT i, '{job}', (i + 1) / 2, {task}, 'output',"
        f" 'unreadable', 1, {at} FROM n WHERE i % 100 IN (60, 61) AND i > 500",
        # what full-text search would do meanwhile is not the subject
        f"INSERT INTO search_state (id, indexed_to, settled_to) VALUES (1, {items}, {items})",
    ]
    if dialect == "postgresql":
        statements = [s.replace(FAR, f"CAST({FAR} AS timestamptz)") for s in statements]
        for table in ("documents", "origins", "chunks", "extractions", "work_items"):
            statements.append(
                f"SELECT setval('{table}_id_seq', (SELECT MAX(id) FROM {table}), {one.lower()})"
            )
    return statements
