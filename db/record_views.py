"""The views of records, in SQL that both databases accept (db/views.py).

A work item says which extraction is shown: a review's where one is in force, else the model's
(db/review_records.py). The views whose names begin with `model_` have the model's in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Results:
    """Which extraction of a work item the records of a view are from. linked: the condition of a
    join, of an item's and a record's aliases. source: a column's expression."""

    linked: str
    source: str

    def of(self, item: str, record: str) -> str:
        return self.linked.format(item=item, record=record)


SHOWN = _Results("{item}.extraction_id = {record}.extraction_id", "x.source")
MODEL = _Results(
    "({item}.extraction_id = {record}.extraction_id AND {item}.review_id IS NULL"
    " OR {item}.model_extraction_id = {record}.extraction_id)",
    "'model'",
)


def _document(record: str) -> str:
    # Through the record's own column, whose index finds everything of one document. Of several
    # states the least in the alphabet: current before removed before superseded.
    return f"""{record}.document_id AS document_id,
    (SELECT MIN(o.external_id) FROM origins o
        WHERE o.job_id = w.job_id AND o.document_id = {record}.document_id) AS external_id,
    (SELECT MIN(o.state) FROM origins o
        WHERE o.job_id = w.job_id AND o.document_id = {record}.document_id) AS document_state"""


def _call(record: str, results: _Results) -> str:
    return f"""{record}.extraction_id AS extraction_id, x.model AS model,
    x.prompt_version AS prompt_version, x.created_at AS created_at, {results.source} AS source"""


def _from(record: str, results: _Results) -> str:
    # An outer join to rows that always exist: a query that selects none of their columns does
    # without the join, and one that filters by them may start with it.
    return f"""JOIN work_items w ON {results.of("w", record)}
LEFT JOIN extractions x ON x.id = {record}.extraction_id"""


def _seen_once(table: str, record: str, offsets: Sequence[str], results: _Results) -> str:
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
    JOIN work_items dw ON {results.of("dw", "d")} AND dw.job_id = w.job_id
    {join}
    WHERE d.shared AND {same} AND {first}))"""


def _relation_once(results: _Results) -> str:
    ends = ("head_start", "head_end", "tail_start", "tail_end")
    return _seen_once("relations", "r", ends, results)


def _entity_once(record: str, results: _Results) -> str:
    return _seen_once("entities", record, ("char_start", "char_end"), results)


def _event_once(results: _Results) -> str:
    return _seen_once("events", "v", ("trigger_start", "trigger_end"), results)


_ARGUMENT_ITEM = """LEFT JOIN work_items wa ON wa.job_id = w.job_id AND wa.chunk_id = w.chunk_id
    AND wa.task = 'EAE' AND wa.event_id = v.id AND wa.event_id IS NOT NULL"""
# A review's arguments are of the same extraction as their events.
_ARGUMENTS_EXTRACTION = "COALESCE(wa.extraction_id, v.extraction_id)"


def _entities(results: _Results) -> str:
    return f"""
SELECT w.job_id AS job_id, {_document("e")},
    e.id AS entity_id, e.type AS type, e.text AS text, e.name_key AS name_key, c.name AS canonical,
    e.char_start AS char_start, e.char_end AS char_end, e.grounding AS grounding,
    {_call("e", results)}, e.confidence AS confidence
FROM entities e
{_from("e", results)}
LEFT JOIN canonical c ON c.key = e.name_key
WHERE {_entity_once("e", results)}"""


def _relations(results: _Results) -> str:
    return f"""
SELECT w.job_id AS job_id, {_document("r")},
    r.id AS relation_id, r.type AS type,
    r.head_text AS head_text, r.head_key AS head_key, h.name AS head_canonical,
    r.head_start AS head_start, r.head_end AS head_end, r.head_grounding AS head_grounding,
    r.tail_text AS tail_text, r.tail_key AS tail_key, t.name AS tail_canonical,
    r.tail_start AS tail_start, r.tail_end AS tail_end, r.tail_grounding AS tail_grounding,
    {_call("r", results)}, r.confidence AS confidence
FROM relations r
{_from("r", results)}
LEFT JOIN canonical h ON h.key = r.head_key
LEFT JOIN canonical t ON t.key = r.tail_key
WHERE {_relation_once(results)}"""


def _events(results: _Results) -> str:
    """One row for each argument; an event without arguments has one row, with a null role."""
    return f"""
SELECT w.job_id AS job_id, {_document("v")},
    v.id AS event_id, v.type AS type, v.trigger_text AS trigger_text,
    v.trigger_start AS trigger_start, v.trigger_end AS trigger_end, v.grounding AS grounding,
    a.role AS role, a.text AS argument_text, a.name_key AS argument_key,
    c.name AS argument_canonical, a.char_start AS argument_start, a.char_end AS argument_end,
    a.grounding AS argument_grounding, a.extraction_id AS argument_extraction_id,
    {_call("v", results)}, v.confidence AS confidence, a.confidence AS argument_confidence
FROM events v
{_from("v", results)}
{_ARGUMENT_ITEM}
LEFT JOIN event_arguments a ON a.event_id = v.id
    AND a.extraction_id = {_ARGUMENTS_EXTRACTION}
LEFT JOIN canonical c ON c.key = a.name_key
WHERE {_event_once(results)}"""


def _events_json(results: _Results) -> str:
    """One row for each event, its arguments in one column."""
    return f"""
SELECT w.job_id AS job_id, {_document("v")},
    v.id AS event_id, v.type AS type, v.trigger_text AS trigger_text,
    v.trigger_start AS trigger_start, v.trigger_end AS trigger_end, v.grounding AS grounding,
    {{arguments}} AS arguments,
    {_call("v", results)}, v.confidence AS confidence
FROM events v
{_from("v", results)}
{_ARGUMENT_ITEM}
WHERE {_event_once(results)}"""


# Two different names in one document of a job: a row for each pair of mentions, in both orders.
_PAIRS = f"""
SELECT w.job_id AS job_id, e.document_id AS document_id,
    e.id AS entity_id, e.type AS type, e.name_key AS name_key, c.name AS canonical,
    f.id AS other_id, f.type AS other_type, f.name_key AS other_key, d.name AS other_canonical
FROM entities e
JOIN work_items w ON w.extraction_id = e.extraction_id
JOIN entities f ON f.document_id = e.document_id AND f.name_key <> e.name_key
JOIN work_items u ON u.extraction_id = f.extraction_id AND u.job_id = w.job_id
LEFT JOIN canonical c ON c.key = e.name_key
LEFT JOIN canonical d ON d.key = f.name_key
WHERE {_entity_once("e", SHOWN)} AND {_entity_once("f", SHOWN)}"""

RECORD_VIEWS: dict[str, str] = {
    "entity_mentions": _entities(SHOWN),
    "relation_mentions": _relations(SHOWN),
    "event_mentions": _events(SHOWN),
    "events_json": _events_json(SHOWN),
    "entity_pairs": _PAIRS,
    "model_entity_mentions": _entities(MODEL),
    "model_relation_mentions": _relations(MODEL),
    "model_event_mentions": _events(MODEL),
}

ARGUMENT = (
    ("role", "a.role"),
    ("text", "a.text"),
    ("canonical", "c.name"),
    ("start", "a.char_start"),
    ("end", "a.char_end"),
    ("grounding", "a.grounding"),
    ("confidence", "a.confidence"),
)
"""The keys of an argument in `events_json`, and what they are read from."""

OF_EVENT = f"""FROM event_arguments a
        LEFT JOIN canonical c ON c.key = a.name_key
        WHERE a.event_id = v.id AND a.extraction_id = {_ARGUMENTS_EXTRACTION}
        ORDER BY a.id"""
"""Where the arguments of an event come from."""
