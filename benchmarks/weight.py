"""What documents weigh in the database by table, what pruning takes off, and whom it holds up.

    python benchmarks/weight.py [--documents 100000] [--sqlite 20000] [--folder /tmp/ruie-weight]

The rows are those of query_data.py, aged: a fifth of the documents has since been replaced, every
twentieth call failed before, answers are as long as real ones, and one in twenty has the prompt of
another. Sizes are of tables without dead rows (VACUUM FULL), for a million documents. While it is
pruned, another process' transactions, one row each, are timed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from query import postgresql, write_anew  # noqa: E402  # after the path above
from query_fill import fill  # noqa: E402  # likewise
from sqlalchemy import Engine, text  # noqa: E402  # likewise

from ruie.db import migrate  # noqa: E402  # likewise
from ruie.db.compact import compact  # noqa: E402  # likewise
from ruie.db.engine import open_engine, reading  # noqa: E402  # likewise
from ruie.db.fold import Folding  # noqa: E402  # likewise
from ruie.db.pruning.parts import Found, Kind  # noqa: E402  # likewise
from ruie.db.pruning.prune import cutoff, prune, survey  # noqa: E402  # likewise
from ruie.db.search_index import index_documents  # noqa: E402  # likewise

MILLION = 1_000_000
PROBE_S = 0.01
"""Between two transactions of the other process."""
ANSWER = '{"entities": {"COMMODITY": ["crude oil", "output"], "ORGANISATION": ["OPEC"]}}'
OLD = "'2026-01-15 08:00:00.000000'"
_AGED = (
    # sixteen hexadecimal digits four times: of the length of a digest, and different for each
    "UPDATE extractions SET finish_reason = 'stop', mode = 'standard',"
    f" raw_output = '{ANSWER}{ANSWER}', prompt_key = SUBSTR(key, 33) || SUBSTR(key, 33)",
    "UPDATE extractions SET prompt_key = (SELECT x.prompt_key FROM extractions x"
    " WHERE x.id = extractions.id - 4), reused_from = extractions.id - 4"
    " WHERE id % 20 = 0",
    f"UPDATE origins SET state = 'superseded', changed_at = {OLD} WHERE document_id % 5 = 0",
    "INSERT INTO attempts (work_item_id, job_id, attempt, error_class, error, model, endpoint,"
    " raw_output, prompt_tokens, completion_tokens, cost_usd, created_at)"
    " SELECT id, job_id, 1, 'output', 'The answer cannot be read: it is no JSON document.',"
    f" 'small', 'http://llm/v1', '{ANSWER}', 900, 60, 0.0001, {OLD}"
    " FROM work_items WHERE id % 20 = 0",
)
_SIZES = {
    "postgresql": "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)",
    "sqlite": "SELECT m.tbl_name, SUM(CASE WHEN m.type = 'table' THEN s.pgsize ELSE 0 END),"
    " SUM(CASE WHEN m.type = 'index' THEN s.pgsize ELSE 0 END)"
    " FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY m.tbl_name",
}


def prepare(engine: Engine, documents: int) -> None:
    migrate.upgrade(engine)
    fill(engine, documents)
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    if engine.dialect.name == "postgresql":
        driver.autocommit = True
        driver.execute("SET session_replication_role = replica")  # foreign keys are right
        driver.execute("SET statement_timeout = 0")
    for statement in _AGED:
        driver.execute(statement)
    pooled.invalidate()
    while index_documents(engine):
        pass
    Folding(engine).fold_for(engine.begin, 600.0)
    Folding(engine).fold_for(engine.begin, 600.0)


def sizes(engine: Engine) -> dict[str, tuple[int, int, int]]:
    """By table: rows, bytes of the table, bytes of its indexes; without dead rows."""
    if engine.dialect.name == "postgresql":
        write_anew(engine)
    else:
        compact(engine)
    with reading(engine) as conn:
        found = conn.execute(text(_SIZES[engine.dialect.name])).all()
        return {
            name: (conn.execute(text(f"SELECT COUNT(*) FROM {name}")).scalar_one(), *map(int, size))
            for name, *size in found
            if sum(size) > 100_000
        }


class Probe(threading.Thread):
    """Another process' transactions, one row each, and how long they took."""

    def __init__(self, url: str, items: int) -> None:
        super().__init__(daemon=True)
        self.took_ms: list[float] = []
        self._engine = open_engine(url)
        self._items = items
        self._over = threading.Event()

    def run(self) -> None:
        rng = random.Random(1)
        query = text("UPDATE work_items SET attempts = attempts WHERE id = :id")
        while not self._over.wait(PROBE_S):
            begun = time.perf_counter()
            with self._engine.begin() as conn:
                conn.execute(query, {"id": rng.randrange(1, self._items)})
            self.took_ms.append(1000 * (time.perf_counter() - begun))

    def stop(self) -> str:
        self._over.set()
        self.join()
        self._engine.dispose()
        ranked = statistics.quantiles(self.took_ms, n=100)
        worst = max(self.took_ms)
        return f"{ranked[49]:.1f} | {ranked[98]:.1f} | {worst:.0f} | {len(self.took_ms):,}"


def measure(url: str, documents: int, seconds: float) -> None:
    engine = open_engine(url)
    begun = time.perf_counter()
    prepare(engine, documents)
    print(f"\n## {engine.dialect.name}: {documents:,} documents")
    print(f"\nmade in {time.perf_counter() - begun:.0f} s", flush=True)
    before = sizes(engine)
    until = cutoff(engine, -60.0)
    begun = time.perf_counter()
    planned = survey(engine, until, tuple(Kind), lambda *_: None)
    print(f"\ncounted in {time.perf_counter() - begun:.1f} s:")
    _print_found(planned)
    items = before["work_items"][0]
    alone = Probe(url, items)
    alone.start()
    time.sleep(seconds)
    quiet = alone.stop()
    beside = Probe(url, items)
    beside.start()
    begun = time.perf_counter()
    gone = prune(engine, until, tuple(Kind), lambda *_: None)
    took_s = time.perf_counter() - begun
    busy = beside.stop()
    rows = sum(amount.rows for found in gone.values() for amount in found.goes.values())
    print(f"\npruned in {took_s:.0f} s, {rows / took_s:,.0f} rows a second:")
    _print_found(gone)
    print("\n| another's transactions, ms | p50 | p99 | longest | number |\n|---|---|---|---|---|")
    print(f"| alone | {quiet} |\n| beside pruning | {busy} |", flush=True)
    _print_sizes(before, sizes(engine), documents)
    engine.dispose()


def _print_found(found: Mapping[Kind, Found]) -> None:
    for kind, one in found.items():
        for what, amount in one.goes.items():
            print(f"- {kind}: {what}, {amount.rows:,} rows, {amount.bytes / 1e6:.1f} MB")
        for (what, why), count in one.stays.items():
            print(f"- {kind}: stays, {what}, {count:,} rows: {why}")


def _print_sizes(
    before: Mapping[str, tuple[int, int, int]],
    after: Mapping[str, tuple[int, int, int]],
    documents: int,
) -> None:
    times = MILLION / documents / 1e9
    print(
        "\n| table | rows, millions | GB | indexes, GB | bytes a row | pruned, GB |"
        "\n|---|---|---|---|---|---|"
    )
    listed = sorted(before.items(), key=lambda one: -sum(one[1][1:]))
    for name, (rows, table, indexes) in listed:
        left = sum(after.get(name, (0, 0, 0))[1:])
        print(
            f"| `{name}` | {rows / documents:.2f} | {table * times:.2f} | {indexes * times:.2f}"
            f" | {(table + indexes) / max(1, rows):.0f} | {left * times:.2f} |"
        )
    total = [sum(row[1] for row in before.values()), sum(row[2] for row in before.values())]
    left = sum(row[1] + row[2] for row in after.values())
    print(
        f"| all | | {total[0] * times:.2f} | {total[1] * times:.2f} | | {left * times:.2f} |",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--sqlite", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the other process alone")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ruie-weight"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.documents:
        with postgresql(options.folder / "pg") as url:
            measure(url, options.documents, options.seconds)
    if options.sqlite:
        measure(f"sqlite:///{options.folder / 'big.db'}", options.sqlite, options.seconds)
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
