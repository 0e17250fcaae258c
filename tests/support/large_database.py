"""A PostgreSQL database that has worked for long: some 50,000 items that are done, with all that
belongs to them, counted and indexed. Written by the server itself, in a few seconds."""

from __future__ import annotations

import json

from sqlalchemy import Engine

from ruie.db.job_settings import JobSettings
from ruie.decoding import Decoding

DOCUMENTS = 12_000
TASKS = ("NER", "RE", "ED", "EAE")
OLD = "statement_timestamp() - interval '40 days' + n * interval '1 second'"

_SCHEMA = """'{"name": "old", "entities": {"person": ""}, "events": {"met": ["who"]}}'"""
_SETTINGS = json.dumps(JobSettings(Decoding()).body())
_EACH = f"FROM generate_series(1, {DOCUMENTS}) n"
_CALL = (
    "INSERT INTO extractions (job_id, chunk_id, task, event_id, key, prompt_key, model, endpoint,"
    " prompt_version, bundle_digest, schema_digest, demonstration_ids, prompt_tokens,"
    " completion_tokens, cost_usd, latency_s, raw_output, rejects, created_at)"
    " SELECT 'old', n, '{task}', {event}, md5('q{task}' || n), md5('p{task}' || n), 'small',"
    " 'http://old/v1', '1', '', 'old', '[]', 900, 60, 0.0001, 0.7, 'person: Ada', '[]',"
    f" {OLD} {_EACH}"
)
_ITEM = (
    "INSERT INTO work_items (job_id, chunk_id, task, event_id, state, attempts, losses, fence,"
    " extraction_id, updated_at) SELECT 'old', n, '{task}', {event}, 'done', 1, 0, 1,"
    f" {{place}} * {DOCUMENTS} + n, {OLD} {_EACH}"
)

_FILL = (
    f"INSERT INTO schemas VALUES ('old', 'old', {_SCHEMA}, statement_timestamp())",
    "INSERT INTO jobs (id, name, state, schema_digest, model, endpoint, bundle_digest,"
    " prompt_version, settings, priority, forced, enqueued_at, finished_at, created_at)"
    f" SELECT 'old', 'old', 'done', 'old', 'small', 'http://old/v1', '', '1', '{_SETTINGS}', 0,"
    f" false, {OLD}, {OLD}, {OLD} FROM (SELECT 1) AS one(n)",
    "INSERT INTO documents (digest, text, chars, created_at)"
    f" SELECT md5('d' || n), 'Ada met Bo ' || n, 16, {OLD} {_EACH}",
    "INSERT INTO chunks (document_id, ordinal, char_start, char_end, digest)"
    f" SELECT n, 0, 0, 16, md5('d' || n) {_EACH}",
    "INSERT INTO origins (job_id, document_id, external_id, source, line, metadata, corpus)"
    f" SELECT 'old', n, 'doc-' || n, 'old.jsonl', n, '{{\"n\": 1}}', 'news' {_EACH}",
    "INSERT INTO input_errors (job_id, source, line, reason, excerpt, created_at)"
    f" SELECT 'old', 'old.jsonl', n, 'is empty', 'x', {OLD} {_EACH}",
    *(_CALL.format(task=task, event="NULL") for task in TASKS[:3]),
    "INSERT INTO events (extraction_id, document_id, type, trigger_text, trigger_start,"
    f" trigger_end, grounding, shared) SELECT 2 * {DOCUMENTS} + n, n, 'met', 'met', 4, 7, 'exact',"
    f" false {_EACH}",
    _CALL.format(task="EAE", event="n"),
    *(
        _ITEM.format(task=task, place=place, event="n" if task == "EAE" else "NULL")
        for place, task in enumerate(TASKS)
    ),
    "INSERT INTO canonical (key, seen, name, mapped)"
    f" SELECT 'name ' || n, 'Name ' || n, 'Name ' || n, false {_EACH}",
    "INSERT INTO entities (extraction_id, document_id, type, text, name_key, char_start, char_end,"
    f" grounding, shared) SELECT n, n, 'person', 'Name ' || n, 'name ' || n, 0, 3, 'exact', false"
    f" {_EACH}",
    "INSERT INTO relations (extraction_id, document_id, type, head_text, head_key, head_start,"
    " head_end, head_grounding, tail_text, tail_key, tail_start, tail_end, tail_grounding, shared)"
    f" SELECT {DOCUMENTS} + n, n, 'knows', 'Ada', 'name ' || n, 0, 3, 'exact', 'Bo', 'name 7', 8,"
    f" 10, 'exact', false {_EACH}",
    "INSERT INTO event_arguments (event_id, extraction_id, role, text, name_key, char_start,"
    f" char_end, grounding) SELECT n, 3 * {DOCUMENTS} + n, 'who', 'Ada', 'name ' || n, 0, 3,"
    f" 'exact' {_EACH}",
    "INSERT INTO attempts (work_item_id, job_id, attempt, error_class, error, model, endpoint,"
    " prompt_tokens, completion_tokens, created_at)"
    f" SELECT n, 'old', 1, 'output', 'no', 'small', 'http://old/v1', 9, 9, {OLD} {_EACH}",
    "INSERT INTO quarantine (work_item_id, job_id, document_id, task, error_class, error, attempts,"
    f" created_at) SELECT n, 'old', n, 'NER', 'output', 'no', 3, {OLD} {_EACH}",
    f"INSERT INTO document_parts SELECT n, n, 0, 16 {_EACH}",
    *(
        "INSERT INTO metric_totals (name, job_id, model, kind, value)"
        f" SELECT 'folded_to', '', '', '{table}', MAX(id) FROM {table}"
        for table in ("extractions", "attempts", "documents", "origins", "input_errors")
    ),
    f"INSERT INTO search_state (id, indexed_to, settled_to) VALUES (1, {DOCUMENTS}, {DOCUMENTS})",
)

LARGE = ("documents", "chunks", "origins", "input_errors", "extractions", "work_items", "events",
         "canonical", "entities", "relations", "event_arguments", "attempts", "document_parts",
         "quarantine")  # fmt: skip  # a list of tables
"""The tables that grow with the documents."""


def fill(engine: Engine) -> None:
    """Fill an empty database."""
    with engine.begin() as conn:
        conn.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no foreign keys
        for statement in _FILL:
            conn.exec_driver_sql(statement)


def analyse(engine: Engine) -> None:
    """As autovacuum does after a while."""
    with engine.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
