"""`ruie query` into files and `ruie canonical`, as a user meets them."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
    " SELECT i, 'row ' || i AS words, i / 2.0 AS half, NULL AS empty FROM n"
)


@pytest.mark.usefixtures("upgraded")
def test_parquet_of_many_rows(ruie: Run, tmp_path: Path) -> None:
    done = ruie("query", MANY, "--format", "parquet", "-o", "many.parquet")
    assert done.returncode == 0, done.stderr
    file = pq.ParquetFile(tmp_path / "many.parquet")
    assert file.num_row_groups == 30
    table = file.read()
    assert table.num_rows == 300_000
    assert [str(f.type) for f in table.schema] == ["int64", "string", "double", "string"]
    assert table.slice(299_999).to_pylist() == [
        {"i": 300_000, "words": "row 300000", "half": 150_000.0, "empty": None}
    ]


@pytest.mark.usefixtures("upgraded")
def test_a_file_is_whole_or_as_it_was(ruie: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old")
    mixed = MANY.replace("'row ' || i", "CASE WHEN i < 20000 THEN i ELSE 'x' END")
    failed = ruie("query", mixed, "--format", "parquet", "-o", "x.csv")
    assert failed.returncode == 4
    assert "CAST(words AS TEXT)" in failed.stderr
    assert (tmp_path / "x.csv").read_text() == "old"
    assert ruie("query", "SELECT 1 AS a", "--format", "csv", "-o", "x.csv").returncode == 0
    assert (tmp_path / "x.csv").read_text() == "a\n1\n"
    assert not list(tmp_path.glob(".x.csv*"))


@pytest.mark.usefixtures("upgraded")
def test_a_mapping_is_kept(ruie: Run, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text('"the cartel",OPEC\n')
    assert "2 changed" in ruie("canonical", "import", "names.csv").stderr
    assert "1 changed" in ruie("canonical", "set", "Opec countries", "OPEC").stderr
    assert "opec country" in ruie("canonical", "list", "--mapped").stdout
    assert "1 changed" in ruie("canonical", "unset", "opec country").stderr
    (tmp_path / "names.csv").write_text("alone\n")
    wrong = ruie("canonical", "import", "names.csv")
    assert wrong.returncode == 2
    assert "names.csv:1" in wrong.stderr


def test_what_a_database_refuses_is_a_sentence_in_every_command(ruie: Run, upgraded: Path) -> None:
    with sqlite3.connect(upgraded) as connection:
        connection.execute("ALTER TABLE canonical RENAME TO elsewhere")
    connection.close()
    done = ruie("canonical", "list")
    assert done.returncode == 4
    assert "The database refuses: no such table: canonical." in done.stderr
    assert "ruie db check" in done.stderr
    assert "Traceback" not in done.stderr
