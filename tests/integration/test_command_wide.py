"""`ruie query` where a row is wider than the terminal: one column a line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.terminal import lines_on_a_terminal

from ruie.db.catalogue import relation, relations

Run = Callable[..., subprocess.CompletedProcess[str]]
LONG = "crude oil rose 2 % after OPEC cut its output by a million barrels a day again"
WIDE = f"SELECT 1 AS id, '{LONG}' AS text, NULL AS role UNION ALL SELECT 2, '原油价格上涨', 'Item'"


@pytest.mark.usefixtures("upgraded")
def test_rows_that_do_not_fit_are_blocks(tmp_path: Path) -> None:
    assert lines_on_a_terminal(["query", WIDE], tmp_path, 40) == [
        "row 1",
        "id    1",
        "text  crude oil rose 2 % after OPEC cut",
        "      its output by a million barrels a",
        "      day again",
        "role",
        "",
        "row 2",
        "id    2",
        "text  原油价格上涨",
        "role  Item",
        "",
        "2 rows",
    ]


@pytest.mark.usefixtures("upgraded")
def test_rows_that_fit_are_a_table(tmp_path: Path) -> None:
    width = len("id  ") + len(LONG) + len("  role")
    table = lines_on_a_terminal(["query", WIDE], tmp_path, width)
    assert table[0].split() == ["id", "text", "role"]
    assert len(table) == 4
    assert lines_on_a_terminal(["query", WIDE], tmp_path, width - 1)[0] == "row 1"


@pytest.mark.usefixtures("upgraded")
def test_wide_characters_are_aligned(tmp_path: Path) -> None:
    sql = "SELECT '原油' AS name, 'a' AS role UNION ALL SELECT 'oil', 'b'"
    head, first, second, _ = lines_on_a_terminal(["query", sql], tmp_path)
    assert head == "name  role"
    assert cell_len(first.removesuffix("a")) == cell_len(second.removesuffix("b")) == 6
    # two columns each: the table is measured as it is shown
    sql = f"SELECT '{'原' * 19}' AS a, 1 AS b"
    assert len(lines_on_a_terminal(["query", sql], tmp_path, 41)) == 3
    assert lines_on_a_terminal(["query", sql], tmp_path, 40)[0] == "row 1"


@pytest.mark.usefixtures("upgraded")
def test_elsewhere_than_on_a_terminal_nothing_is_a_block(ruie: Run) -> None:
    done = ruie("query", WIDE, COLUMNS="40")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["id", "1", "2"]


@pytest.mark.usefixtures("upgraded")
def test_in_a_pipe_and_a_file_every_value_is_there_in_full(ruie: Run, tmp_path: Path) -> None:
    columns = ", ".join(f"'{LONG * 20} {n}' AS text_{n}" for n in range(30))
    done = ruie("query", f"SELECT {columns}", COLUMNS="40")
    head, row = done.stdout.splitlines()
    assert head.split("\t") == [f"text_{n}" for n in range(30)]
    assert row.split("\t") == [f"{LONG * 20} {n}" for n in range(30)]
    assert ruie("query", f"SELECT {columns}", "-o", "out.tsv").returncode == 0
    assert (tmp_path / "out.tsv").read_text() == done.stdout
    broad = ruie("query", f"SELECT {columns}", "--format", "table").stdout.splitlines()[0]
    assert broad.split() == [f"text_{n}" for n in range(30)]


@pytest.mark.usefixtures("upgraded")
def test_a_row_is_a_line_whatever_its_values_hold(ruie: Run) -> None:
    sql = "SELECT 'a' || char(9) || 'b' || char(10) || 'c\\n' AS t, NULL AS n, 1200 AS i, 0.5 AS f"
    assert ruie("query", sql).stdout == "t\tn\ti\tf\na\\tb\\nc\\\\n\t\t1200\t0.5\n"
    many = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 12000)"
    done = ruie("query", f"{many} SELECT n FROM r")
    assert done.stdout.split() == ["n", *map(str, range(1, 12_001))]
    assert done.stderr == "12,000 rows\n"


@pytest.mark.usefixtures("upgraded")
def test_the_tables_of_other_commands_are_not_cut_in_a_pipe(ruie: Run, tmp_path: Path) -> None:
    meanings = {one.meaning for one in relation("entity_mentions").columns}
    printed = ruie("tables", "entity_mentions", COLUMNS="40").stdout
    assert all(" ".join(meaning.split()) in printed for meaning in meanings)
    listed = ruie("tables", COLUMNS="40").stdout
    assert all(" ".join(one.holds.split()) in listed for one in relations().values())
    name = "a name that is longer than a line " * 8
    (tmp_path / "one.jsonl").write_text('{"id": "1", "text": "Ada"}\n')
    ruie("enqueue", "one.jsonl", "--schema", "news.yaml", "--name", name.strip())
    assert name.strip() in ruie("status", COLUMNS="40").stdout
