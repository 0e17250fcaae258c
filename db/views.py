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
from ruie.db.call_sums import TOKENS
from ruie.db.reaper import WORKER_LOST
from ruie.db.record_views import ARGUMENT, OF_EVENT, RECORD_VIEWS
from ruie.db.totals import Total


def _provenance(kind: str, table: str) -> str:
    return f"""SELECT '{kind}' AS record, r.id AS record_id, r.extraction_id AS extraction_id
    FROM {table} r"""


_SUMS = (*TOKENS, "cost_usd")


def _spent(table: str, by: str, counts: str, where: str) -> str:
    """counts: those of answered and of failed calls."""
    sums = ", ".join(f"SUM(x.{name}) AS {name}" for name in _SUMS)
    return f"""SELECT {by} AS place, x.model AS model, {counts}, {sums}
    FROM {table} x{where} GROUP BY {by}, x.model"""


def _counted_to(table: str) -> str:
    return f"""COALESCE((SELECT t.value FROM metric_totals t WHERE t.name = '{Total.FOLDED_TO}'
        AND t.job_id = '' AND t.model = '' AND t.kind = '{table}'), 0)"""


def _not_counted(table: str) -> str:
    """Rows that are not yet in `counted_calls`. The upper bound excludes none: without it
    PostgreSQL expects a third of the table, and reads all of it."""
    return f"""x.id > {_counted_to(table)}
        AND x.id <= (SELECT MAX(u.id) FROM {table} u)"""


def _spend(name: str, shown: str, by: str, kept: str) -> str:
    """name: of the column by which it is told, beside the model. shown: what is in it; by: the
    expression for a call, kept: that for sums that are kept. So sums that the coordinator keeps
    (db/fold.py), and what came since."""
    sums = {each: f"CAST(SUM({each}) AS bigint) AS {each}" for each in TOKENS}
    lost = f"x.error_class = '{WORKER_LOST}'"
    return f"""
SELECT {shown} AS {name}, model, CAST(SUM(calls) AS bigint) AS calls,
    CAST(SUM(failed) AS bigint) AS failed_calls, {sums["prompt_tokens"]},
    {sums["completion_tokens"]}, SUM(cost_usd) AS cost_usd, {sums["cached_tokens"]},
    {sums["cache_write_tokens"]}, {sums["reasoning_tokens"]}
FROM (
    {_spent("counted_calls", kept, "SUM(x.calls) AS calls, SUM(x.failed_calls) AS failed", "")}
    UNION ALL
    {
        _spent(
            "extractions",
            by,
            "COUNT(*), 0",
            " WHERE x.reused_from IS NULL AND x.source = 'model'"
            f" AND {_not_counted('extractions')}",
        )
    }
    UNION ALL
    {
        _spent(
            "attempts",
            by,
            "0, COUNT(*)",
            f" WHERE x.error_class <> '{WORKER_LOST}' AND {_not_counted('attempts')}",
        )
    }
    UNION ALL
    {_spent("attempts", by, "0, COUNT(*)", f" WHERE {lost}")}
    UNION ALL
    {_spent("pruned_attempts", kept, "0, SUM(x.calls)", f" WHERE {lost}")}
) spent
GROUP BY {shown}, model"""


_OF_JOB = """(SELECT COUNT(*) FROM origins o WHERE o.job_id = j.id) AS documents,
    (SELECT COUNT(*) FROM input_errors i WHERE i.job_id = j.id) AS input_errors,
    j.created_at AS created_at, j.finished_at AS finished_at"""


_STATES = ("pending", "leased", "submitted", "retry", "done", "quarantined", "cancelled")
"""Of items, in the order of the view's columns."""


def _items(items: str, of_state: str) -> str:
    """The counts of a job and task: what there is (expressions, with {state}), and was pruned."""

    def count(name: str, there: str, condition: str = "") -> str:
        pruned = f"""SELECT SUM(p.items) FROM pruned_items p
        WHERE p.job_id = j.id AND p.task = w.task{condition}"""
        return f"CAST({there} + COALESCE(({pruned}), 0) AS bigint) AS {name}"

    states = [count(each, of_state.format(state=each), f" AND p.state = '{each}'")
              for each in _STATES]  # fmt: skip  # one list
    return ",\n    ".join([count("items", items), *states])


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
    # One row for each job and task, with its pruned items; a job that never had one has one row,
    # with a null task. In two halves, the second of tasks whose items are all pruned: SQLite pushes
    # the condition on a job into these, and not into a sum of them.
    "job_progress": f"""
SELECT j.id AS job_id, j.name AS name, j.state AS state, j.reason AS reason, w.task AS task,
    {_items("COUNT(w.id)", "COUNT(CASE WHEN w.state = '{state}' THEN 1 END)")},
    {_OF_JOB}
FROM jobs j
LEFT JOIN work_items w ON w.job_id = j.id
GROUP BY j.id, j.name, j.state, j.reason, j.created_at, j.finished_at, w.task
HAVING w.task IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM pruned_items p WHERE p.job_id = j.id)
UNION ALL
SELECT j.id, j.name, j.state, j.reason, w.task,
    {_items("0", "0")},
    {_OF_JOB}
FROM jobs j
JOIN pruned_items w ON w.job_id = j.id
WHERE NOT EXISTS (SELECT 1 FROM work_items i WHERE i.job_id = w.job_id AND i.task = w.task)
GROUP BY j.id, j.name, j.state, j.reason, j.created_at, j.finished_at, w.task""",
    # One row for each review in force, job, task and type: equal records, and those of one side.
    "review_agreement": AGREEMENT,
    # Days in UTC. A reused result is not a call; a failed call may have cost something. Calls are
    # grouped by each database's own date, which is fast, and that is then written as text.
    "spend_by_day": _spend("day", "{day}", "{date}", "{kept_date}"),
    # Of the calls that the job made; one that only reused answers has no row.
    "spend_by_job": _spend("job_id", "place", "x.job_id", "x.job_id"),
}

# For what the two databases have no common syntax.
_SYNTAX: dict[str, dict[str, str]] = {
    "postgresql": {
        "day": "TO_CHAR(place, 'YYYY-MM-DD')",
        "date": "CAST(x.created_at AT TIME ZONE 'UTC' AS date)",
        "kept_date": "CAST(x.day AS date)",
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
        "day": "place",
        "date": "SUBSTR(x.created_at, 1, 10)",
        "kept_date": "x.day",
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
