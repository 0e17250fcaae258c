"""Types that no bundle knows: from a file of annotated rows, and from what people correct, to
records, with the same workers all the time.

The LLM's place is taken by a script that answers from the demonstrations in its prompt alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.copying_model import copy_spans
from support.endpoint import ScriptedEndpoint
from support.fleet import Fleet

KITCHEN = ("The kitchen wants a cook who knows {} and works for {} euros .", "bread", "12")
OFFICE = ("Our office in town is looking for a clerk with {} at {} dollars .", "typing", "20")


def row(number: int, form: str, skill: str, pay: str) -> dict[str, Any]:
    """An annotated advertisement."""
    words = form.format(skill, pay)
    entities = [
        {
            "type": kind,
            "text": span,
            "start": words.index(span),
            "end": words.index(span) + len(span),
        }
        for kind, span in (("SKILL", skill), ("PAY", pay))
    ]
    return {"id": f"gold{number}", "text": words, "entities": entities}


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(copy_spans) as running:
        yield running


@pytest.fixture
def fleet(
    tmp_path: Path, database_url: str, bundle_path: Path, endpoint: ScriptedEndpoint
) -> Iterator[Fleet]:
    with Fleet(
        tmp_path, database_url, bundle_path, endpoint.url, llm_model="scripted", demonstrations=2
    ) as running:
        running.start("coordinator")
        running.start("worker")
        yield running


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")


def found(fleet: Fleet, job: str) -> set[tuple[str, str, str]]:
    """Document, type and text of the job's records."""
    sql = "SELECT external_id, type, text FROM entity_mentions WHERE job_id = :job"
    with fleet.client.engine.connect() as conn:
        return {tuple(row) for row in conn.execute(text(sql), {"job": job})}


def sets(fleet: Fleet, job: str) -> set[str]:
    """Which versions of demonstrations the calls of the job's items had."""
    sql = """SELECT CAST(x.demonstration_sets AS text), x.bundle_digest = j.bundle_digest
    FROM extractions x JOIN jobs j ON j.id = x.job_id WHERE x.job_id = :job"""
    with fleet.client.engine.connect() as conn:
        rows = conn.execute(text(sql), {"job": job}).all()
    assert all(same for _, same in rows)
    return {versions for versions, _ in rows}


@pytest.mark.parametrize(
    "database_url",
    ["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)],
    indirect=True,
)
def test_annotated_rows_and_corrections_are_shown_at_once(
    fleet: Fleet, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    gold = [row(n, *KITCHEN) for n in range(1)] + [row(n, *OFFICE) for n in range(1, 2)]
    write(tmp_path / "gold.jsonl", gold)
    (tmp_path / "jobs.yaml").write_text(
        "name: jobs\nentities: [SKILL, PAY]\ndemonstrations: gold.jsonl\n"
    )
    texts = {
        "k1": KITCHEN[0].format("bread", "12") + " Today .",
        "k2": KITCHEN[0].format("soup", "12") + " Today .",
        "k3": KITCHEN[0].format("soup", "12") + " Tomorrow .",
        "o1": OFFICE[0].format("typing", "20") + " Today .",
    }
    write(tmp_path / "ads.jsonl", [{"id": name, "text": words} for name, words in texts.items()])

    job = fleet.ruie("enqueue", "ads.jsonl", "--schema", "jobs.yaml")
    fleet.wait_done(job)
    pay = {("k1", "PAY", "12"), ("k2", "PAY", "12"), ("k3", "PAY", "12"), ("o1", "PAY", "20")}
    known = pay | {("k1", "SKILL", "bread"), ("o1", "SKILL", "typing")}
    assert found(fleet, job) == known
    assert sets(fleet, job) == {"[1]"}
    assert endpoint.count == 4

    # a person says what soup is: the document most like it profits, and is asked again
    exported = [json.loads(line) for line in fleet.ruie("export", job).splitlines()]
    (corrected,) = [each for each in exported if each["id"] == "k2"]
    start = corrected["text"].index("soup")
    corrected["entities"].append(
        {"type": "SKILL", "text": "soup", "start": start, "end": start + 4}
    )
    write(tmp_path / "corrected.jsonl", [corrected])
    fleet.ruie("review", "import", "corrected.jsonl", "--job", job)
    again = fleet.ruie("learn", job, "--yes")
    fleet.wait_done(again)
    assert ("k3", "SKILL", "soup") in found(fleet, again)
    assert sets(fleet, again) == {"[1, 2]"}
    asked = endpoint.count - 4
    assert 1 <= asked < 4, "the prompts that are as they were are not asked again"

    # what is learned already changes nothing, and costs nothing
    calls = endpoint.count
    third = fleet.ruie("learn", job, "--yes")
    fleet.wait_done(third)
    assert found(fleet, third) == found(fleet, again)
    assert endpoint.count == calls

    # forgotten, it is shown to nobody any more
    fleet.ruie("forget", "k2", "--yes")
    with fleet.client.engine.connect() as conn:
        left = conn.execute(
            text("SELECT COUNT(*) FROM demonstrations WHERE CAST(body AS text) LIKE '%soup%'")
        )
        assert left.scalar_one() == 0
    write(tmp_path / "new.jsonl", [{"id": "k4", "text": texts["k3"] + " Again ."}])
    last = fleet.ruie("enqueue", "new.jsonl", "--schema", "jobs.yaml")
    fleet.wait_done(last)
    assert found(fleet, last) == {("k4", "PAY", "12")}
