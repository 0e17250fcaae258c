"""A query ends when its time is up, whatever it does; what it returns passes in bounded memory."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from ruie.db.query import QueryResult, run_readonly
from ruie.errors import DatabaseError
from ruie.worker.answers import distinct, write_csv, write_json, write_parquet

ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT {} FROM r"
STOPPED = r"stopped: the database had worked for 0\.3 s without a result\. .*--timeout"


def is_postgresql(url: str) -> bool:
    return url.startswith("postgresql")


def test_a_recursion_without_end_is_stopped(url: str) -> None:
    with pytest.raises(DatabaseError, match=STOPPED):
        list(run_readonly(url, ENDLESS.format("COUNT(*)"), timeout_s=0.3).rows)


def test_so_is_one_that_has_some_rows_first(url: str) -> None:
    sql = f"SELECT 1 AS n UNION ALL SELECT * FROM ({ENDLESS.format('n')}) q WHERE n < 0"
    with pytest.raises(DatabaseError, match=STOPPED):
        list(run_readonly(url, sql, timeout_s=0.3).rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep(600)",
        "SELECT set_config('statement_timeout', '0', false) UNION ALL SELECT g::text FROM"
        " generate_series(1, 3000) g UNION ALL SELECT pg_sleep(600)::text",
        "EXPLAIN ANALYZE SELECT pg_sleep(600)",
    ],
    ids=["asleep", "without the server's time-out", "explained"],
)
def test_nothing_on_postgresql_goes_on_for_longer(url: str, sql: str) -> None:
    if is_postgresql(url):
        with pytest.raises(DatabaseError, match=STOPPED):
            list(run_readonly(url, sql, timeout_s=0.3).rows)


def test_rows_that_come_in_time_are_not_stopped(url: str) -> None:
    sql = ENDLESS.format("n")
    rows = run_readonly(url, sql, timeout_s=60).rows
    assert [next(rows) for _ in range(30_000)][-1] == (30_000,)
    rows.close()  # type: ignore[attr-defined]  # a generator


def test_a_value_of_a_gigabyte_is_refused(url: str) -> None:
    sql = "SELECT repeat('x', 1200000000)" if is_postgresql(url) else "SELECT zeroblob(600000000)"
    with pytest.raises(DatabaseError, match="refuses the query"):
        list(run_readonly(url, sql).rows)


def test_equal_names_are_numbered(url: str) -> None:
    def answer() -> QueryResult:
        return run_readonly(url, "SELECT 1 AS n, 2 AS n, 3 AS n_2, 4 AS m, 5 AS n")

    expected = {"n": 1, "n_3": 2, "n_2": 3, "m": 4, "n_4": 5}
    assert as_json(answer()) == [expected]
    assert as_parquet(answer()).to_pylist() == [expected]
    out = io.StringIO()
    write_csv(answer(), out)
    assert out.getvalue() == "n,n,n_2,m,n\n1,2,3,4,5\n"  # as the query names them


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["n", "n"], ["n", "n_2"]),
        (["n_2", "n", "n"], ["n_2", "n", "n_3"]),
        (["", "", "?"], ["", "_2", "?"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_the_rule_for_equal_names(names: list[str], given: list[str]) -> None:
    assert distinct(names) == given


def test_what_json_has_not_is_null(url: str) -> None:
    infinite = "'Infinity'::float8, 'NaN'::float8, ARRAY['NaN'::float8, 1]"
    if not is_postgresql(url):
        infinite = "9e999, -9e999, 0.5"
    (row,) = as_json(run_readonly(url, f"SELECT {infinite}"))
    last = [None, 1.0] if is_postgresql(url) else 0.5
    assert list(row.values()) == [None, None, last]


def test_integers_that_int64_has_no_room_for_are_text_in_parquet(url: str) -> None:
    big, sums = 9_223_372_036_854_775_807, "9223372036854775807"
    more = f"{sums}::numeric + 1" if is_postgresql(url) else f"'{big + 1}'"
    table = as_parquet(run_readonly(url, f"SELECT {sums} AS n, {more} AS m"))
    assert table.to_pylist() == [{"n": big, "m": str(big + 1)}]


def test_so_they_are_a_sentence_where_the_column_began_otherwise(url: str) -> None:
    if is_postgresql(url):
        sql = "SELECT CASE WHEN g < 20000 THEN g ELSE 2 ^ 70::numeric END AS n"
        sql += " FROM generate_series(1, 20000) g"
        with pytest.raises(DatabaseError, match=r"which has no room in 64 bits.*CAST\(n AS TEXT\)"):
            as_parquet(run_readonly(url, sql))


@pytest.mark.parametrize(
    "value",
    ["10::numeric ^ 5000", "ARRAY[1, 2]", "'127.0.0.1'::inet", "int4range(1, 3)", "'{}'::jsonb"],
)
def test_values_of_any_type_have_a_form_in_each_format(url: str, value: str) -> None:
    if is_postgresql(url):
        sql = f"SELECT {value} AS v"
        assert as_json(run_readonly(url, sql))[0]["v"] is not None
        assert as_parquet(run_readonly(url, sql)).to_pylist()[0]["v"]
        write_csv(run_readonly(url, sql), io.StringIO())


def test_long_rows_are_fetched_in_small_groups(url: str) -> None:
    """A thousand rows at a time would be 400 MB."""
    big = "repeat('x', 400000)" if is_postgresql(url) else "printf('%.400000c', 'x')"
    sql = ENDLESS.format(f"n, {big}") + " LIMIT 400"
    assert sum(len(text) for _, text in run_readonly(url, sql).rows) == 400 * 400_000


def as_json(answer: QueryResult) -> list[dict[str, Any]]:
    out = io.StringIO()
    write_json(answer, out)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in out.getvalue().splitlines()]


def as_parquet(answer: QueryResult) -> Any:
    out = io.BytesIO()
    write_parquet(answer, out)
    return pq.read_table(io.BytesIO(out.getvalue()))
