"""`ruie export` and `ruie review` as commands, on both databases."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from support.finishing import finish

from ruie.annotations import load_corpus
from ruie.db.engine import open_engine
from ruie.db.queue import LeasedItem
from ruie.records import Grounding, Item, Span, Task

Run = Callable[..., subprocess.CompletedProcess[str]]
SCHEMA = "name: news\nentities: [person, place]\nrelations: [lives in]\nevents: {move: [who]}\n"
ROWS = [
    {"id": "a", "text": "Ada moved to Rome ."},
    {"id": "b", "text": "Bo stayed in Oslo ."},
    {"id": "c", "text": "Cy moved to Lima ."},
]


def span(text: str, words: str) -> Span:
    start = text.index(words)
    return Span(words, start, start + len(words), Grounding.EXACT)


def answers(item: LeasedItem) -> list[Item]:
    """The first word is a person, the fourth a place; but Oslo is not found, and one is nowhere."""
    person, verb, _, place, _ = item.text.split()
    who, where = span(item.text, person), span(item.text, place)
    moved = verb == "moved"
    return {
        Task.NER: [Item("person", (who,)), *([Item("place", (where,))] if moved else []),
                   *([Item("place", (Span("Atlantis"),))] if person == "Cy" else [])],
        Task.RE: [Item("lives in", (who, where))] if moved else [],
        Task.ED: [Item("move", (span(item.text, verb),))] if moved else [],
        Task.EAE: [Item("who", (who,))],
    }[item.task]  # fmt: skip  # a task a line


@pytest.fixture
def run(ruie: Run, tmp_path: Path, database_url: str) -> Run:
    (tmp_path / "news.yaml").write_text(SCHEMA)
    return partial(ruie, RUIE_DATABASE_URL=database_url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def job(run: Run, engine: Engine, tmp_path: Path) -> str:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = run("enqueue", "in.jsonl", "--schema", "news.yaml")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    finish(engine, job_id, answers)
    return job_id


def lines(text: str) -> list[dict[str, Any]]:
    """By id: an export is in the order of the database's own numbers."""
    return sorted((json.loads(line) for line in text.splitlines()), key=lambda row: row["id"])


def test_export_in_each_format(run: Run, job: str, tmp_path: Path) -> None:
    printed = run("export", job)
    assert printed.returncode == 0, printed.stderr
    assert "standard output: 3 documents" in printed.stderr
    assert "left out  1 record without offsets in the text" in printed.stderr
    rows = lines(printed.stdout)
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert [[e["text"] for e in row["entities"]] for row in rows] == [
        ["Ada", "Rome"], ["Bo"], ["Cy", "Lima"],
    ]  # fmt: skip  # a line
    assert rows[0]["events"][0]["arguments"][0]["text"] == "Ada"

    assert run("export", job, "-o", "gold.jsonl").returncode == 0
    assert (tmp_path / "gold.jsonl").read_text() == printed.stdout
    corpus = load_corpus(tmp_path / "gold.jsonl")
    assert (len(corpus.rows), corpus.problems, corpus.schema.name) == (3, (), "news")

    assert run("export", job, "--format", "parquet").returncode == 0
    tables = {path.stem: pq.read_table(path) for path in (tmp_path / f"{job}-parquet").iterdir()}
    assert {name: table.num_rows for name, table in tables.items()} == {
        "documents": 3, "entities": 6, "relations": 2, "events": 2, "event_arguments": 2,
    }  # fmt: skip  # a line
    assert tables["entities"]["text"].to_pylist().count("Atlantis") == 1

    assert run("export", job, "--format", "brat", "-o", "brat").returncode == 0
    converted = run("convert", "brat", "--to", "again.jsonl", "--whole-documents")
    assert converted.returncode == 0, converted.stderr
    again = lines((tmp_path / "again.jsonl").read_text())
    assert sorted(e["text"] for row in again for e in row["entities"]) == [
        "Ada", "Bo", "Cy", "Lima", "Rome",
    ]  # fmt: skip  # a line

    assert run("export", job, "--format", "html", "--limit", "2", "-o", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count("<article") == 2
    assert "at most 2 documents" in page


def test_what_export_refuses(run: Run, job: str, tmp_path: Path) -> None:
    (tmp_path / "there.jsonl").write_text("mine")
    refused = run("export", job, "-o", "there.jsonl")
    assert (refused.returncode, "--overwrite" in refused.stderr) == (2, True)
    assert (tmp_path / "there.jsonl").read_text() == "mine"
    assert run("export", job, "-o", "there.jsonl", "--overwrite").returncode == 0
    assert len(lines((tmp_path / "there.jsonl").read_text())) == 3
    assert run("export", "job_0").returncode == 4
    assert run("export", job, "-o", "nowhere/a.jsonl").returncode == 2
    number = lines(run("export", job).stdout)[1]["provenance"]["document"]
    (only,) = lines(run("export", job, "--document", str(number)).stdout)
    assert only["id"] == "b"


def test_corrections_are_stored_scored_and_exported(run: Run, job: str, tmp_path: Path) -> None:
    first, second, _ = lines(run("export", job).stdout)
    second["entities"].append({"type": "place", "text": "Oslo", "start": 13, "end": 17})
    wrong = {
        **second,
        "id": "x",
        "entities": [{"type": "place", "text": "O", "start": 0, "end": 1}],
    }
    (tmp_path / "corrected.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in (first, second, wrong))
    )
    review = ("review", "import", "corrected.jsonl", "--job", job, "--reviewer", "one")
    done = run(*review)
    assert done.returncode == 1
    assert "2 reviews stored, 0 unchanged, 1 left out" in done.stderr
    assert "corrected.jsonl, line 3" in done.stderr
    assert "0 reviews stored, 2 unchanged, 1 left out" in run(*review).stderr

    listed = json.loads(run("review", "list", job, "--json").stdout)
    assert sorted((r["document"], r["tasks"], r["reviewer"]) for r in listed) == [
        ("a", "NER RE ED", "one"), ("b", "NER RE ED", "one"),
    ]  # fmt: skip  # a line
    assert "news" in run("review", "list").stdout

    printed = json.loads(run("review", "score", job, "--json").stdout)
    assert printed["documents"] == 2
    by_task = {t["task"]: (t["gold"], t["predicted"], t["matched"]) for t in printed["tasks"]}
    assert by_task == {"NER": (4, 3, 3), "RE": (1, 1, 1), "ED": (1, 1, 1), "EAE": (1, 1, 1)}
    (entities,) = (t for t in printed["tasks"] if t["task"] == "NER")
    assert (entities["recall"], round(entities["f1"], 3)) == (0.75, 0.857)
    assert "2 reviewed documents" in run("review", "score", job).stderr

    assert run("review", "export", job, "-o", "gold.jsonl").returncode == 0
    gold = load_corpus(tmp_path / "gold.jsonl")
    assert gold.problems == ()
    assert sorted([i.spans[0].text for i in row.gold[Task.NER]] for row in gold.rows) == [
        ["Ada", "Rome"], ["Bo", "Oslo"],
    ]  # fmt: skip  # a line


def test_what_review_refuses(run: Run, job: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"id": "a", "text": "x", "entities": []}))
    for arguments, code, message in [
        (("import", "none.jsonl", "--job", job), 2, "none.jsonl"),
        (("import", "rows.jsonl", "--job", "job_0"), 4, "no job job_0"),
        (("import", "rows.jsonl", "--job", job), 1, "the text is not that of the document 'a'"),
        (("export", "-o", "gold.jsonl"), 2, "There is no review."),
        (("score", "job_0"), 4, "no job job_0"),
        (("list", "job_0"), 4, "no job job_0"),
    ]:
        done = run("review", *arguments)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
