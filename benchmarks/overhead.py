"""Documents a second from `enqueue` to records, with an endpoint that costs nothing itself.

    python benchmarks/overhead.py [--documents 2000] [--database URL]

Two endpoints: one that answers at once (what the system itself costs), and one that answers after
500 ms with 64 calls in flight (how much of the 128 calls a second that this allows is used).
Everything is real: Redis, a coordinator, a worker with its processes, the encoder, SQL; and all of
it, the endpoint included, runs on this machine. Workers are warm before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from rich.console import Console  # noqa: E402  # after the path above
from rich.table import Table  # noqa: E402
from support.fleet import Fleet  # noqa: E402

from ruie.schema import Schema  # noqa: E402
from worker.demo import gold  # noqa: E402
from worker.embedded.redis_server import free_port  # noqa: E402

IN_FLIGHT = 64
DELAY_S = 0.5


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

    command = [sys.executable, "-m", "worker.cli", "bundle", "build"]
    command += ["--encoder", str(packaged_encoder()), "--output", str(folder / "bundle")]
    command += ["--quantise", quantise]
    for file in gold.demonstrations():
        command += ["--demonstrations", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "bundle"


def measure(
    folder: Path, made: Path, database: str, delay_s: float, documents: int, processes: int
) -> dict[str, float]:
    """One run; gives documents and seconds."""
    folder.mkdir()
    url = database or f"sqlite:///{folder / 'ruie.db'}"
    schema: Schema = gold.corpus("entities").schema
    rows = sentences(documents + 64 * processes)
    with (
        endpoint(delay_s, "None") as llm,
        Fleet(
            folder,
            url,
            made,
            llm,
            lease_s=60.0,
            dispatch_s=120.0,
            concurrency=processes,
            batch_size=128 if delay_s else 32,
            llm_max_in_flight=IN_FLIGHT // processes if delay_s else 8,
        ) as fleet,
    ):
        fleet.start("coordinator")
        fleet.start("worker")
        for part in range(processes):  # warm each process: it opens its encoder on its first task
            some = rows[documents + 64 * part :][:64]
            fleet.client.enqueue(some, schema, name=f"warm {part}")
        for job in fleet.client.jobs():
            fleet.wait_done(job.id, 120)
        started = time.monotonic()
        job_id = fleet.client.enqueue(rows[:documents], schema, name="measured").job_id
        fleet.wait_done(job_id, 600)
        seconds = time.monotonic() - started
        done = fleet.client.progress(job_id).done
    assert done == documents, f"{done} of {documents} documents done"
    return {"documents": documents, "seconds": seconds, "rate": documents / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--database", default="", help="default: SQLite in a temporary folder")
    parser.add_argument("--quantise", default="int8", choices=["none", "int8"])
    parser.add_argument("--bundle", type=Path, help="default: one is built")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ruie-overhead-"))
    try:
        made = options.bundle or bundle(folder, options.quantise)
        results = []
        for repetition in range(options.repetitions):
            for delay_s in (0.0, DELAY_S):
                run = folder / f"{repetition}-{delay_s}"
                result = measure(
                    run, made, options.database, delay_s, options.documents, options.processes
                )
                results.append({"delay_s": delay_s, **result})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("endpoint answers", "documents", "seconds", "documents/s", "of what it allows")
    for r in sorted(results, key=lambda r: r["delay_s"]):
        allowed = f"{100 * r['rate'] * DELAY_S / IN_FLIGHT:.1f} %" if r["delay_s"] else ""
        after = f"after {1000 * r['delay_s']:.0f} ms" if r["delay_s"] else "at once"
        table.add_row(
            after, f"{r['documents']:,}", f"{r['seconds']:.1f}", f"{r['rate']:.1f}", allowed
        )
    Console().print(table)


if __name__ == "__main__":
    main()
