"""`ruie prune`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.aged import NEW, OLD, AgedCorpus
from support.job_database import JobDatabase

from ruie.db.engine import open_engine

Run = Callable[..., subprocess.CompletedProcess[str]]
AGED = (
    ("attempts", "created_at"), ("extractions", "created_at"), ("origins", "changed_at"),
    ("jobs", "finished_at"),
)  # fmt: skip  # columns that say when


@pytest.fixture
def aged(upgraded: Path) -> AgedCorpus:
    """A corpus whose two runs were a year ago."""
    corpus = AgedCorpus(JobDatabase(open_engine(f"sqlite:///{upgraded}")))
    corpus.run(OLD)
    corpus.run(NEW)
    corpus.count()
    with corpus.database.engine.begin() as conn:
        for table, column in AGED:
            conn.exec_driver_sql(
                f"UPDATE {table} SET {column} = '2025-01-01 00:00:00.000000'"
                f" WHERE {column} IS NOT NULL"
            )
    return corpus


def test_it_counts_and_with_yes_removes(aged: AgedCorpus, ruie: Run) -> None:
    before = aged.rows("attempts", "work_items", "entities")
    counted = ruie("prune", "--older-than", "90d")
    assert counted.returncode == 0, counted.stderr
    assert "would go" in counted.stdout
    assert "nothing was removed; --yes removes it" in counted.stderr
    assert aged.rows("attempts", "work_items", "entities") == before
    status = ruie("status").stdout

    planned = json.loads(ruie("prune", "--older-than", "90d", "--json").stdout)
    assert planned["removed"] is False
    assert planned["kinds"]["records"]["goes"][0]["rows"] == 3
    done = ruie("prune", "--older-than", "90d", "--yes")
    assert done.returncode == 0, done.stderr
    assert "ruie forget --compact" in done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["attempts", "failed", "calls", "9"] in [line[:4] for line in lines]
    assert aged.rows("attempts", "work_items", "entities") == {
        "attempts": 0, "work_items": 6, "entities": 2,
    }  # fmt: skip  # by table
    assert ruie("status").stdout == status
    again = ruie("prune", "--older-than", "90d", "--yes")
    assert "may go" in again.stderr


def test_what_is_younger_stays_and_kinds_are_chosen(aged: AgedCorpus, ruie: Run) -> None:
    assert "may go" in ruie("prune", "--older-than", "999w", "--yes").stderr
    assert ruie("prune", "attempts", "--older-than", "52w", "--yes").returncode == 0
    assert aged.rows("attempts", "work_items") == {"attempts": 0, "work_items": 9}


@pytest.mark.usefixtures("upgraded")
@pytest.mark.parametrize("arguments", [[], ["--older-than", "1h"], ["--older-than", "3"],
    ["nonsense", "--older-than", "9d"]])  # fmt: skip  # a table
def test_what_it_does_not_take(arguments: list[str], ruie: Run) -> None:
    assert ruie("prune", *arguments).returncode == 2


def test_exports_and_the_page_of_a_pruned_job(aged: AgedCorpus, ruie: Run, tmp_path: Path) -> None:
    (job, *_) = aged.database.rows("SELECT id FROM jobs ORDER BY created_at, id")[0]
    assert ruie("prune", "--older-than", "90d", "--yes").returncode == 0
    exported = ruie("export", job)
    assert exported.returncode == 0, exported.stderr
    assert "left out  1 document without an answered task" in exported.stderr
    assert ruie("export", job, "--format", "html", "-o", "page.html").returncode == 0
    assert "no longer kept" in (tmp_path / "page.html").read_text()
