"""Long documents through a real fleet, and a title that goes with each chunk."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.fleet import Fleet
from support.long_document import SCHEMA, long_document, names_of, right_answer

from ruie.formats.writing import schema_text
from ruie.packaged import packaged_bundle
from ruie.schema import Schema

LENGTHS = [300_000, pytest.param(1_000_000, marks=pytest.mark.slow)]
"""Characters of a document."""


def enqueue(fleet: Fleet, row: dict[str, Any], *options: str, schema: Schema = SCHEMA) -> str:
    """`ruie enqueue` of one line of JSONL, in a process of its own; gives the job's id."""
    (fleet.folder / "in.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (fleet.folder / "schema.yaml").write_text(schema_text(schema), encoding="utf-8")
    return fleet.ruie("enqueue", "in.jsonl", "--schema", "schema.yaml", *options)


def rows(fleet: Fleet, sql: str) -> list[tuple[Any, ...]]:
    with fleet.client.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(sql))]


@pytest.mark.parametrize("size", LENGTHS)
def test_a_long_document_gives_each_record_once_at_its_place(
    tmp_path: Path, database_url: str, size: int
) -> None:
    document, pairs = long_document(size)
    with (
        ScriptedEndpoint(right_answer, log=False) as endpoint,
        Fleet(tmp_path, database_url, packaged_bundle(), endpoint.url, concurrency=2) as fleet,
    ):
        fleet.start("coordinator")
        fleet.start("worker")
        job = enqueue(fleet, {"id": "long", "text": document})
        fleet.wait_done(job)

        chunks = rows(fleet, "SELECT char_start, char_end FROM chunks ORDER BY char_start")
        items = rows(fleet, "SELECT task, state, COUNT(*) FROM work_items GROUP BY task, state")
        entities = rows(fleet, "SELECT type, text, char_start, char_end FROM entity_mentions")
        relations = rows(
            fleet,
            "SELECT head_text, head_start, head_end, tail_text, tail_start, tail_end"
            " FROM relation_mentions",
        )
        (raw_entities,), (raw_relations,) = (
            rows(fleet, f"SELECT COUNT(*) FROM {table}")[0] for table in ("entities", "relations")
        )
    assert sorted(items) == [(task, "done", len(chunks)) for task in ("NER", "RE")]
    assert endpoint.count == 2 * len(chunks) > size / 700

    assert all(document[start:end] == words for _, words, start, end in entities)
    assert len(set(entities)) == len(entities)
    wanted = {("name", name) for start, end in chunks for name in names_of(document[start:end])}
    assert {(kind, words) for kind, words, _, _ in entities if kind == "name"} == wanted
    debtors = Counter(words for kind, words, _, _ in entities if kind == "debtor")
    assert debtors == {f"Debtor{n}": 1 for n in range(pairs)}
    assert raw_entities > len(entities)  # overlaps were answered twice, and are seen once

    for head, head_start, head_end, tail, tail_start, tail_end in relations:
        assert (document[head_start:head_end], document[tail_start:tail_end]) == (head, tail)
    pairs_found = Counter((head, tail) for head, _, _, tail, _, _ in relations)
    assert pairs_found == {(f"Debtor{n}", f"Payer{n}"): 1 for n in range(pairs)}
    assert raw_relations > len(relations)
    # of these, the ones with a chunk's end between head and tail: the next chunk has both
    ends = [end for _, end in chunks]
    across = sum(any(head <= end <= tail for end in ends) for _, head, _, _, tail, _ in relations)
    assert across > size / 50_000


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_title_is_added_to_each_chunks_prompt(tmp_path: Path, database_url: str) -> None:
    document, _ = long_document(5_000)
    with (
        ScriptedEndpoint(answer("None")) as endpoint,
        Fleet(tmp_path, database_url, packaged_bundle(), endpoint.url) as fleet,
    ):
        fleet.start("coordinator")
        fleet.start("worker")
        row = {"id": "long", "text": document, "title": "Accounts  of\nthe year", "by": "Ada"}
        fleet.wait_done(enqueue(fleet, row, "--context", "title"))
        with_title = [request.prompt for request in endpoint.requests]
        fleet.wait_done(enqueue(fleet, row))
        without = [request.prompt for request in endpoint.requests[len(with_title) :]]
    assert len(with_title) == len(without) >= 10
    for prompt in with_title:
        query = prompt.split("\n\n")[-1].splitlines()
        assert query[0] == "Context: Accounts of the year"
        assert query[1].startswith("Sentence: ")
        assert "take nothing from it" in prompt
    pieces = {prompt.split("\n\n")[-1].splitlines()[1] for prompt in with_title}
    assert len(pieces) == len(with_title) / 2  # a query for entities and one for relations each
    assert not any("Context:" in prompt for prompt in without)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_estimate_is_what_a_run_then_asks(tmp_path: Path, database_url: str) -> None:
    schema = Schema("accounts", events={"settlement": ("debtor",)})

    def settlements(body: dict[str, Any], _: int) -> Reply:
        text, _, task = body["messages"][-1]["content"].rstrip().rpartition("\n")
        payers = re.findall(r"\bPayer\d+\b", text.rpartition("Sentence: ")[2].partition("\n")[0])
        events = "; ".join(f"settlement: {payer}" for payer in payers)
        return answer(events if task == "Events:" and events else "None")

    document, pairs = long_document(60_000)
    with (
        ScriptedEndpoint(settlements) as endpoint,
        Fleet(
            tmp_path, database_url, packaged_bundle(), endpoint.url,
            batch_size=512, llm_model="scripted",
        ) as fleet,
    ):  # fmt: skip  # a fleet
        fleet.start("coordinator")
        fleet.start("worker")
        row = {"id": "long", "text": document}
        first = enqueue(fleet, row, schema=schema)
        fleet.wait_done(first)
        before = endpoint.count
        (events,) = rows(fleet, "SELECT COUNT(*) FROM events")[0]
        estimate = ("estimate", "in.jsonl", "--schema", "schema.yaml", "--json")
        tasks = {task["task"]: task for task in json.loads(fleet.ruie(*estimate))["tasks"]}
        fleet.wait_done(enqueue(fleet, row, schema=schema))
        more = endpoint.count - before
        second = fleet.client.progress(first)
    assert events > pairs  # some are in overlaps, and found twice
    assert second.done == tasks["ED"]["paid_before"] + pairs
    assert (tasks["ED"]["calls"], tasks["EAE"]["calls"]) == (0, more)
    assert tasks["EAE"]["calls"] + tasks["EAE"]["paid_before"] == pairs
