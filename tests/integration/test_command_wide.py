"""`ruie query` where a row is wider than the terminal: one column a line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.terminal import lines_on_a_terminal

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
