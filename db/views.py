"""The read views, in SQL that both databases take.

Views hold no data: a migration drops them before it starts, and makes them as they are here when
it has reached the newest revision. A change of a view alone still needs an (empty) revision, so
that `ruie db check` sees it.

A result that a second job reused without paying is seen under both jobs: `job_id` is the job whose
work item has the result, so a query over all jobs that must count a record once uses the tables, or
`COUNT(DISTINCT entity_id)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection


def _document(record: str) -> str:
    # Through the record's own column, whose index finds everything of one document.
    return f"""{record}.document_id AS document_id,
    (SELECT MIN(o.external_id) FROM origins o
        WHERE o.job_id = w.job_id AND o.document_id = {record}.document_id) AS external_id"""


_PROVENANCE = """w.extraction_id AS extraction_id, x.model AS model,
    x.prompt_version AS prompt_version, x.created_at AS created_at"""

_FROM_ITEMS = """FROM work_items w
JOIN extractions x ON x.id = w.extraction_id"""


def _seen_once(table: str, record: str, offsets: Sequence[str]) -> str:
    """Of equal records that two chunks of a document gave a job, the one with the smallest id. An
    event's arguments were asked for once: the event that has them comes before others."""
    same = " AND ".join(f"d.{name} = {record}.{name}" for name in ("document_id", *offsets, "type"))
    join, first = "", "d.id < " + record + ".id"
    if table == "events":
        join = """LEFT JOIN work_items da ON da.job_id = dw.job_id AND da.chunk_id = dw.chunk_id
        AND da.task = 'EAE' AND da.event_id = d.id AND da.event_id IS NOT NULL"""
        first = f"""((da.id IS NOT NULL AND wa.id IS NULL)
        OR ((da.id IS NULL) = (wa.id IS NULL) AND {first}))"""
    return f"""WHERE NOT ({record}.shared AND EXISTS (
    SELECT 1 FROM {table} d
    JOIN work_items dw ON dw.extraction_id = d.extraction_id AND dw.job_id = w.job_id
    {join}
    WHERE d.shared AND {same} AND {first}))"""


VIEWS: dict[str, str] = {
    "entity_mentions": f"""
SELECT w.job_id AS job_id, {_document("e")},
    e.id AS entity_id, e.type AS type, e.text AS text,
    e.char_start AS char_start, e.char_end AS char_end, e.grounding AS grounding,
    {_PROVENANCE}
{_FROM_ITEMS}
JOIN entities e ON e.extraction_id = w.extraction_id
{_seen_once("entities", "e", ("char_start", "char_end"))}""",
    "relation_mentions": f"""
SELECT w.job_id AS job_id, {_document("r")},
    r.id AS relation_id, r.type AS type,
    r.head_text AS head_text, r.head_start AS head_start, r.head_end AS head_end,
    r.head_grounding AS head_grounding,
    r.tail_text AS tail_text, r.tail_start AS tail_start, r.tail_end AS tail_end,
    r.tail_grounding AS tail_grounding,
    {_PROVENANCE}
{_FROM_ITEMS}
JOIN relations r ON r.extraction_id = w.extraction_id
{_seen_once("relations", "r", ("head_start", "head_end", "tail_start", "tail_end"))}""",
    # One row for each argument; an event without arguments has one row, with a null role.
    "event_mentions": f"""
SELECT w.job_id AS job_id, {_document("v")},
    v.id AS event_id, v.type AS type, v.trigger_text AS trigger_text,
    v.trigger_start AS trigger_start, v.trigger_end AS trigger_end, v.grounding AS grounding,
    a.role AS role, a.text AS argument_text,
    a.char_start AS argument_start, a.char_end AS argument_end,
    a.grounding AS argument_grounding, a.extraction_id AS argument_extraction_id,
    {_PROVENANCE}
{_FROM_ITEMS}
JOIN events v ON v.extraction_id = w.extraction_id
LEFT JOIN work_items wa ON wa.job_id = w.job_id AND wa.chunk_id = w.chunk_id
    AND wa.task = 'EAE' AND wa.event_id = v.id AND wa.event_id IS NOT NULL
LEFT JOIN event_arguments a ON a.event_id = v.id AND a.extraction_id = wa.extraction_id
{_seen_once("events", "v", ("trigger_start", "trigger_end"))}""",
    # One row for each job and task; a job without items has one row, with a null task.
    "job_progress": """
SELECT j.id AS job_id, j.name AS name, j.state AS state, j.reason AS reason, w.task AS task,
    COUNT(w.id) AS items,
    COUNT(CASE WHEN w.state = 'pending' THEN 1 END) AS pending,
    COUNT(CASE WHEN w.state = 'leased' THEN 1 END) AS leased,
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
    # Days in UTC. What was reused cost nothing and is no call; what failed may have cost something.
    "spend_by_day": """
SELECT day, model, SUM(calls) AS calls, SUM(failed) AS failed_calls,
    SUM(prompt_tokens) AS prompt_tokens, SUM(completion_tokens) AS completion_tokens,
    SUM(cost_usd) AS cost_usd
FROM (
    SELECT {day} AS day, x.model AS model, 1 AS calls, 0 AS failed,
        x.prompt_tokens AS prompt_tokens, x.completion_tokens AS completion_tokens,
        x.cost_usd AS cost_usd
    FROM extractions x
    WHERE x.reused_from IS NULL
    UNION ALL
    SELECT {day}, x.model, 0, 1, x.prompt_tokens, x.completion_tokens, x.cost_usd
    FROM attempts x
) spent
GROUP BY day, model""",
}

_DAY = {
    "postgresql": "TO_CHAR(x.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "sqlite": "SUBSTR(x.created_at, 1, 10)",
}


def create_views(conn: Connection) -> None:
    """Make every view; none may exist."""
    day = _DAY[conn.dialect.name]
    for name, query in VIEWS.items():
        conn.exec_driver_sql(f"CREATE VIEW {name} AS {query.strip().replace('{day}', day)}")


def drop_views(conn: Connection) -> None:
    """Drop every view that exists."""
    for name in reversed(VIEWS):
        conn.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
