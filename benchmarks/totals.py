"""What counting results into the totals of the metrics costs, beside saving them.

    python benchmarks/totals.py [--results 4000] [--rounds 5]

In turns: two seconds' worth of results (200) is saved as a worker saves them, one transaction each,
two entities in each; then the coordinator counts them, as it does every two seconds. Saving itself
runs the same statements with and without metrics, so what they cost is the second part. On SQLite
and on a PostgreSQL of this script's own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from scrape import postgresql  # noqa: E402  # after the path above
from sqlalchemy import Connection, Engine  # noqa: E402  # likewise
from support.job_database import JobDatabase  # noqa: E402  # likewise

from ruie.db import leadership, migrate  # noqa: E402  # likewise
from ruie.db.engine import open_engine  # noqa: E402  # likewise
from ruie.db.fold import Folding  # noqa: E402  # likewise
from ruie.records import Grounding, Item, Span  # noqa: E402  # likewise

BETWEEN = 200
"""Results that a fleet of 100 a second saves between two rounds of counting."""
TEXT = "Crude fell 2 % as OPEC met in Vienna."


def records() -> list[Item]:
    return [
        Item(kind, (Span(word, TEXT.index(word), TEXT.index(word) + len(word), Grounding.EXACT),))
        for kind, word in (("COMMODITY", "Crude"), ("ORGANISATION", "OPEC"))
    ]


def measure(engine: Engine, results: int) -> tuple[float, float]:
    """Seconds of saving, and of counting."""
    database = JobDatabase(engine)
    job = database.job()
    database.enqueue(job, [f"{TEXT} {n} {time.time_ns()}" for n in range(results)])
    with engine.begin() as conn:
        token = leadership.lead(conn, "benchmark", 3600.0) or 0

    @contextmanager
    def leading() -> Iterator[Connection]:
        with engine.begin() as conn:
            leadership.check(conn, "benchmark", token)
            yield conn

    folding = Folding(engine)
    folding.fold_for(leading, 60.0)  # the documents
    saving = counting = 0.0
    for batch in database.dispatch(job, results, BETWEEN, 600.0):
        items = database.lease(batch.id, ttl_s=600.0)
        started = time.perf_counter()
        for item in items:
            assert database.save(item, records())
        between = time.perf_counter()
        folding.fold_for(leading, 60.0)
        saving += between - started
        counting += time.perf_counter() - between
    return saving, counting


def report(name: str, url: str, results: int, rounds: int) -> None:
    engine = open_engine(url)
    migrate.upgrade(engine)
    times = [measure(engine, results) for _ in range(rounds)]
    engine.dispose()
    saving, counting = (statistics.median(part) for part in zip(*times, strict=True))
    shares = [100 * count / save for save, count in times]
    print(
        f"{name}: {1e6 * saving / results:,.0f} µs to save a result, "
        f"{1e6 * counting / results:,.0f} µs to count it: {statistics.median(shares):.1f} % "
        f"({min(shares):.1f} to {max(shares):.1f} in {rounds} rounds of {results} results)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--results", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ruie-totals-") as name:
        folder = Path(name)
        report("SQLite", f"sqlite:///{folder / 'ruie.db'}", options.results, options.rounds)
        with postgresql(folder) as url:
            report("PostgreSQL", url, options.results, options.rounds)


if __name__ == "__main__":
    main()
