"""`ruie search` as a user meets it, and the coordinator that fills its index meanwhile."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.text import Text
from sqlalchemy import text
from support.waiting import wait_until

from ruie.db.engine import open_engine
from ruie.snippets import Snippet
from ruie.worker.cli.search import _marked

Run = Callable[..., subprocess.CompletedProcess[str]]
ROWS = [
    {"id": "a", "text": "Crude oil fell as\nOPEC met in Zürich. " + "Nothing new. " * 40},
    {"id": "b", "text": "Gas prices rose; oil did not [yet]."},
    {"id": "c", "text": "国际原油价格下跌。"},
]


@pytest.fixture
def job(ruie: Run, tmp_path: Path) -> str:
    ruie("db", "upgrade")
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    return ruie("enqueue", "in.jsonl", "--schema", "news.yaml").stdout.strip()


def test_a_table_with_the_places(ruie: Run, job: str) -> None:
    done = ruie("search", "oil")
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["document", "id", "job", "text"]
    shown = "\n".join(rows)
    assert "Crude oil fell as OPEC met" in shown
    assert "oil did not [yet]." in shown
    assert job in shown
    assert done.stderr.splitlines() == ["2 documents"]


def test_the_best_and_how_many_there_are(ruie: Run, job: str) -> None:
    done = ruie("search", "oil", "--limit", "1", "--job", job)
    assert job not in done.stdout
    assert "the best 1 of 2 documents: --limit shows more" in done.stderr


def test_json(ruie: Run, job: str) -> None:
    printed = json.loads(ruie("search", '"crude oil" zurich OR 原油', "--json").stdout)
    assert (printed["total"], printed["not_indexed"]) == (2, 0)
    by_id = {hit["places"][0]["external_id"]: hit for hit in printed["hits"]}
    assert sorted(by_id) == ["a", "c"]
    snippet = by_id["a"]["snippet"]
    original = ROWS[0]["text"][snippet["char_start"] : snippet["char_end"]]
    assert original.replace("\n", " ") == snippet["text"]
    assert [snippet["text"][s:e] for s, e in snippet["marks"]] == ["Crude oil", "Zürich"]
    place = by_id["a"]["places"][0]
    assert (place["job_id"], place["source"], place["line"]) == (job, "in.jsonl", 1)


def test_nothing_is_found(ruie: Run, job: str) -> None:
    done = ruie("search", '"oil crude" -gas')
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == 'no document has "oil crude" -gas\n'


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--", "-oil"), 2, "not only words to exclude"),
        (("&&",), 2, "no word in it"),
        (("oil", "--job", "job_0"), 4, "no job job_0"),
        (("'; DROP TABLE jobs; --",), 0, "no document has"),
        (('"oil',), 0, "2 documents"),
    ],
)
def test_how_it_ends(
    ruie: Run, job: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = ruie("search", *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_indexed_is_reported(ruie: Run, job: str, tmp_path: Path) -> None:
    ruie("search", "oil")
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"id": "d", "text": "More oil."}))
    ruie("enqueue", "more.jsonl", "--schema", "news.yaml")
    with sqlite3.connect(tmp_path / "ruie.db") as conn:
        conn.execute("CREATE TRIGGER full BEFORE INSERT ON document_parts"
                     " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")  # fmt: skip
    done = ruie("search", "oil")
    assert done.returncode == 0
    assert "nothing was added to the index: the disk is full" in done.stderr
    assert "1 document not indexed yet" in done.stderr
    assert "2 documents" in done.stderr
    assert json.loads(ruie("search", "oil", "--json").stdout)["not_indexed"] == 1


def test_the_index_is_there_for_queries(ruie: Run, job: str) -> None:
    ruie("search", "oil")
    done = ruie(
        "query",
        "SELECT o.external_id FROM documents_fts f JOIN document_parts p ON p.id = f.rowid"
        " JOIN origins o ON o.document_id = p.document_id"
        " WHERE documents_fts MATCH 'oil AND zurich'",
        "--format",
        "csv",
    )
    assert done.stdout.split() == ["external_id", "a"], done.stderr


def test_on_a_terminal_the_matches_are_bold() -> None:
    shown = _marked(Snippet("Crude oil [b]fell", ((0, 5), (6, 9)), 0, 17))
    assert isinstance(shown, Text)
    assert shown.plain == "Crude oil [b]fell"
    assert [(span.start, span.end, span.style) for span in shown.spans] == [
        (0, 5, "bold"), (6, 9, "bold"),
    ]  # fmt: skip  # a line for both


@pytest.fixture
def coordinator(tmp_path: Path, url: str, job: str) -> Iterator[subprocess.Popen[bytes]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    with (tmp_path / "coordinator.log").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "ruie.worker.cli", "coordinator"],
            cwd=tmp_path,
            env={**clean, "RUIE_REDIS_URL": url},
            stderr=stderr,
        )
    yield process
    process.kill()
    process.wait()


def test_the_coordinator_fills_it(
    ruie: Run, coordinator: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """What is there, and what comes; a document that the database refuses stops nothing else."""
    engine = open_engine(f"sqlite:///{tmp_path}/ruie.db")

    def indexed() -> int:
        with engine.connect() as conn:
            query = "SELECT COUNT(DISTINCT document_id) FROM document_parts"
            return int(conn.execute(text(query)).scalar_one())

    wait_until(lambda: indexed() == len(ROWS))
    rows = [json.dumps({"id": f"n{n}", "text": f"Crude {n}."}) for n in range(1500)]
    (tmp_path / "more.jsonl").write_text("\n".join(rows))
    ruie("enqueue", "more.jsonl", "--schema", "news.yaml")
    wait_until(lambda: indexed() == len(ROWS) + 1500)
    with engine.begin() as conn:
        conn.execute(text("CREATE TRIGGER no BEFORE INSERT ON document_parts"
                          " BEGIN SELECT RAISE(ABORT, 'refused here'); END"))  # fmt: skip
    (tmp_path / "last.jsonl").write_text(json.dumps({"id": "z", "text": "The last."}))
    job = ruie("enqueue", "last.jsonl", "--schema", "news.yaml").stdout.strip()
    log = tmp_path / "coordinator.log"
    wait_until(lambda: b"cannot be indexed for search: refused here" in log.read_bytes())
    ruie("cancel", job)
    assert coordinator.poll() is None
    assert log.read_bytes().count(b"refused here") == 1
    engine.dispose()
