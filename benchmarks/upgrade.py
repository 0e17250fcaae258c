"""How long the migrations of a large database take, and what they lock meanwhile.

    python benchmarks/upgrade.py [--documents 1000000] [--sqlite 100000] [--folder FOLDER]

The database is that of benchmarks/query.py, taken back to the revision of the release before. It is
upgraded twice: revision by revision, each in a transaction of its own, to see what each takes and
which tables it keeps from everybody; and as `ruie db upgrade` does it, all in one, while somebody
reads: how long the reader had to wait is printed.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from query import postgresql, prepare  # noqa: E402  # after the path above
from sqlalchemy import Connection, Engine, event  # noqa: E402  # after the path above

from ruie.db import migrate, version  # noqa: E402  # after the path above
from ruie.db.engine import open_engine, reading  # noqa: E402  # after the path above

RELEASED = "0011"
"""Of version 0.2.0."""
READS = "SELECT COUNT(*) FROM (SELECT id FROM documents ORDER BY id LIMIT 10) AS ten"
LOCKED = """SELECT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = pg_backend_pid() AND l.mode = 'AccessExclusiveLock' AND c.relkind = 'r'
AND c.reltuples > 10000 ORDER BY c.relname"""
"""The large tables that nobody else can read until the transaction ends."""


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def step_by_step(engine: Engine) -> None:
    """Each revision alone: its seconds, and the large tables that it locks."""
    locked: list[str] = []

    def look(conn: Connection) -> None:
        if engine.dialect.name == "postgresql":
            locked[:] = conn.exec_driver_sql(LOCKED).scalars()

    event.listen(engine, "commit", look)
    revisions = version.revisions()[::-1]
    print("| revision | s | kept from readers |\n|---|---|---|")
    for revision in revisions[revisions.index(RELEASED) + 1 :]:
        seconds = timed(lambda to=revision: migrate.upgrade(engine, to))
        print(f"| {revision} | {seconds:.2f} | {', '.join(locked)} |", flush=True)
    print(f"| the views | {timed(lambda: migrate.upgrade(engine)):.2f} | |")
    event.remove(engine, "commit", look)


def at_once(engine: Engine, url: str) -> None:
    """As `ruie db upgrade`, beside somebody who reads."""
    waits: list[float] = []
    over = threading.Event()

    def read() -> None:
        other = open_engine(url)
        while not over.is_set():
            with reading(other) as conn:
                waits.append(timed(lambda: conn.exec_driver_sql(READS).scalar()))
            time.sleep(0.02)
        other.dispose()

    reader = threading.Thread(target=read)
    reader.start()
    seconds = timed(lambda: migrate.upgrade(engine))
    over.set()
    reader.join()
    print(
        f"upgrade in one transaction: {seconds:.1f} s; a reader waited {max(waits):.1f} s at most"
    )


def measure(url: str, documents: int) -> None:
    prepare(url, documents)
    engine = open_engine(url)
    print(f"\n{engine.dialect.name}, {documents:,} documents", flush=True)
    for part in (lambda: step_by_step(engine), lambda: at_once(engine, url)):
        back = timed(lambda: migrate.downgrade(engine, RELEASED))
        print(f"back to {RELEASED}: {back:.1f} s", flush=True)
        part()
    engine.dispose()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--documents", type=int, default=1_000_000, help="in PostgreSQL")
    arguments.add_argument("--sqlite", type=int, default=100_000, help="in SQLite")
    arguments.add_argument("--folder", type=Path, default=Path("/tmp/ruie-upgrade"))
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.sqlite:
        measure(f"sqlite:///{options.folder / 'big.db'}", options.sqlite)
    if options.documents:
        with postgresql(options.folder / "pg") as url:
            measure(url, options.documents)


if __name__ == "__main__":
    main()
