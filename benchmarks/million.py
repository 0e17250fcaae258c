"""A million documents end to end on PostgreSQL: is the last tenth as fast as the first?

    python benchmarks/million.py [--documents 1000000] [--folder /tmp/ruie-million]

Everything is real and on this machine: Redis, a coordinator, a worker, the shipped bundle's
encoder, PostgreSQL with its defaults; an endpoint answers at once (million_endpoint.py), and
entities are asked for, one call a document (two, with --relations). Each 20,000 documents a line is
added to samples.jsonl in the folder: speed, processor time by kind of process, the coordinator's
round, what `ruie status`, the pages and a scrape take, and what PostgreSQL says of its tables. At
the end the samples of the first and the last tenth are compared, and all tables are written anew
to see what of them was bloat. Where it is interrupted, the same call goes on in the same job.

With --prefill the database holds so many documents of query_data.py before, with their calls and
records, three fifths of which belong to the job that is measured: what a job costs late in its
life, without its life.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import million_corpus as corpus  # noqa: E402  # after the path above
import million_probe as probe  # noqa: E402  # likewise
from million_prefill import join, prefill  # noqa: E402  # likewise
from million_report import report  # noqa: E402  # likewise
from query import postgresql  # noqa: E402  # likewise
from redis import Redis  # noqa: E402  # likewise
from scrape import get, value  # noqa: E402  # likewise
from sqlalchemy import text  # noqa: E402  # likewise
from support.fleet import Fleet, Process  # noqa: E402  # likewise

from ruie.db.engine import reading  # noqa: E402  # likewise
from ruie.packaged import packaged_bundle  # noqa: E402  # likewise
from ruie.schema import Schema  # noqa: E402  # likewise
from ruie.worker.embedded.stack import free_port  # noqa: E402  # likewise
from ruie.worker.job_status import job_status  # noqa: E402  # likewise
from ruie.worker.messages import QUEUE  # noqa: E402  # likewise
from ruie.worker.web.kept import Kept  # noqa: E402  # likewise
from ruie.worker.web.server import WebServer  # noqa: E402  # likewise

LOOK_S = 2.0
"""How often processor times and the number of calls are read."""
RUNS = 3
"""So often each thing is timed for a sample, which has the median."""


@dataclass(frozen=True)
class Options:
    documents: int
    folder: Path
    every: int
    processes: int
    prefilled: int
    seed: int
    rebuild: bool
    schema: Schema


@contextmanager
def endpoint() -> Iterator[tuple[str, int]]:
    """The endpoint in a process of its own: its URL, and its pid."""
    port = free_port()
    script = ROOT / "benchmarks" / "million_endpoint.py"
    command = [sys.executable, str(script), "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}/v1", process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def pages(fleet: Fleet) -> Iterator[str]:
    """`ruie web` in a thread; nothing is kept from one request to the next."""
    Kept.get = lambda _self, _key, make: make()  # type: ignore[method-assign]  # for this process alone
    server = WebServer(fleet.settings, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.url.rstrip("/")
    server.stop()
    thread.join()


def milliseconds(action: Callable[[], object]) -> float:
    """The median of a few runs."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times), 1)


class Watch:
    """What is looked at, of one job."""

    def __init__(
        self,
        fleet: Fleet,
        web: str,
        endpoint_pid: int,
        job: str,
        enqueue: Process,
        options: Options,
    ) -> None:
        self._fleet = fleet
        self._enqueue = enqueue
        self._enqueueing = True
        self._tasks = len(options.schema.tasks)
        self._engine = fleet.client.engine
        self._redis = Redis.from_url(fleet.redis.url)
        self._metrics = f"http://127.0.0.1:{fleet.settings.metrics_port}/metrics"
        self._job = job
        self._pages = {
            "jobs": f"{web}/jobs",
            "the job": f"{web}/jobs/{job}",
            "documents": f"{web}/documents",
            "documents of the job": f"{web}/documents?job={job}",
            "the fleet": f"{web}/fleet",
        }
        self._endpoint_pid = endpoint_pid
        self.processors = probe.Processors(self._roots, self._engine)
        self._before = 0
        self._before = self.calls() if options.prefilled else 0
        self._last = self._counts()

    def _roots(self) -> Mapping[int, str]:
        redis: Any = self._redis.info("server")
        ours = {process.pid: process.command for process in self._fleet.processes}
        return ours | {self._endpoint_pid: "endpoint", int(redis["process_id"]): "redis"}

    def calls(self) -> int:
        """Made so far, but for those of the prefilled database; ids that were not given out count
        too."""
        with reading(self._engine) as conn:
            last = conn.execute(text("SELECT MAX(id) FROM extractions")).scalar_one() or 0
            return int(last) - self._before

    def _counts(self) -> dict[str, float]:
        """What only rises."""
        self.processors.look()
        found = get(self._metrics)
        return {
            "at": time.time(),
            "calls": self.calls(),
            "rounds": value(found, "ruie_coordinator_rounds_total") or 0.0,
            "rounds_s": value(found, "ruie_coordinator_round_seconds_total") or 0.0,
            "wal_bytes": probe.server(self._engine)["wal_bytes"],
            **{f"cpu {kind}": used for kind, used in self.processors.seconds.items()},
        }

    def sample(self) -> dict[str, Any]:
        """Since the last one, and of now."""
        now = self._counts()
        since = {name: count - self._last.get(name, 0.0) for name, count in now.items()}
        self._last = now
        calls = max(1.0, since["calls"])
        documents = calls / self._tasks
        redis: Any = self._redis.info("memory")
        enqueueing, self._enqueueing = self._enqueueing, self._enqueue.alive
        queues: Any = self._redis.keys(f"ruie:{QUEUE}*")
        return {
            "at": now["at"],
            "seconds": round(since["at"], 1),
            "documents": int(now["calls"] / self._tasks),
            "enqueueing": enqueueing,
            "documents_per_s": round(documents / since["at"], 1),
            "calls_per_s": round(calls / since["at"], 1),
            "round_ms": round(1000 * since["rounds_s"] / max(1.0, since["rounds"]), 1),
            "rounds_per_s": round(since["rounds"] / since["at"], 2),
            "cpu_ms": {
                name.removeprefix("cpu "): round(1000 * used / documents, 3)
                for name, used in sorted(since.items())
                if name.startswith("cpu ")
            },
            "status_ms": milliseconds(lambda: job_status(self._fleet.client, self._job)),
            "scrape_ms": milliseconds(lambda: get(self._metrics)),
            "page_ms": {name: milliseconds(partial(get, at)) for name, at in self._pages.items()},
            "wal_bytes": round(since["wal_bytes"] / documents),
            "redis_bytes": int(redis["used_memory"]),
            "queued": sum(int(self._redis.llen(key)) for key in queues),  # type: ignore[arg-type]  # redis types it for both clients
            "server": probe.server(self._engine),
            "tables": probe.tables(self._engine),
            "indexes": probe.indexes(self._engine),
        }


def enqueueing(fleet: Fleet, file: Path, wanted: Schema) -> Process:
    """`ruie enqueue`, which goes on where it was interrupted."""
    schema = fleet.folder / "schema.json"
    schema.write_text(json.dumps(wanted.body()), encoding="utf-8")
    command = ("enqueue", str(file), "--schema", str(schema), "--name", "million")
    process = Process("enqueue", fleet.folder, fleet.settings.environment(), command)
    fleet.processes.append(process)
    return process


def job_of(fleet: Fleet) -> str:
    """The job, as soon as it is there."""
    while True:
        for job in fleet.client.jobs():
            if job.name == "million":
                return job.id
        time.sleep(0.2)


def run(options: Options, url: str, samples: Path) -> None:
    file = options.folder / f"documents-{options.seed}.jsonl"
    corpus.write(file, options.documents, options.seed)
    with (
        endpoint() as (llm, endpoint_pid),
        Fleet(
            options.folder, url, packaged_bundle(), llm, metrics_port=free_port(), lease_s=60.0,
            dispatch_s=120.0, concurrency=options.processes, batch_size=32,
        ) as fleet,
        pages(fleet) as web,
    ):  # fmt: skip  # its settings
        enqueue = enqueueing(fleet, file, options.schema)
        job = job_of(fleet)
        if options.prefilled and not enqueue.wait(3600):
            job = join(fleet.client.engine, job)
        coordinator = fleet.start("coordinator")
        fleet.start("worker")
        while not answers(fleet.settings.metrics_port):
            time.sleep(0.2)
        watch = Watch(fleet, web, endpoint_pid, job, enqueue, options)
        each = options.every * len(options.schema.tasks)
        due = watch.calls() + each
        while fleet.client.job(job).state == "running":
            time.sleep(LOOK_S)
            watch.processors.look()
            assert coordinator.alive, coordinator.output()
            if watch.calls() >= due:
                due += each
                with samples.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(watch.sample()) + "\n")
        print(fleet.client.progress(job))
        if options.rebuild:
            (options.folder / "rebuilt.json").write_text(
                json.dumps(probe.rebuilt(fleet.client.engine)), encoding="utf-8"
            )


def answers(port: int) -> bool:
    try:
        return "ruie_coordinator_rounds_total" in get(f"http://127.0.0.1:{port}/metrics")
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ruie-million"))
    parser.add_argument("--every", type=int, default=20_000, help="documents from sample to sample")
    parser.add_argument("--processes", type=int, default=2, help="of the worker")
    parser.add_argument("--prefill", type=int, default=0, help="documents that are there before")
    parser.add_argument("--seed", type=int, default=5, help="another corpus in the same database")
    parser.add_argument("--relations", action="store_true", help="ask for relations, too")
    parser.add_argument("--no-rebuild", action="store_true", help="do not measure bloat at the end")
    parser.add_argument("--report", action="store_true", help="of samples that are there already")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    samples = given.folder / "samples.jsonl"
    if not given.report:
        options = Options(
            given.documents, given.folder, given.every, given.processes, given.prefill,
            given.seed, not given.no_rebuild, corpus.schema(given.relations),
        )  # fmt: skip  # its fields
        with postgresql(given.folder / "pg", defaults=True) as url:
            if given.prefill:
                prefill(url, given.prefill)
            run(options, url, samples)
    report(samples, given.folder / "rebuilt.json")


if __name__ == "__main__":
    main()
