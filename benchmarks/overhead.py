"""Documents and calls a second from `enqueue` to records, with an endpoint that costs nothing.

    python benchmarks/overhead.py [--calls 9216] [--database URL]
    python benchmarks/overhead.py --short [--calls 320]

Two endpoints: one that answers at once (what the system itself costs), and one that answers after
500 ms with 64 calls in flight (how much of the 128 calls a second that this allows is used); and
two schemas: entities alone (a call a document), and entities, relations and events (three calls a
document, which share its encoding); as many calls in each run. Everything is real: Redis, a
coordinator, a worker with its processes, the encoder, SQL; and all of it, the endpoint included,
runs on this machine. Workers are warm before the clock starts. The encoder alone, on all cores, is
measured in the same run: no document can be faster than its encoding. Where LangExtract is
installed (`make bench-install`), it is asked the entities of as many documents in the same run
(langextract_peer.py).

--short: jobs one after the other in a fleet that waits for them. What their rounds allow: 320 calls
at 64 in flight are five rounds of 500 ms.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from rich.console import Console  # noqa: E402  # after the path above
from rich.table import Table  # noqa: E402  # likewise
from sqlalchemy import func, select  # noqa: E402  # likewise
from support.endpoint import ScriptedEndpoint, answer  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise
from support.waiting import wait_until  # noqa: E402  # likewise

from ruie.db import job_states, jobs  # noqa: E402  # likewise
from ruie.db.engine import reading  # noqa: E402  # likewise
from ruie.db.models import extractions  # noqa: E402  # likewise
from ruie.schema import Schema  # noqa: E402  # likewise
from ruie.worker.demo import gold  # noqa: E402  # likewise
from ruie.worker.embedded.stack import free_port  # noqa: E402  # likewise

IN_FLIGHT = 64
DELAY_S = 0.5
LANGEXTRACT = "entities, by LangExtract"


@contextmanager
def endpoint(delay_s: float, text: str) -> Iterator[str]:
    """The scripted endpoint in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "support.endpoint", "--port", str(port)]
    command += ["--text", text, "--delay-s", str(delay_s)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    process = subprocess.Popen(command, env=environment)
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def sentences(count: int) -> list[dict[str, str]]:
    """Real sentences, numbered so that no two are the same document."""
    texts = [row.text for name in gold.NAMES for row in gold.corpus(name).rows]
    return [{"id": str(i), "text": f"{texts[i % len(texts)]} ( {i} )"} for i in range(count)]


def bundle(folder: Path, quantise: str) -> Path:
    """The demo's bundle, built as a user builds it."""
    from ruie.packaged import packaged_encoder

    command = [sys.executable, "-m", "ruie.worker.cli", "bundle", "build"]
    command += ["--encoder", str(packaged_encoder()), "--output", str(folder / "bundle")]
    command += ["--quantise", quantise]
    for file in gold.demonstrations():
        command += ["--demonstrations", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "bundle"


def everything() -> Schema:
    """The three corpora's types in one schema."""
    entities, relations, events = (gold.corpus(name).schema for name in gold.NAMES)
    return Schema("all", entities.entities, relations.relations, events.events)


def encoder_rate(made: Path, rows: list[dict[str, str]]) -> float:
    """Sentences a second of the encoder alone, on all cores, with nothing else to do."""
    from ruie.bundle import Bundle

    encoder = Bundle.open(made).encoder
    texts = [row["text"] for row in rows]
    encoder.encode(texts[:64])
    started = time.monotonic()
    encoder.encode(texts)
    return len(texts) / (time.monotonic() - started)


@contextmanager
def fleet(
    folder: Path, made: Path, database: str, llm: str, delay_s: float, processes: int
) -> Iterator[Fleet]:
    """A coordinator and a worker, with one class of calls in flight divided among its processes."""
    folder.mkdir()
    with Fleet(
        folder,
        database or f"sqlite:///{folder / 'ruie.db'}",
        made,
        llm,
        lease_s=60.0,
        dispatch_s=120.0,
        concurrency=processes,
        batch_size=32,
        llm_max_in_flight=IN_FLIGHT // processes if delay_s else 8,
    ) as started:
        started.start("coordinator")
        started.start("worker")
        yield started


def warm(started: Fleet, rows: list[dict[str, str]], schema: Schema, processes: int) -> None:
    """Let each process open its encoder, on its first task: a job for each, all at once."""
    job_ids = [
        started.client.enqueue(rows[64 * i :][:64], schema, name="warm").job_id
        for i in range(processes)
    ]
    for job_id in job_ids:
        await_done(started, job_id, 120)


def await_done(started: Fleet, job_id: str, timeout_s: float) -> None:
    """Until the job is done. Not by its progress, which counts its items: ten times a second that
    would take more CPU time than the coordinator."""

    def state() -> str:
        with reading(started.client.engine) as conn:
            return job_states.get_job_states(conn, [job_id])[job_id]

    wait_until(lambda: state() == "done", timeout_s)


def measure(
    folder: Path, made: Path, database: str, schema: Schema, delay_s: float, options: Options
) -> tuple[float, float]:
    """One run; gives documents and calls a second."""
    processes, documents = options.processes, options.calls // len(schema.tasks)
    rows = sentences(documents + 64 * processes)
    with (
        endpoint(delay_s, "None") as llm,
        fleet(folder, made, database, llm, delay_s, processes) as started,
    ):
        warm(started, rows[documents:], schema, processes)
        began = time.monotonic()
        job_id = started.client.enqueue(rows[:documents], schema, name="measured").job_id
        await_done(started, job_id, 600)
        seconds = time.monotonic() - began
        done = started.client.progress(job_id).done
    calls = documents * len(schema.tasks)
    assert done == calls, f"{done} of {calls} work items done"
    return documents / seconds, calls / seconds


def measure_short(
    folder: Path, made: Path, database: str, schema: Schema, options: Options
) -> list[tuple[float, float, float]]:
    """Seconds of each job: from the end of its enqueueing to its first call, from there to the last
    answer saved, and from the end of its enqueueing until it is done."""
    processes, calls = options.processes, options.calls
    rows = sentences(calls * options.repetitions + 64 * processes)
    pause = random.Random(0)
    measured = []
    with (
        ScriptedEndpoint(answer("None", delay_s=DELAY_S)) as said,
        fleet(folder, made, database, said.url, DELAY_S, processes) as started,
    ):
        warm(started, rows[calls * options.repetitions :], schema, processes)
        for number in range(options.repetitions):
            time.sleep(1 + pause.random())  # the coordinator is anywhere in its rounds
            before = len(said.requests)
            some = rows[calls * number :][:calls]
            job_id = started.client.enqueue(some, schema, name="short").job_id
            await_done(started, job_id, 120)
            assert len(said.requests) == before + calls
            first = said.requests[before].at + time.time() - time.monotonic()
            with reading(started.client.engine) as conn:
                job = jobs.get_job(conn, job_id)
                mine = extractions.c.job_id == job_id
                saved = conn.scalar(select(func.max(extractions.c.created_at)).where(mine))
            assert job.enqueued_at is not None
            assert job.finished_at is not None
            enqueued = job.enqueued_at.timestamp()
            last, done = saved.timestamp(), job.finished_at.timestamp()
            measured.append((first - enqueued, last - first, done - enqueued))
    return measured


def langextract(delay_s: float, documents: int) -> float:
    """Documents a second of LangExtract, in a process of its own."""
    with endpoint(delay_s, '{"extractions": []}') as llm:
        command = [sys.executable, str(ROOT / "benchmarks" / "langextract_peer.py")]
        command += ["--url", llm, "--documents", str(documents)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def show_short(measured: list[tuple[float, float, float]], options: Options) -> None:
    """The medians, and the shares of what the rounds allow."""
    allowed = math.ceil(options.calls / IN_FLIGHT) * DELAY_S
    first, calling, whole = (median(values) for values in zip(*measured, strict=True))
    table = Table("from", "to", "seconds", "of what its rounds allow")
    table.add_row("enqueued", "first call", f"{first:.2f}", "")
    table.add_row("first call", "last answer saved", f"{calling:.2f}", f"{allowed / calling:.0%}")
    table.add_row("enqueued", "done", f"{whole:.2f}", f"{allowed / whole:.0%}")
    console = Console(width=110)
    console.print(table)
    console.print(f"{options.calls} calls, {allowed:g} s; medians of {options.repetitions}")


@dataclass(frozen=True)
class Options:
    calls: int
    processes: int
    repetitions: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="short jobs alone")
    parser.add_argument("--calls", type=int, help="in each run; default: 9216, of short jobs 320")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--database", default="", help="default: SQLite in a temporary folder")
    parser.add_argument("--quantise", default="int8", choices=["none", "int8"])
    parser.add_argument("--bundle", type=Path, help="default: one is built")
    given = parser.parse_args()
    calls = given.calls or (320 if given.short else 9216)
    options = Options(calls, given.processes, given.repetitions)
    folder = Path(tempfile.mkdtemp(prefix="ruie-overhead-"))
    schemas = {"entities": gold.corpus("entities").schema, "all three": everything()}
    measured: dict[tuple[str, float], list[tuple[float, float]]] = {}
    alone: list[float] = []
    compares = find_spec("langextract") is not None
    try:
        made = given.bundle or bundle(folder, given.quantise)
        if given.short:
            run = folder / "short"
            show_short(
                measure_short(run, made, given.database, schemas["entities"], options), options
            )
            return
        for repetition in range(given.repetitions):
            alone.append(encoder_rate(made, sentences(500)))
            for delay_s in (0.0, DELAY_S):
                for name, schema in schemas.items():
                    run = folder / f"{repetition}-{delay_s}-{name.split()[0]}"
                    result = measure(run, made, given.database, schema, delay_s, options)
                    measured.setdefault((name, delay_s), []).append(result)
                if compares:
                    rate = langextract(delay_s, options.calls)
                    measured.setdefault((LANGEXTRACT, delay_s), []).append((rate, rate))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(
        "endpoint answers", "schema", "documents/s", "of the encoder alone", "calls/s",
        f"of {IN_FLIGHT / DELAY_S:.0f} calls/s",
    )  # fmt: skip  # one row
    limit = median(alone)
    for (name, delay_s), results in sorted(measured.items(), key=lambda entry: entry[0][1]):
        documents, calls = (median(values) for values in zip(*results, strict=True))
        table.add_row(
            f"after {1000 * delay_s:.0f} ms" if delay_s else "at once",
            name,
            f"{documents:.1f}",
            f"{100 * documents / limit:.0f} %",
            f"{calls:.1f}",
            f"{100 * calls * DELAY_S / IN_FLIGHT:.1f} %" if delay_s else "",
        )
    console = Console(width=110)
    console.print(table)
    console.print(f"encoder alone: {limit:.1f} sentences/s; medians of {given.repetitions}")
    if not compares:
        console.print("LangExtract is not installed: `make bench-install`")


if __name__ == "__main__":
    main()
