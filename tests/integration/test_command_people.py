"""People's corrections as commands, from the export to the views, on both databases."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from support.finishing import finish

from ruie.db import queue
from ruie.db.engine import open_engine
from ruie.db.lease import quarantine_item
from ruie.errors import OutputError
from ruie.records import Grounding, Item, Span, Task

Run = Callable[..., subprocess.CompletedProcess[str]]
SCHEMA = "name: adverts\nentities: [SKILL, SALARY]\n"
ROWS = [
    {"id": "a", "text": "We offer 60,000 EUR for Python. Python is a must."},
    {"id": "b", "text": "We ask for Rust."},
]
VIEW = "SELECT external_id, type, text, source FROM {} ORDER BY external_id, char_start"


@pytest.fixture
def run(ruie: Run, tmp_path: Path, database_url: str) -> Run:
    (tmp_path / "adverts.yaml").write_text(SCHEMA)
    return partial(ruie, RUIE_DATABASE_URL=database_url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


def answers(item: queue.LeasedItem) -> list[Item]:
    assert item.task is Task.NER
    start = item.text.find("60,000 EUR")
    return (
        []
        if start < 0
        else [Item("SKILL", (Span("60,000 EUR", start, start + 10, Grounding.EXACT),))]
    )


@pytest.fixture
def job(run: Run, engine: Engine, tmp_path: Path) -> str:
    """The first document is answered, wrongly, and the second is in quarantine."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = run("enqueue", "in.jsonl", "--schema", "adverts.yaml")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    with engine.begin() as conn:
        (batch,) = queue.dispatch(conn, job_id, 100, 10, 60)
        leased = queue.lease(conn, batch.id, "worker-1", 60)
        (lost,) = (item for item in leased if "Rust" in item.text)
        assert quarantine_item(conn, lost, OutputError("unreadable"))
        queue.release(conn, leased)
    finish(engine, job_id, answers)
    return job_id


def lines(text: str) -> list[dict[str, Any]]:
    return sorted((json.loads(line) for line in text.splitlines()), key=lambda row: row["id"])


def asked(run: Run, view: str) -> list[list[Any]]:
    printed = run("query", VIEW.format(view), "--as-owner", "--format", "json")
    assert printed.returncode == 0, printed.stderr
    return [list(json.loads(line).values()) for line in printed.stdout.splitlines()]


def test_a_correction_is_in_views_exports_and_the_page(run: Run, job: str, tmp_path: Path) -> None:
    exported = run("export", job)
    assert "1 document without an answered task: --unanswered adds them" in exported.stderr
    first, second = lines(run("export", job, "--unanswered").stdout)
    assert (first["entities"][0]["type"], second["entities"]) == ("SKILL", None)
    first["entities"][0]["type"] = "SALARY"
    corrected = tmp_path / "corrected.jsonl"
    corrected.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    review = partial(run, "review", "import", "corrected.jsonl", "--job", job)
    done = review("--reviewer", "Ada")
    assert done.returncode == 0, done.stderr
    assert "1 review stored, 0 unchanged, 0 left out, 1 not annotated" in done.stderr

    assert asked(run, "entity_mentions") == [["a", "SALARY", "60,000 EUR", "person"]]
    assert asked(run, "model_entity_mentions") == [["a", "SKILL", "60,000 EUR", "model"]]
    (again,) = lines(run("export", job).stdout)
    assert [(e["type"], e["source"]) for e in again["entities"]] == [("SALARY", "person")]
    assert run("export", job, "--format", "html", "-o", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count('<small class="source">person</small>') == 1
    assert 'title="entity:SALARY"' in page
    assert 'title="entity:SKILL"' not in page
    scored = json.loads(run("review", "score", job, "--json").stdout)
    assert [(t["gold"], t["predicted"], t["matched"]) for t in scored["tasks"]] == [(1, 1, 0)]

    # rows annotated by hand, also of what is in quarantine
    first["entities"].append({"type": "SKILL", "text": "Python"})
    second["entities"] = [{"type": "SKILL", "text": "Rust"}]
    corrected.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    done = review()
    assert done.returncode == 1
    assert "line 1: 'Python' occurs 2 times, at 24, 32" in done.stderr
    assert 'Say which: "start": 32, or "occurrence": 2' in done.stderr
    first["entities"][1]["occurrence"] = 2
    corrected.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    assert "1 review stored, 1 unchanged, 0 left out" in review().stderr
    assert asked(run, "entity_mentions") == [
        ["a", "SALARY", "60,000 EUR", "person"],
        ["a", "SKILL", "Python", "person"],
        ["b", "SKILL", "Rust", "person"],
    ]
    assert len(lines(run("export", job).stdout)) == 2


def test_scores_say_what_was_given_up_and_how_it_was_before(
    run: Run, job: str, engine: Engine, tmp_path: Path
) -> None:
    salary = {"type": "SALARY", "text": "60,000 EUR"}
    gold = [[salary, {"type": "SKILL", "text": "Python", "occurrence": 2}],
            [{"type": "SKILL", "text": "Rust"}]]  # fmt: skip  # a document a line
    reviewed = [{**row, "entities": entities} for row, entities in zip(ROWS, gold, strict=True)]
    (tmp_path / "reviewed.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in reviewed))
    assert run("review", "import", "reviewed.jsonl", "--job", job).returncode == 0
    done = run("review", "score", job)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "2 reviewed documents",
        "1 of them given up, in part or whole: what people found there counts as missed",
    ]
    scored = json.loads(run("review", "score", job, "--json").stdout)
    assert {name: scored[name] for name in ("documents", "given_up", "unanswered", "before")} == {
        "documents": 2, "given_up": 1, "unanswered": 0, "before": None,
    }  # fmt: skip  # one line
    assert [(t["gold"], t["predicted"], t["matched"]) for t in scored["tasks"]] == [(3, 1, 0)]
    later = run("enqueue", "in.jsonl", "--schema", "adverts.yaml", "--new").stdout.strip()

    def learned(item: queue.LeasedItem) -> list[Item]:
        return [replace(one, type="SALARY") for one in answers(item)]

    finish(engine, later, learned)
    scored = json.loads(run("review", "score", later, "--json").stdout)
    assert (scored["before"]["job"], scored["before"]["documents"]) == (job, 2)
    (before,), (now,) = scored["before"]["tasks"], scored["before"]["now"]
    assert (before["matched"], now["matched"]) == (0, 1)
    assert (before["gold"], now["gold"]) == (3, 3)
    printed = run("review", "score", later).stdout
    assert f"{job} and this job, over 2 documents of both" in printed
