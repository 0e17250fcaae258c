"""The read views, in SQL that both databases accept.

Views hold no data: a migration drops them before it starts, and makes them as they are here when
it has reached the newest revision. A change of a view alone still needs an (empty) revision, so
that `ruie db check` sees it.

A result that a second job reused is listed under both jobs: `job_id` is the job whose work item has
the result. A query over all jobs that must count a record once uses the tables, or
`COUNT(DISTINCT entity_id)`.
"""

from __future__ import annotations

from sqlalchemy import Connection

from ruie.db.agreement import AGREEMENT
from ruie.db.record_views import ARGUMENT, OF_EVENT, RECORD_VIEWS


def _provenance(kind: str, table: str) -> str:
    return f"""SELECT '{kind}' AS record, r.id AS record_id, r.extraction_id AS extraction_id
    FROM {table} r"""


_CALLS = " WHERE x.reused_from IS NULL AND x.source = 'model'"


def _spent(table: str, counted: str, where: str = "") -> str:
    return f"""SELECT {{date}} AS date, x.model AS model, {counted},
        SUM(x.prompt_tokens) AS prompt_tokens, SUM(x.completion_tokens) AS completion_tokens,
        SUM(x.cost_usd) AS cost_usd, SUM(x.cached_tokens) AS cached_tokens,
        SUM(x.cache_write_tokens) AS cache_write_tokens, SUM(x.reasoning_tokens) AS reasoning_tokens
    FROM {table} x{where} GROUP BY {{date}}, x.model"""


VIEWS: dict[str, str] = {
    **RECORD_VIEWS,
    # One row for each origin of a document in a job.
    "document_metadata": """
SELECT o.job_id AS job_id, o.document_id AS document_id, o.external_id AS external_id,
    o.source AS source, o.line AS line, o.metadata AS metadata, d.chars AS chars,
    o.corpus AS corpus, o.state AS state, o.changed_at AS changed_at, d.created_at AS created_at
FROM origins o
LEFT JOIN documents d ON d.id = o.document_id""",
    # One row for each record: the call that made it.
    "record_provenance": f"""
SELECT r.record AS record, r.record_id AS record_id, r.extraction_id AS extraction_id,
    x.job_id AS job_id, x.task AS task, x.model AS model, x.endpoint AS endpoint,
    x.prompt_version AS prompt_version, s.name AS schema_name, x.schema_digest AS schema_digest,
    x.bundle_digest AS bundle_digest, x.demonstration_ids AS demonstration_ids,
    x.prompt_tokens AS prompt_tokens, x.completion_tokens AS completion_tokens,
    x.cost_usd AS cost_usd, x.latency_s AS latency_s, x.raw_output AS raw_output,
    x.reused_from AS reused_from, x.created_at AS created_at, x.cached_tokens AS cached_tokens,
    x.cache_write_tokens AS cache_write_tokens, x.reasoning_tokens AS reasoning_tokens,
    x.review_id AS review_id, x.mode AS mode, x.provider_batch_id AS provider_batch_id
FROM (
    {_provenance("entity", "entities")}
    UNION ALL
    {_provenance("relation", "relations")}
    UNION ALL
    {_provenance("event", "events")}
    UNION ALL
    {_provenance("argument", "event_arguments")}
) r
LEFT JOIN extractions x ON x.id = r.extraction_id
LEFT JOIN schemas s ON s.digest = x.schema_digest""",
    # One row for each demonstration of a call, in the order of the prompt.
    "extraction_demonstrations": """
SELECT x.id AS extraction_id, {demonstration} AS position, n.value AS demonstration_id
FROM extractions x, {demonstrations}""",
    # One row for each job and task; a job without items has one row, with a null task.
    "job_progress": """
SELECT j.id AS job_id, j.name AS name, j.state AS state, j.reason AS reason, w.task AS task,
    COUNT(w.id) AS items,
    COUNT(CASE WHEN w.state = 'pending' THEN 1 END) AS pending,
    COUNT(CASE WHEN w.state = 'leased' THEN 1 END) AS leased,
    COUNT(CASE WHEN w.state = 'submitted' THEN 1 END) AS submitted,
    COUNT(CASE WHEN w.state = 'retry' THEN 1 END) AS retry,
    COUNT(CASE WHEN w.state = 'done' THEN 1 END) AS done,
    COUNT(CASE WHEN w.state = 'quarantined' THEN 1 END) AS quarantined,
    COUNT(CASE WHEN w.state = 'cancelled' THEN 1 END) AS cancelled,
    (SELECT COUNT(*) FROM origins o WHERE o.job_id = j.id) AS documents,
    (SELECT COUNT(*) FROM input_errors i WHERE i.job_id = j.id) AS input_errors,
    j.created_at AS created_at, j.finished_at AS finished_at
FROM jobs j
LEFT JOIN work_items w ON w.job_id = j.id
GROUP BY j.id, j.name, j.state, j.reason, j.created_at, j.finished_at, w.task""",
    # One row for each review in force, job, task and type: equal records, and those of one side.
    "review_agreement": AGREEMENT,
    # Days in UTC. A reused result is not a call; a failed call may have cost something. Calls are
    # grouped by each database's own date, which is fast, and that is then written as text.
    "spend_by_day": f"""
SELECT {{day}} AS day, model, CAST(SUM(calls) AS bigint) AS calls,
    CAST(SUM(failed) AS bigint) AS failed_calls,
    CAST(SUM(prompt_tokens) AS bigint) AS prompt_tokens,
    CAST(SUM(completion_tokens) AS bigint) AS completion_tokens, SUM(cost_usd) AS cost_usd,
    CAST(SUM(cached_tokens) AS bigint) AS cached_tokens,
    CAST(SUM(cache_write_tokens) AS bigint) AS cache_write_tokens,
    CAST(SUM(reasoning_tokens) AS bigint) AS reasoning_tokens
FROM (
    {_spent("extractions", "COUNT(*) AS calls, 0 AS failed", _CALLS)}
    UNION ALL
    {_spent("attempts", "0, COUNT(*)")}
) spent
GROUP BY {{day}}, model""",
}

# For what the two databases have no common syntax.
_SYNTAX: dict[str, dict[str, str]] = {
    "postgresql": {
        "day": "TO_CHAR(date, 'YYYY-MM-DD')",
        "date": "CAST(x.created_at AT TIME ZONE 'UTC' AS date)",
        # Of text and not by JSON_AGG, which puts spaces where SQLite has none.
        "arguments": f"""CAST('[' || COALESCE((SELECT STRING_AGG(CAST(ROW_TO_JSON(n) AS text), ',')
    FROM (SELECT {", ".join(f'{column} AS "{key}"' for key, column in ARGUMENT)}
        {OF_EVENT}) n), '') || ']' AS json)""",
        "each": "JSON_ARRAY_ELEMENTS",
        "demonstration": "CAST(n.position AS integer)",
        "demonstrations": "JSON_ARRAY_ELEMENTS_TEXT(x.demonstration_ids)"
        " WITH ORDINALITY AS n(value, position)",
    },
    "sqlite": {
        "day": "date",
        "date": "SUBSTR(x.created_at, 1, 10)",
        "arguments": f"""(SELECT JSON_GROUP_ARRAY(JSON_OBJECT({
            ", ".join(f"'{key}', n.{key}_" for key, _ in ARGUMENT)
        }))
    FROM (SELECT {", ".join(f"{column} AS {key}_" for key, column in ARGUMENT)}
        {OF_EVENT}) n)""",
        "each": "JSON_EACH",
        "demonstration": "n.key + 1",
        "demonstrations": "JSON_EACH(x.demonstration_ids) n",
    },
}


def create_views(conn: Connection) -> None:
    """Make every view; none may exist."""
    for name, query in VIEWS.items():
        for name_, syntax in _SYNTAX[conn.dialect.name].items():
            query = query.replace(f"{{{name_}}}", syntax)
        if conn.dialect.name == "postgresql":
            query = query.replace("%", "%%")  # its driver takes % for a parameter
        conn.exec_driver_sql(f"CREATE VIEW {name} AS {query.strip()}")


def drop_views(conn: Connection) -> None:
    """Drop every view that exists."""
    for name in reversed(VIEWS):
        conn.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
