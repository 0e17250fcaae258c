"""The view `review_agreement`: a job's records against the reviews in force, as `ruie review score`
counts them.

`{each}` is each database's function for the elements of a JSON array (db/views.py).
"""

from __future__ import annotations

NOWHERE = -1
"""Both offsets of a span that was not found in the text, as `ruie review score` has them."""

ABSENT = -2
"""Both offsets of the second span where a task's records have one."""


def _reviewed(task: str) -> str:
    """The reviews in force of jobs' documents under their schema, where the task was reviewed and
    the job has ended it, whether it answered or gave up: for ED, the arguments too. What was given
    up found nothing.

    PostgreSQL estimates any JSON array at a hundred elements, and would then read all records of
    all jobs: so the tasks are matched as text."""
    arguments = f"\n            AND COALESCE({_ended('EAE', 'IS NOT NULL')}, 1) = 1"
    return f"""(
        SELECT j.id AS job_id, r.id AS review_id, r.document_id AS document_id, r.body AS body
        FROM reviews r
        JOIN origins o ON o.document_id = r.document_id
        JOIN jobs j ON j.id = o.job_id AND j.schema_digest = r.schema_digest
        WHERE r.replaced_at IS NULL AND CAST(r.tasks AS text) LIKE '%"{task}"%'
            AND {_ended(task, "IS NULL")} = 1{arguments if task == "ED" else ""}
    )"""


def _ended(task: str, event: str) -> str:
    """1: all of the document's work items of the task are answered or given up; 0: some are not;
    null: there are none. event: "IS NULL" or "IS NOT NULL", each of which has an index of its
    own."""
    return f"""(SELECT MIN(CASE WHEN w.state IN ('done', 'quarantined') THEN 1 ELSE 0 END)
                FROM chunks h
                JOIN work_items w ON w.chunk_id = h.id AND w.job_id = j.id AND w.task = '{task}'
                    AND w.event_id {event}
                WHERE h.document_id = r.document_id)"""


def _gold(task: str, listed: str, kind: str, *spans: str) -> str:
    """The records of a task that the review has: type and offsets. spans: JSON objects."""
    offsets = [f"CAST({span} ->> '{end}' AS integer)" for span in spans for end in ("start", "end")]
    return f"""SELECT k.job_id AS job_id, k.review_id AS review_id, '{task}' AS task,
        {kind} AS type, {_named(offsets)}, 1 AS gold, 0 AS predicted
    FROM {_reviewed(_reviewed_task(task))} k, {listed}"""


def _predicted(task: str, view: str, kind: str, *spans: str) -> str:
    """The records of a task that the job has, in the same form. spans: beginnings of columns."""
    offsets = [f"COALESCE(f.{span}_{end}, {NOWHERE})" for span in spans for end in ("start", "end")]
    return f"""SELECT k.job_id AS job_id, k.review_id AS review_id, '{task}' AS task,
        {kind} AS type, {_named(offsets)}, 0 AS gold, 1 AS predicted
    FROM {_reviewed(_reviewed_task(task))} k
    JOIN {view} f ON f.job_id = k.job_id AND f.document_id = k.document_id{
        " AND f.role IS NOT NULL" if task == "EAE" else ""
    }"""


def _named(offsets: list[str]) -> str:
    filled = [*offsets, *[str(ABSENT)] * (4 - len(offsets))]
    return ", ".join(f"{value} AS {name}" for value, name in zip(filled, "abcd", strict=True))


def _reviewed_task(task: str) -> str:
    """The task that was reviewed: arguments are reviewed with their events."""
    return "ED" if task == "EAE" else task


_TYPE = "n.value ->> 'type'"
_ROLE = f"({_TYPE}) || '/' || (m.value ->> 'role')"
_EVENTS = "{each}(k.body -> 'events') n"
_ARGUMENTS = "{each}(n.value -> 'arguments') m"
_TRIGGER = "n.value -> 'trigger'"
_COMPARED = "\n    UNION ALL\n    ".join(
    (
        _gold("NER", "{each}(k.body -> 'entities') n", _TYPE, "n.value"),
        _gold(
            "RE", "{each}(k.body -> 'relations') n", _TYPE, "n.value -> 'head'", "n.value -> 'tail'"
        ),
        _gold("ED", _EVENTS, _TYPE, _TRIGGER),
        _gold("EAE", f"{_EVENTS}, {_ARGUMENTS}", _ROLE, _TRIGGER, "m.value"),
        _predicted("NER", "model_entity_mentions", "f.type", "char"),
        _predicted("RE", "model_relation_mentions", "f.type", "head", "tail"),
        _predicted("ED", "model_event_mentions", "f.type", "trigger"),
        _predicted("EAE", "model_event_mentions", "f.type || '/' || f.role", "trigger", "argument"),
    )
)

# A record is its type and its offsets, and counts once on either side.
AGREEMENT = f"""
SELECT b.job_id AS job_id, j.model AS model, r.document_id AS document_id,
    (SELECT MIN(o.external_id) FROM origins o
        WHERE o.job_id = b.job_id AND o.document_id = r.document_id) AS external_id,
    r.id AS review_id, r.reviewer AS reviewer, b.task AS task, b.type AS type,
    b.matched AS matched, b.missing AS missing, b.spurious AS spurious
FROM (
    SELECT a.job_id AS job_id, a.review_id AS review_id, a.task AS task, a.type AS type,
        SUM(a.gold * a.predicted) AS matched, SUM(a.gold * (1 - a.predicted)) AS missing,
        SUM((1 - a.gold) * a.predicted) AS spurious
    FROM (
        SELECT s.job_id AS job_id, s.review_id AS review_id, s.task AS task, s.type AS type,
            MAX(s.gold) AS gold, MAX(s.predicted) AS predicted
        FROM (
    {_COMPARED}
        ) s
        GROUP BY s.job_id, s.review_id, s.task, s.type, s.a, s.b, s.c, s.d
    ) a
    GROUP BY a.job_id, a.review_id, a.task, a.type
) b
JOIN jobs j ON j.id = b.job_id
JOIN reviews r ON r.id = b.review_id"""
