"""`ruie query` into files and `ruie canonical`, as a user meets them."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.databases import Server
from support.waiting import PATIENCE_S, wait_until

from ruie.db.engine import open_engine

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


ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT {} FROM r"


def test_a_table_without_end_shows_its_first_rows(ruie: Run, upgraded: Path) -> None:
    done = ruie("query", ENDLESS.format("n"), "--format", "table")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "10,000"
    assert "only the first 10,000 rows: --format tsv, csv, json or parquet has all" in done.stderr
    assert ruie("query", "SELECT 1 AS n").stderr == "1 row\n"


def test_a_table_of_long_values_is_bounded_too(ruie: Run, upgraded: Path) -> None:
    done = ruie("query", ENDLESS.format("n, printf('%.100000c', 'x') AS long"), "--format", "table")
    assert done.returncode == 0, done.stderr
    assert "only the first " in done.stderr
    whole = "--format tsv, csv, json or parquet"
    assert f"values are cut after 500 characters: {whole} has them in full" in done.stderr
    assert len(done.stdout) < 4_000_000


def test_the_time_of_a_query_is_limited(ruie: Run, upgraded: Path) -> None:
    sql = ENDLESS.format("COUNT(*)")
    for given in (
        ruie("query", "--timeout", "0.2", sql),
        ruie("query", sql, RUIE_QUERY_TIMEOUT_S="0.2"),
    ):
        assert given.returncode == 4
        assert "stopped: the database had worked for 0.2 s" in given.stderr


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_file(link: Path) -> str:
    """The name of an open file; "" where it has been closed since."""
    try:
        return link.readlink().name
    except OSError:
        return ""


def interrupted(
    folder: Path, sql: str, url: str, begun: Callable[[int], object]
) -> tuple[int, str]:
    """What a query without end says once Ctrl-C has ended it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.cli", "query", "--timeout", "0", "--as-owner", sql],
        cwd=folder, env={**clean, "RUIE_DATABASE_URL": url}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip  # one process
    try:
        wait_until(lambda: begun(process.pid))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()
        process.communicate()
    return process.returncode, said


def test_ctrl_c_ends_a_query_at_once(upgraded: Path, tmp_path: Path) -> None:
    at: list[float] = []

    def begun(pid: int) -> bool:
        """It has the file open, and has worked since."""
        files = [open_file(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        if upgraded.name in files:
            at.append(cpu_s(pid))
        return bool(at) and cpu_s(pid) > at[0] + 1.5

    sql = ENDLESS.format("COUNT(*)")
    assert interrupted(tmp_path, sql, f"sqlite:///{upgraded}", begun) == (130, "\n")


def test_so_it_does_on_postgresql(postgresql_server: Server, tmp_path: Path) -> None:
    url = postgresql_server.current()
    engine = open_engine(url)
    active = "SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'FETCH%%' AND state = 'active'"

    def working(pid: int) -> int:
        with engine.connect() as conn:
            return int(conn.exec_driver_sql(active).scalar_one())

    assert interrupted(tmp_path, ENDLESS.format("COUNT(*)"), url, working) == (130, "\n")
    wait_until(lambda: working(0) == 0)
    engine.dispose()
    postgresql_server.drop(url)


def remove_reader(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP OWNED BY ruie_reader")
        conn.exec_driver_sql("DROP ROLE ruie_reader")
    engine.dispose()


def test_the_reader_is_made_and_used(ruie: Run, postgresql_server: Server, tmp_path: Path) -> None:
    url = postgresql_server.current()
    refused = ruie("query", "SELECT 1 AS n", RUIE_DATABASE_URL=url)
    assert refused.returncode == 4
    assert "which is a superuser" in refused.stderr
    assert "ruie db reader" in refused.stderr
    assert ruie("query", "SELECT 1 AS n", "--as-owner", RUIE_DATABASE_URL=url).returncode == 0
    (tmp_path / "password").write_text("a-word\n")
    (tmp_path / "reader").write_text("longer than a URL of the reader" * 10)
    made = ruie(
        *("db", "reader", "--password-file", "password", "-o", "reader"), RUIE_DATABASE_URL=url
    )
    assert made.returncode == 0, made.stderr
    assert "a-word" not in made.stdout + made.stderr
    reader = tmp_path / "reader"
    assert reader.stat().st_mode & 0o777 == 0o600
    assert reader.read_text().startswith("postgresql://ruie_reader:a-word@")
    settings = {"RUIE_QUERY_DATABASE_URL_FILE": "reader"}  # and nothing else: the login is enough
    done = ruie("query", "SELECT COUNT(*) AS n FROM jobs", "--format", "csv", **settings)
    assert (done.returncode, done.stdout) == (0, "n\n0\n"), done.stderr
    found = ruie("search", "crude", **settings)
    assert (found.returncode, found.stderr) == (0, "no document has crude\n")
    remove_reader(url)
    again = ruie("db", "upgrade", RUIE_DATABASE_URL=url, **settings)
    assert again.stderr.count("\n") == 1, again.stderr
    assert ruie("query", "SELECT 1 AS n", **settings).returncode == 0
    remove_reader(url)
    postgresql_server.drop(url)


def test_sqlite_has_no_reader(ruie: Run, upgraded: Path) -> None:
    done = ruie("db", "reader", "-o", "reader")
    assert done.returncode == 2
    assert "SQLite has no logins" in done.stderr


FORMULAS = (
    *("=HYPERLINK('http://x','y')", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1"),
    *("\ufeff=1", "\u200b=1", "＝1", "|calc", "%0A=1"),
)


@pytest.mark.usefixtures("upgraded")
def test_a_spreadsheet_computes_nothing(ruie: Run, tmp_path: Path) -> None:
    sql = "SELECT -1 AS number, -0.5 AS half, NULL AS none, 'a-b' AS \"=head\"" + "".join(
        f", '{formula.replace(chr(39), chr(39) * 2)}' AS c{n}" for n, formula in enumerate(FORMULAS)
    )
    for more in ((), ("--spreadsheet",)):
        done = ruie("query", sql, "--format", "csv", *more, "-o", "x.csv")
        assert done.returncode == 0, done.stderr
        with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
            head, row = csv.reader(file, strict=True)
        assert row[:4] == ["-1", "-0.5", "", "a-b"]
        mark = "'" if more else ""
        assert head[3] == f"{mark}=head"
        assert row[4:] == [f"{mark}{formula}" for formula in FORMULAS]
    assert ruie("query", "SELECT 1", "--spreadsheet").returncode == 2
