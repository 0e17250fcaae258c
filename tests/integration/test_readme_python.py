"""The Python of README.md runs as it stands, with the included bundle and a scripted endpoint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.documents import blocks, text_of
from support.endpoint import Reply, ScriptedEndpoint, answer

from ruie.client import Client
from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.schema import Schema

ADDRESS = "http://127.0.0.1:8000/v1"


def script(body: dict[str, Any], number: int) -> Reply:
    task = body["messages"][-1]["content"].rsplit("\n", 1)[-1]
    replies = {
        "Entities:": "COMMODITY: Crude; ORGANISATION: OPEC",
        "Events:": "Movement-up-gain: raised",
        "Arguments:": "Item: output",
    }
    return answer(replies.get(task, "None"))


def of_the_readme(language: str) -> list[str]:
    return [block.text for block in blocks(text_of("README.md")) if block.language == language]


def run(code: str, folder: Path, **environment: str) -> str:
    """Run it in a process of its own, where a warning is an error."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUIE_")}
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=folder,
        env={**clean, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the README's schema file."""
    (schema,) = of_the_readme("yaml")
    (tmp_path / "oil.yaml").write_text(schema)
    return tmp_path


def test_texts_become_records(folder: Path) -> None:
    code, _ = of_the_readme("python")
    assert code.count(ADDRESS) == 1
    with ScriptedEndpoint(script) as endpoint:
        said = run(code.replace(ADDRESS, endpoint.url), folder)
        prompts = [request.body["messages"] for request in endpoint.requests]
    assert "Span(text='OPEC', start=18, end=22" in said
    assert "Argument(role='Item', span=Span(text='output'" in said
    # the included bundle has demonstrations of these events
    assert max(map(len, prompts)) > 3


def test_rows_become_a_job(folder: Path) -> None:
    _, code = of_the_readme("python")
    url = f"sqlite:///{folder}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    run(code, folder, RUIE_DATABASE_URL=url)
    (job,) = Client(engine=engine).jobs()
    assert (job.corpus, job.schema_digest) == ("news", Schema.load(folder / "oil.yaml").digest)
    assert Client(engine=engine).progress(job.id).documents == 1
    engine.dispose()
