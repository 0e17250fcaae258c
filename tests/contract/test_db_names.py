"""Names on both databases: keys with the records, what they are called, and rows of before."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from support.job_database import JobDatabase

from ruie.db import migrate
from ruie.db.canonical import list_names, map_names, unmap_names
from ruie.db.query import run_readonly
from ruie.records import Item, Task

MakeRecord = Callable[..., Item]
TEXT = "Crude Oil and crude oils fell as OPEC met, O.P.E.C. said."
QUERY = "SELECT text, name_key, canonical FROM entity_mentions ORDER BY char_start"


def work(database: JobDatabase, record: MakeRecord) -> None:
    database.enqueue(database.job("oil"), {"a": TEXT}, Task.NER, Task.RE, Task.ED)
    records = {
        Task.NER: [record(TEXT, "C", "Crude Oil"), record(TEXT, "C", "crude oils"),
                   record(TEXT, "O", "OPEC"), record(TEXT, "O", "O.P.E.C.")],
        Task.RE: [record(TEXT, "moved_by", "crude oils", "O.P.E.C.")],
        Task.ED: [record(TEXT, "Movement", "fell"), record(TEXT, "Caused", "as")],
    }  # fmt: skip  # a task a line
    for item in database.take():
        database.save(item, records[item.task])
    for item in database.take():
        database.save(item, [record(TEXT, "Item", "crude oils")])


SPELLINGS = [
    ("Crude Oil", "crude oil", "Crude Oil"),
    ("crude oils", "crude oil", "Crude Oil"),
    ("OPEC", "opec", "OPEC"),
    ("O.P.E.C.", "opec", "OPEC"),
]


def test_spellings_of_one_name(url: str, database: JobDatabase, record: MakeRecord) -> None:
    work(database, record)
    assert list(run_readonly(url, QUERY).rows) == SPELLINGS
    sides = "SELECT head_key, head_canonical, tail_key, tail_canonical FROM relation_mentions"
    assert list(run_readonly(url, sides).rows) == [("crude oil", "Crude Oil", "opec", "OPEC")]


def test_arguments_as_json_are_the_same_text_on_both(
    url: str, database: JobDatabase, record: MakeRecord
) -> None:
    work(database, record)
    rows = list(run_readonly(url, "SELECT type, arguments FROM events_json ORDER BY event_id").rows)
    start = TEXT.index("crude oils")
    argument = {"role": "Item", "text": "crude oils", "canonical": "Crude Oil",
                "start": start, "end": start + 10, "grounding": "exact",
                "confidence": None}  # fmt: skip  # one
    packed = json.dumps([argument], separators=(",", ":"))
    assert rows == [("Movement", packed), ("Caused", "[]")]


def test_pairs_metadata_and_provenance(url: str, database: JobDatabase, record: MakeRecord) -> None:
    work(database, record)

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return list(run_readonly(url, sql).rows)

    pairs = "SELECT other_canonical, COUNT(*) FROM entity_pairs WHERE name_key = 'opec' GROUP BY 1"
    assert ask(pairs) == [("Crude Oil", 4)]
    by_line = "SELECT external_id FROM document_metadata WHERE metadata ->> 'n' = '1'"
    numbers = "SELECT external_id FROM document_metadata WHERE CAST(metadata ->> 'n' AS int) = 1"
    assert ask(numbers) == [("a",)]
    assert ask(by_line) == ([("a",)] if url.startswith("postgres") else [])
    made = "SELECT record, COUNT(*) FROM record_provenance WHERE model = 'small' GROUP BY 1"
    assert sorted(ask(made)) == [("argument", 1), ("entity", 4), ("event", 2), ("relation", 1)]
    shown = (
        "SELECT position, demonstration_id FROM extraction_demonstrations"
        " WHERE extraction_id = (SELECT MIN(id) FROM extractions) ORDER BY position"
    )
    assert ask(shown) == [(1, "d1"), (2, "d2")]


def test_a_persons_mapping(
    url: str, engine: Engine, database: JobDatabase, record: MakeRecord
) -> None:
    work(database, record)
    with engine.begin() as conn:
        assert map_names(conn, {"OPEC": "Oil producers", "the cartel": "Oil producers"}) == 3
        assert map_names(conn, {"OPEC": "Oil producers"}) == 0
        assert [(n.key, n.name) for n in list_names(conn, mapped=True)] == [
            ("oil producer", "Oil producers"),
            ("opec", "Oil producers"),
            ("the cartel", "Oil producers"),
        ]
        assert [n.key for n in list_names(conn, "OPE")] == ["opec"]
    named = "SELECT COUNT(*) FROM entity_mentions WHERE canonical = 'Oil producers'"
    assert list(run_readonly(url, named).rows) == [(2,)]
    with engine.begin() as conn:
        assert unmap_names(conn, ["opec"]) == 1
    assert list(run_readonly(url, QUERY).rows) == SPELLINGS


def test_rows_of_before_get_their_keys(
    url: str, engine: Engine, database: JobDatabase, record: MakeRecord
) -> None:
    work(database, record)
    migrate.downgrade(engine, "0005")
    migrate.upgrade(engine)
    assert list(run_readonly(url, QUERY).rows) == SPELLINGS
    assert database.rows("SELECT name_key FROM event_arguments") == [("crude oil",)]
    assert database.rows("SELECT head_key, tail_key FROM relations") == [("crude oil", "opec")]
