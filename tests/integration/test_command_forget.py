"""`ruie forget`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SECRET = "Quillfeather"


@pytest.mark.usefixtures("upgraded")
def test_it_asks_removes_refuses_and_lets_come_back(ruie: Run, tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text("name: news\nentities: [PERSON]\n")
    rows = [{"id": SECRET, "text": f"{SECRET} left."}, {"id": "b", "text": "Nobody came."}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "in.jsonl").write_text(lines)
    enqueue = ("enqueue", "in.jsonl", "--schema", "schema.yaml", "--corpus", "c")
    assert ruie(*enqueue).returncode == 0

    asked = ruie("forget", SECRET)
    assert asked.returncode != 0
    assert SECRET in asked.stderr
    assert ruie("forget", "nosuch", "--yes").returncode == 2
    assert ruie("forget").returncode == 2
    done = ruie("forget", SECRET, "--yes")
    assert done.returncode == 0, done.stderr
    assert "1 forgotten" in done.stderr
    for file in tmp_path.rglob("*.db*"):
        assert SECRET.encode() not in file.read_bytes(), file

    again = ruie("enqueue", "in.jsonl", "--schema", "schema.yaml", "--corpus", "again")
    assert "was forgotten" in again.stderr
    assert SECRET not in ruie("query", "SELECT external_id FROM origins", "--format", "csv").stdout
    (mark,) = json.loads(ruie("forget", "--list", "--json").stdout)["forgotten"]
    assert ruie("forget", "--lift", str(mark["number"])).returncode == 0
    assert "nothing is forgotten" in ruie("forget", "--list").stderr
    assert ruie(*enqueue[:-1], "third").returncode == 0
    assert SECRET in ruie("query", "SELECT external_id FROM origins", "--format", "csv").stdout
