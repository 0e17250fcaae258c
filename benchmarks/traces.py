"""What traces cost: CPU of a call with them off, on, with texts, and with a collector away.

    python benchmarks/traces.py [--base CHECKOUT] [--calls 960] [--rounds 9]

A worker process as it is (its event loop, admission on Redis, SQLite) takes batches of 32 items;
the endpoint, in a process of its own, answers at once, and there are no demonstrations, so nothing
is encoded: what is left is the system's own cost, of which spans are the largest share that they
can be. CPU time is that of the worker process alone, its end included, the first 320 calls not.
Each round has one run of each kind, in another order; a ratio is that of two runs of one round.
--base: a checkout to compare with, such as the version before.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Mapping
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
WARM = 10
"""Batches before the clock starts."""
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", type=Path, help="a checkout to compare with")
    parser.add_argument("--calls", type=int, default=960)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(one_run(given.calls))
    else:
        compare(given.base, given.calls, given.rounds)


def one_run(calls: int) -> float:
    """CPU milliseconds a call; the settings are the environment's. It uses only what the version
    before has too."""
    from ruie.client import Client
    from ruie.db import migrate, queue
    from ruie.db.engine import open_engine
    from ruie.schema import Schema
    from ruie.settings import settings
    from ruie.worker.batches import process

    engine = open_engine(settings().database_url)
    migrate.upgrade(engine)
    client = Client(settings(), engine)
    rows = [
        {"id": str(n), "text": f"Ada met Bo in Rome {n} ."} for n in range(calls + WARM * BATCH)
    ]
    job_id = client.enqueue(rows, Schema("n", entities={"person": ""})).job_id
    with engine.begin() as conn:
        batches = queue.dispatch(conn, job_id, len(rows), BATCH, 3600)
    for batch in batches[:WARM]:
        process.process().run(batch.id, 0)
    used = time.process_time()
    for batch in batches[WARM:]:
        process.process().run(batch.id, 0)
    process.close()
    used = time.process_time() - used
    assert client.progress(job_id).done == len(rows)
    return 1000 * used / calls


def off_ns() -> float:
    """What the spans that record nothing take of an item, nanoseconds; a batch's own are as many
    again for its 32 items."""
    from ruie.worker.tracing.spans import UNTRACED_BATCH

    def item() -> None:
        span = UNTRACED_BATCH.item(None)  # type: ignore[arg-type]  # it is not looked at
        with span.working(), span.saving():
            pass
        span.end("saved")

    return min(timeit.repeat(item, number=100_000, repeat=9)) * 1e4


def compare(base: Path | None, calls: int, rounds: int) -> None:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]
    from overhead import endpoint
    from support.collector import Collector
    from support.fleet import Fleet

    from ruie.packaged import packaged_bundle

    results: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Collector() as collector,
        endpoint(0.0, "None") as llm,
        Fleet(
            Path(folder), f"sqlite:///{folder}/f.db", packaged_bundle(), llm, demonstrations=0
        ) as fleet,
    ):
        fleet.start("coordinator")  # without one no call is admitted
        common = {**os.environ, **fleet.settings.environment()}
        on = {"RUIE_TRACES": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        sampled = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
        kinds: dict[str, tuple[Path, Mapping[str, str]]] = {
            **({"before": (base, {})} if base else {}),
            "off": (ROOT, {}),
            "on, one batch in a hundred": (ROOT, on | sampled),
            "on, the collector away": (
                ROOT, on | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
            ),
            "on": (ROOT, on),
            "content": (ROOT, on | {"RUIE_TRACES": "content"}),
        }  # fmt: skip  # a kind after the other
        for number in range(rounds):
            order = list(kinds)
            random.Random(number).shuffle(order)
            for kind in order:
                checkout, more = kinds[kind]
                env = {**common, **more, "PYTHONPATH": str(checkout)}
                env["RUIE_DATABASE_URL"] = f"sqlite:///{folder}/{number}-{order.index(kind)}.db"
                if checkout == base:
                    del env["RUIE_TRACES"]
                results.setdefault(kind, []).append(run(env, calls))
                print(number, kind, results[kind][-1], file=sys.stderr)
                collector.spans.clear()
                collector.bodies.clear()
    show({kind: results[kind] for kind in kinds})


def run(env: Mapping[str, str], calls: int) -> float:
    """`one_run` in a process of its own."""
    command = [sys.executable, __file__, "--one", "--calls", str(calls)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout.split()[-1])


def show(results: Mapping[str, list[float]]) -> None:
    """The CPU of each kind, and its ratio to that of the first kind in the same round."""
    from rich.console import Console
    from rich.table import Table

    table = Table("traces", "CPU, ms a call: least", "median", "ratio", "of the rounds")
    first = next(iter(results.values()))
    for kind, cpu in results.items():
        ratios = [one / other for one, other in zip(cpu, first, strict=True)]
        table.add_row(
            kind,
            f"{min(cpu):.2f}",
            f"{median(cpu):.2f}",
            f"{median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        )
    Console(width=110).print(table)
    print(f"spans that record nothing: {off_ns():.0f} ns an item")


if __name__ == "__main__":
    main()
