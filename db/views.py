"""The read views, in SQL that both databases accept.

Views hold no data: a migration drops them before it starts, and makes them as they are here when
it has reached the newest revision. A change of a view alone still needs an (empty) revision, so
that `ruie db check` sees it.

A result that a second job reused is listed under both jobs: `job_id` is the job whose work item has
the result. A query over all jobs that must count a record once uses the tables, or
`COUNT(DISTINCT entity_id)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from ruie.db.agreement import AGREEMENT


def _document(record: str) -> str:
    # Through the record's own column, whose index finds everything of one document. Of several
    # states the least in the alphabet: current before removed before superseded.
    return f"""{record}.document_id AS document_id,
    (SELECT MIN(o.external_id) FROM origins o
        WHERE o.job_id = w.job_id AND o.document_id = {record}.document_id) AS external_id,
    (SELECT MIN(o.state) FROM origins o
        WHERE o.job_id = w.job_id AND o.document_id = {record}.document_id) AS document_state"""


def _call(record: str) -> str:
    return f"""{record}.extraction_id AS extraction_id, x.model AS model,
    x.prompt_version AS prompt_version, x.created_at AS created_at"""


def _from(record: str) -> str:
    # An outer join to rows that always exist: a query that selects none of their columns does
    # without the join, and one that filters by them may start with it.
    return f"""JOIN work_items w ON w.extraction_id = {record}.extraction_id
LEFT JOIN extractions x ON x.id = {record}.extraction_id"""


def _provenance(kind: str, table: str) -> str:
    return f"""SELECT '{kind}' AS record, r.id AS record_id, r.extraction_id AS extraction_id
    FROM {table} r"""


def _spent(table: str, counted: str, where: str = "") -> str:
    return f"""SELECT {{date}} AS date, x.model AS model, {counted},
        SUM(x.prompt_tokens) AS prompt_tokens, SUM(x.completion_tokens) AS completion_tokens,
        SUM(x.cost_usd) AS cost_usd, SUM(x.cached_tokens) AS cached_tokens,
        SUM(x.cache_write_tokens) AS cache_write_tokens, SUM(x.reasoning_tokens) AS reasoning_tokens
    FROM {table} x{where} GROUP BY {{date}}, x.model"""


def _seen_once(table: str, record: str, offsets: Sequence[str]) -> str:
    """Of equal records of two chunks in a job, the one with the smallest id. The arguments of equal
    events were extracted once: the event that has them comes before the others."""
    same = " AND ".join(f"d.{name} = {record}.{name}" for name in ("document_id", *offsets, "type"))
    join, first = "", "d.id < " + record + ".id"
    if table == "events":
        join = """LEFT JOIN work_items da ON da.job_id = dw.job_id AND da.chunk_id = dw.chunk_id
        AND da.task = 'EAE' AND da.event_id = d.id AND da.event_id IS NOT NULL"""
        first = f"""((da.id IS NOT NULL AND wa.id IS NULL)
        OR ((da.id IS NULL) = (wa.id IS NULL) AND {first}))"""
    return f"""NOT ({record}.shared AND EXISTS (
    SELECT 1 FROM {table} d
    JOIN work_items dw ON dw.extraction_id = d.extraction_id AND dw.job_id = w.job_id
    {join}
    WHERE d.shared AND {same} AND {first}))"""


def _entity_once(record: str) -> str:
    return _seen_once("entities", record, ("char_start", "char_end"))


_EVENT_ONCE = _seen_once("events", "v", ("trigger_start", "trigger_end"))

_ARGUMENT_ITEM = """LEFT JOIN work_items wa ON wa.job_id = w.job_id AND wa.chunk_id = w.chunk_id
    AND wa.task = 'EAE' AND wa.event_id = v.id AND wa.event_id IS NOT NULL"""

VIEWS: dict[str, str] = {
    "entity_mentions": f"""
SELECT w.job_id AS job_id, {_document("e")},
    e.id AS entity_id, e.type AS type, e.text AS text, e.name_key AS name_key, c.name AS canonical,
    e.char_start AS char_start, e.char_end AS char_end, e.grounding AS grounding,
    {_call("e")}
FROM entities e
{_from("e")}
LEFT JOIN canonical c ON c.key = e.name_key
WHERE {_entity_once("e")}""",
    "relation_mentions": f"""
SELECT w.job_id AS job_id, {_document("r")},
    r.id AS relation_id, r.type AS type,
    r.head_text AS head_text, r.head_key AS head_key, h.name AS head_canonical,
    r.head_start AS head_start, r.head_end AS head_end, r.head_grounding AS head_grounding,
    r.tail_text AS tail_text, r.tail_key AS tail_key, t.name AS tail_canonical,
    r.tail_start AS tail_start, r.tail_end AS tail_end, r.tail_grounding AS tail_grounding,
    {_call("r")}
FROM relations r
{_from("r")}
LEFT JOIN canonical h ON h.key = r.head_key
LEFT JOIN canonical t ON t.key = r.tail_key
WHERE {_seen_once("relations", "r", ("head_start", "head_end", "tail_start", "tail_end"))}""",
    # One row for each argument; an event without arguments has one row, with a null role.
    "event_mentions": f"""
SELECT w.job_id AS job_id, {_document("v")},
    v.id AS event_id, v.type AS type, v.trigger_text AS trigger_text,
    v.trigger_start AS trigger_start, v.trigger_end AS trigger_end, v.grounding AS grounding,
    a.role AS role, a.text AS argument_text, a.name_key AS argument_key,
    c.name AS argument_canonical, a.char_start AS argument_start, a.char_end AS argument_end,
    a.grounding AS argument_grounding, a.extraction_id AS argument_extraction_id,
    {_call("v")}
FROM events v
{_from("v")}
{_ARGUMENT_ITEM}
LEFT JOIN event_arguments a ON a.event_id = v.id AND a.extraction_id = wa.extraction_id
LEFT JOIN canonical c ON c.key = a.name_key
WHERE {_EVENT_ONCE}""",
    # One row for each event, its arguments in one column.
    "events_json": f"""
SELECT w.job_id AS job_id, {_document("v")},
    v.id AS event_id, v.type AS type, v.trigger_text AS trigger_text,
    v.trigger_start AS trigger_start, v.trigger_end AS trigger_end, v.grounding AS grounding,
    {{arguments}} AS arguments,
    {_call("v")}
FROM events v
{_from("v")}
{_ARGUMENT_ITEM}
WHERE {_EVENT_ONCE}""",
    # Two different names in one document of a job: a row for each pair of mentions, in both
    # orders.
    "entity_pairs": f"""
SELECT w.job_id AS job_id, e.document_id AS document_id,
    e.id AS entity_id, e.type AS type, e.name_key AS name_key, c.name AS canonical,
    f.id AS other_id, f.type AS other_type, f.name_key AS other_key, d.name AS other_canonical
FROM entities e
JOIN work_items w ON w.extraction_id = e.extraction_id
JOIN entities f ON f.document_id = e.document_id AND f.name_key <> e.name_key
JOIN work_items u ON u.extraction_id = f.extraction_id AND u.job_id = w.job_id
LEFT JOIN canonical c ON c.key = e.name_key
LEFT JOIN canonical d ON d.key = f.name_key
WHERE {_entity_once("e")} AND {_entity_once("f")}""",
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
    x.cache_write_tokens AS cache_write_tokens, x.reasoning_tokens AS reasoning_tokens
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
    {_spent("extractions", "COUNT(*) AS calls, 0 AS failed", " WHERE x.reused_from IS NULL")}
    UNION ALL
    {_spent("attempts", "0, COUNT(*)")}
) spent
GROUP BY {{day}}, model""",
}

_ARGUMENT = (
    ("role", "a.role"),
    ("text", "a.text"),
    ("canonical", "c.name"),
    ("start", "a.char_start"),
    ("end", "a.char_end"),
    ("grounding", "a.grounding"),
)
_OF_EVENT = """FROM work_items wa
        JOIN event_arguments a ON a.event_id = v.id AND a.extraction_id = wa.extraction_id
        LEFT JOIN canonical c ON c.key = a.name_key
        WHERE wa.job_id = w.job_id AND wa.chunk_id = w.chunk_id AND wa.task = 'EAE'
            AND wa.event_id = v.id AND wa.event_id IS NOT NULL
        ORDER BY a.id"""

# For what the two databases have no common syntax.
_SYNTAX: dict[str, dict[str, str]] = {
    "postgresql": {
        "day": "TO_CHAR(date, 'YYYY-MM-DD')",
        "date": "CAST(x.created_at AT TIME ZONE 'UTC' AS date)",
        # Of text and not by JSON_AGG, which puts spaces where SQLite has none.
        "arguments": f"""CAST('[' || COALESCE((SELECT STRING_AGG(CAST(ROW_TO_JSON(n) AS text), ',')
    FROM (SELECT {", ".join(f'{column} AS "{key}"' for key, column in _ARGUMENT)}
        {_OF_EVENT}) n), '') || ']' AS json)""",
        "each": "JSON_ARRAY_ELEMENTS",
        "demonstration": "CAST(n.position AS integer)",
        "demonstrations": "JSON_ARRAY_ELEMENTS_TEXT(x.demonstration_ids)"
        " WITH ORDINALITY AS n(value, position)",
    },
    "sqlite": {
        "day": "date",
        "date": "SUBSTR(x.created_at, 1, 10)",
        "arguments": f"""(SELECT JSON_GROUP_ARRAY(JSON_OBJECT({
            ", ".join(f"'{key}', n.{key}_" for key, _ in _ARGUMENT)
        }))
    FROM (SELECT {", ".join(f"{column} AS {key}_" for key, column in _ARGUMENT)}
        {_OF_EVENT}) n)""",
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
