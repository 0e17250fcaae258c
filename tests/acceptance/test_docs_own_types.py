"""docs/own-types.md as it stands: a schema, a local model, six annotated texts, good records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from support.fleet import Process
from support.own_types import ANNOTATED, OTHERS, PAGE
from support.waiting import PATIENCE_S, wait_until

from ruie.settings import load
from ruie.worker.client import Client

SCRIPT = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
RIGHT = {(name, kind, words) for name, listed in OTHERS.items() for kind, words in listed}
"""By document, type and words."""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a newcomer's shell, while `ruie up` runs in the same folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUIE_")}
    own = {"RUIE_HOME": str(tmp_path / "home"), "RUIE_CONCURRENCY": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    up = Process("up", tmp_path, own)
    wait_until(lambda: "Ready" in up.output() or not up.alive)
    assert up.alive, up.output()
    yield {**clean, **own, "PATH": path}
    up.terminate()
    wait_until(lambda: not up.alive)


def found(database: Path, job: str) -> set[tuple[str, str, str]]:
    config = load(database_url=f"sqlite:///{database}")
    sql = "SELECT external_id, type, text FROM entity_mentions WHERE job_id = :job"
    with Client(config) as client, client.engine.connect() as conn:
        rows = {tuple(row) for row in conn.execute(text(sql), {"job": job})}
    return {row for row in rows if row[0] not in ANNOTATED}


@pytest.mark.slow  # a minute of the local model; test_own_types.py is the short form
def test_six_annotated_texts_are_enough(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-e", "-c", f"{SCRIPT}\necho \"JOBS $job $again\""],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE_S,
        check=False,
    )  # fmt: skip  # its options
    assert done.returncode == 0, done.stderr
    assert "No demonstrations for entities" in done.stderr
    assert "6 reviews stored" in done.stderr
    job, again = done.stdout.splitlines()[-1].split()[1:]
    before, after = found(tmp_path / "ruie.db", job), found(tmp_path / "ruie.db", again)
    print(f"before {len(before & RIGHT)} right, {len(before - RIGHT)} wrong of {len(RIGHT)};"
          f" after {len(after & RIGHT)} right, {len(after - RIGHT)} wrong")  # fmt: skip  # a line
    assert len(after & RIGHT) >= 0.7 * len(RIGHT)
    assert len(after - RIGHT) <= 0.25 * len(after)
    assert len(before & RIGHT) < 0.5 * len(after & RIGHT)
