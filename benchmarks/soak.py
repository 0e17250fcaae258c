"""What the processes of a fleet hold after hours of work, faults and restarts.

    python benchmarks/soak.py FOLDER [--minutes 120] [--documents 100000] [--mode batch]

`tests/support/soak.py` says what happens. Samples and events are written to the folder as they are
made, and at the end `report.json`; soak_curves.py draws them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.batch_provider import BatchProvider  # noqa: E402  # after the path above
from support.databases import postgresql  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise
from support.metered import MeteredEndpoint  # noqa: E402  # likewise
from support.scene import Scene  # noqa: E402  # likewise
from support.soak import Soak  # noqa: E402  # likewise
from support.soak_audit import audit  # noqa: E402  # likewise
from support.soak_plan import Sizes, plan, settings  # noqa: E402  # likewise

from ruie.packaged import packaged_bundle  # noqa: E402  # likewise


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--quarter-s", type=float, default=900.0)
    parser.add_argument("--tail-s", type=float, default=480.0)
    parser.add_argument("--mode", choices=["standard", "batch"], default="standard")
    given = parser.parse_args()
    batch = given.mode == "batch"
    sizes = Sizes(given.minutes, given.documents, given.quarter_s, 10.0, given.tail_s, batch)
    home = given.folder / "home"
    home.mkdir(parents=True, mode=0o700)
    print(f"began {time.strftime('%H:%M:%S')}: {asdict(sizes)}, {sizes.quota}", flush=True)
    with ExitStack() as stack:
        server = stack.enter_context(postgresql())
        endpoint: MeteredEndpoint = (
            BatchProvider(plan(sizes), given.folder)
            if batch
            else MeteredEndpoint(plan(sizes), given.folder, given.folder / "journal.jsonl")
        )
        stack.enter_context(endpoint)
        fleet = stack.enter_context(
            Fleet(home, server.current(), packaged_bundle(), endpoint.url, **settings(sizes))
        )
        soak = Soak(Scene(fleet, endpoint, server, 1), sizes, given.folder)
        soak.run()
        print(f"done {time.strftime('%H:%M:%S')}", flush=True)
        report = audit(soak)
    (given.folder / "report.json").write_text(json.dumps(asdict(report), indent=1))
    print(json.dumps({k: v for k, v in report.figures.items() if k != "sizes"}, indent=1))
    print("\n".join(report.wrong) or "all of it holds")
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
