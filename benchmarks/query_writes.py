"""What the keys of names and the index by name cost those who write.

    python benchmarks/query_writes.py [--documents 200000] [--folder /tmp/ruie-query-writes]

1. Results a second of `ruie.db.results.save_result` (five entities each, one connection): as it is,
   without the names' rows, and without keys and index at all.
2. Entities a second into a table that has five for each document: with the index by name of
   revision 0006, with that of 0010, and without. Rounds take turns.
3. Revision 0006 over the table: seconds, and the memory of the process that migrates.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from query import postgresql, prepare  # noqa: E402  # after the path above
from query_data import spellings  # noqa: E402  # after the path above
from sqlalchemy import Engine  # noqa: E402  # after the path above

from ruie.db import jobs, migrate, queue, record_rows, results  # noqa: E402  # after the path above
from ruie.db.engine import open_engine  # noqa: E402  # after the path above
from ruie.db.job_settings import JobSettings  # noqa: E402  # after the path above
from ruie.extractor import Decoding  # noqa: E402  # after the path above
from ruie.names import name_key  # noqa: E402  # after the path above
from ruie.records import Grounding, Item, Span, Task  # noqa: E402  # after the path above
from ruie.schema import Schema  # noqa: E402  # after the path above

RESULTS = 500
ROUNDS = 5
NEW = 200_000
"""Entities that are added in a round."""
FAR = 1_000_000
"""Their offsets begin here."""
SCHEMA: dict[str, Any] = {"name": "oil-news", "entities": {"COMMODITY": ""}}
DIGEST = Schema.from_body(SCHEMA).digest
BEFORE = "name_key, type, document_id, extraction_id"
NOW = f"{BEFORE}, shared, char_start, char_end, id"
INDEX = "CREATE INDEX ix_entities_name_key ON entities ({})"


def statement(engine: Engine, *statements: str) -> None:
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        for words in statements:
            conn.exec_driver_sql(words)


def results_per_second(engine: Engine, series: str) -> float:
    """Enqueue and lease; then save, which alone is timed."""
    chance = random.Random(series)
    names = spellings(50_000)[1:]
    settings = JobSettings(Decoding())
    new = jobs.NewJob("w", "oil-news", SCHEMA, DIGEST, "small", "http://llm/v1", "1", settings)
    texts = [f"{series} {n}. " + "x" * 300 for n in range(RESULTS)]
    with engine.begin() as conn:
        job = jobs.create_job(conn, new)
        queue.enqueue_documents(
            conn, job, [queue.NewDocument(t, t[:40]) for t in texts], [Task.NER]
        )
        batches = queue.dispatch(conn, job, RESULTS, 100, 600)
        leased = [item for b in batches for item in queue.lease(conn, b.id, "w", 600)]
    begin = time.perf_counter()
    for item in leased:
        found = []
        for place in range(5):
            name = names[int(len(names) ** chance.random()) - 1]
            at = place * 30
            found.append(Item("COMMODITY", (Span(name, at, at + len(name), Grounding.EXACT),)))
        call = results.NewExtraction(
            f"{series}{item.id}", "small", "http://llm/v1", "1", "b" * 64,
            DIGEST, ["d1"], 900, 60, 0.7, "…",
        )  # fmt: skip
        with engine.begin() as conn:
            assert results.save_result(conn, item, call, found)
    return RESULTS / (time.perf_counter() - begin)


def saving(engine: Engine) -> None:
    """Three forms of the same path, in turn."""
    names, key = record_rows.add_names, record_rows.name_key
    rates: dict[str, list[float]] = {}

    def form(title: str, number: int, add: Callable[..., None], of: Callable[[str], str]) -> None:
        record_rows.add_names, record_rows.name_key = add, of
        name_key.cache_clear()
        rates.setdefault(title, []).append(results_per_second(engine, f"{title}{number}"))

    for number in range(ROUNDS):
        form("as it is", number, names, key)
        form("without the names' rows", number, lambda *_: None, key)
        statement(engine, "DROP INDEX ix_entities_name_key")
        form("without keys, rows and index", number, lambda *_: None, lambda _: "")
        statement(engine, "DELETE FROM entities WHERE name_key = ''", INDEX.format(NOW))
    record_rows.add_names, record_rows.name_key = names, key
    show("results/s", rates, "as it is")


def inserting(engine: Engine) -> None:
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for title, columns in (("0006", BEFORE), ("0010", NOW), ("no index by name", "")):
            statement(engine, "DROP INDEX IF EXISTS ix_entities_name_key")
            if columns:
                statement(engine, INDEX.format(columns))
            begin = time.perf_counter()
            statement(
                engine,
                "INSERT INTO entities"
                " (extraction_id, document_id, type, text, name_key, char_start,"
                " char_end, grounding, shared) SELECT extraction_id, document_id, type, text,"
                f" name_key, char_start + {FAR}, char_end + {FAR}, grounding, shared FROM entities"
                f" ORDER BY extraction_id LIMIT {NEW}",
            )
            rates.setdefault(title, []).append(NEW / (time.perf_counter() - begin))
            statement(engine, f"DELETE FROM entities WHERE char_start >= {FAR}")
            if engine.dialect.name == "postgresql":
                with engine.connect() as conn:
                    conn.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                        "VACUUM entities"
                    )
    statement(engine, "DROP INDEX IF EXISTS ix_entities_name_key", INDEX.format(NOW))
    show("entities/s", rates, "0006")


def show(unit: str, rates: dict[str, list[float]], base: str) -> None:
    print(f"\n| | {unit}, median of {ROUNDS} | of {base} |\n|---|---|---|")
    of = statistics.median(rates[base])
    for title, found in rates.items():
        middle = statistics.median(found)
        print(f"| {title} | {middle:,.0f} | {middle / of:.2f} |", flush=True)


def migrating(url: str) -> None:
    """In a process of its own, whose memory is measured."""
    engine = open_engine(url)
    migrate.downgrade(engine, "0005")
    engine.dispose()
    done = subprocess.run(
        [sys.executable, __file__, "--migrate", url], check=True, capture_output=True, text=True
    )
    print(done.stdout.strip(), flush=True)


def most_memory() -> str:
    """The most that this process had; unlike getrusage's, it is not the parent's."""
    status = Path("/proc/self/status").read_text()
    return next(line.split(":")[1].strip() for line in status.splitlines() if "VmHWM" in line)


def upgrade(url: str) -> None:
    engine = open_engine(url)
    before = most_memory()
    begin = time.perf_counter()
    migrate.upgrade(engine, "0006")
    took = time.perf_counter() - begin
    print(f"\nrevision 0006: {took:.1f} s; {before} of memory before, {most_memory()} at most")
    migrate.upgrade(engine)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ruie-query-writes"))
    parser.add_argument("--parts", nargs="*", default=["saving", "inserting", "migrating"])
    parser.add_argument("--migrate", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.migrate:
        upgrade(options.migrate)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    with postgresql(options.folder / "pg") as url:
        everything(url, options.documents, options.parts)
    everything(f"sqlite:///{options.folder / 'big.db'}", options.documents, options.parts)
    shutil.rmtree(options.folder)


def everything(url: str, documents: int, parts: Sequence[str]) -> None:
    print(f"\n{url.split(':')[0]}")
    prepare(url, documents)
    engine = open_engine(url)
    if "saving" in parts:
        saving(engine)
    if "inserting" in parts:
        inserting(engine)
    engine.dispose()
    if "migrating" in parts:
        migrating(url)


if __name__ == "__main__":
    main(sys.argv[1:])
