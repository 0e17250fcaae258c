"""The questions of docs/sql.md about the database that is open: the names and types of the example
replaced by frequent ones of the newest job that has records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select, text

from ruie.db.models import jobs

JOBS = 10
"""The newest ones, of which one with records is sought."""
SAMPLED = 1000
"""Records of each kind that are looked at: what is frequent among them will do."""

_LITERAL_OR_COLUMN = re.compile(r"'((?:[^']|'')*)'| AS (\w+)")
_ROWS = {
    "entities": "SELECT name_key, external_id, canonical FROM entity_mentions",
    "relations": "SELECT type, head_key FROM relation_mentions",
    "events": "SELECT type, role FROM event_mentions",
}
NAMES = ("crude oil", "crude export", "opec")
PREFIX, AFTER = "crude", "crudf"
RELATIONS, HEAD = ("exports", "member_of"), "saudi arabia"
EVENTS, ROLES = ("Movement", "Cut"), ("Item", "Difference")
JOB, OTHER_JOB, DOCUMENT, CANONICAL = "oil", "oil large", "news-4", "OPEC"
REPLACED = frozenset(
    {*NAMES, PREFIX, AFTER, *RELATIONS, HEAD, *EVENTS, *ROLES, JOB, OTHER_JOB, DOCUMENT, CANONICAL}
)
"""What the documentation's questions say of its own database."""


def example_values(conn: Connection) -> dict[str, str]:
    """For what is in `REPLACED`, what to write in its place; what there is nothing for is left
    out."""
    newest = select(jobs.c.id, jobs.c.name, jobs.c.schema_digest).order_by(
        jobs.c.created_at.desc(), jobs.c.id.desc()
    )
    listed = conn.execute(newest.limit(JOBS)).all()
    for job in listed:
        rows = {kind: _sample(conn, kind, job.id) for kind in _ROWS}
        if any(rows.values()):
            others = [each.name for each in listed if each.schema_digest == job.schema_digest]
            found = {JOB: [job.name], OTHER_JOB: [name for name in others if name != job.name]}
            found |= _of_records(rows)
            return {literal: values[0] for literal, values in found.items() if values}
    return {}


def _sample(conn: Connection, kind: str, job_id: str) -> list[tuple[Any, ...]]:
    sampled = text(f"{_ROWS[kind]} WHERE job_id = :job LIMIT {SAMPLED}")
    return [tuple(row) for row in conn.execute(sampled, {"job": job_id})]


def _of_records(rows: Mapping[str, list[tuple[Any, ...]]]) -> dict[str, list[str]]:
    """The most frequent values first."""
    names, documents, canonical = (
        _frequent(row[place] for row in rows["entities"]) for place in range(3)
    )
    pairs = _frequent(rows["relations"])[:1]
    events = _frequent(type_ for type_, _ in rows["events"])[:1]
    roles = _frequent(role for type_, role in rows["events"] if [type_] == events)
    found = dict.fromkeys(NAMES, names) | {DOCUMENT: documents, CANONICAL: canonical}
    prefixes = [name[:3] for name in names if name[:3].isalpha()]
    found |= {PREFIX: prefixes, AFTER: [_after(prefix) for prefix in prefixes]}
    found |= {type_: [type_ for type_, _ in pairs] for type_ in RELATIONS}
    found |= {HEAD: [head for _, head in pairs]} | dict.fromkeys(EVENTS, events)
    return found | {role: roles[place:] for place, role in enumerate(ROLES)}


def _frequent(values: Iterable[Any]) -> list[Any]:
    counts = Counter(value for value in values if value is not None)
    return sorted(counts, key=lambda value: (-counts[value], value))


def _after(prefix: str) -> str:
    """The least text that is greater than all that begin so."""
    return prefix[:-1] + chr(min(ord(prefix[-1]) + 1, 0x10FFFF))


def about(sql: str, values: Mapping[str, str]) -> str:
    """A question with these values, each as a literal of SQL; the columns of roles are named after
    them."""
    columns = {role.lower(): values[role] for role in ROLES if role in values}

    def written(found: re.Match[str]) -> str:
        literal, column = found.groups()
        if literal in values:
            return "'" + values[literal].replace("'", "''") + "'"
        if column in columns:
            return ' AS "' + columns[column].replace('"', '""') + '"'
        return found[0]

    return _LITERAL_OR_COLUMN.sub(written, sql)
