"""How long the pages of `ruie web` take over a large database.

    python benchmarks/web.py [--documents 1000000] [--sqlite 100000] [--folder /tmp/ruie-query]

The databases are those of query.py; with --keep they stay in the folder, and the next run of either
uses them. Each page is asked for over HTTP by one visitor, several times after one that does not
count; the answers that the server keeps for a moment are forgotten before each.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from query import postgresql, prepare  # noqa: E402  # after the path above
from sqlalchemy import update  # noqa: E402  # after the path above

from ruie.db.engine import open_engine  # noqa: E402  # after the path above
from ruie.db.job_settings import JobSettings  # noqa: E402  # after the path above
from ruie.db.models import jobs  # noqa: E402  # after the path above
from ruie.decoding import Decoding  # noqa: E402  # after the path above
from ruie.settings import load  # noqa: E402  # after the path above
from ruie.worker.client import Client  # noqa: E402  # after the path above
from ruie.worker.web.kept import Kept  # noqa: E402  # after the path above
from ruie.worker.web.server import WebServer  # noqa: E402  # after the path above

LIMIT_MS = 100.0
"""What a person does not wait for."""
PAGES = 20
"""So many pages on, the list of documents is measured again."""


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=600) as answer:
        body: bytes = answer.read()
        return body.decode()


def measured(url: str, runs: int) -> float:
    """The median of the milliseconds."""
    get(url)
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        get(url)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def following(base: str, path: str, pages: int) -> str:
    """The address of the page so many pages on."""
    for _ in range(pages):
        found = re.search(r'rel="next" href="([^"]*)"', get(base + path))
        if not found:
            break
        path = unescape(found[1])
    return path


def pages(base: str, client: Client) -> Iterator[tuple[str, str]]:
    """What is measured, and its path."""
    large = max(client.jobs(), key=lambda job: client.progress(job.id).documents).id
    of_job = f"/documents?job={large}"
    yield "all documents", "/documents"
    yield f"… {PAGES} pages on", following(base, "/documents", PAGES)
    yield "documents of the largest job", of_job
    yield f"… {PAGES} pages on", following(base, of_job, PAGES)
    yield "… with a frequent type", f"{of_job}&type=COMMODITY"
    yield "… with a type that none has (10,000 are looked at)", f"{of_job}&type=nothing"
    yield "… with an entry of the metadata that none has", f"{of_job}&key=nothing"
    yield "documents by two words", f"/documents?words={quote('crude rose')}"
    shown = re.search(r'<h2><a href="([^"]*)"', get(f"{base}{of_job}"))
    assert shown
    document = unescape(shown[1])
    yield "one document", document
    call = re.search(r'href="(/documents/calls/\d+)"', get(base + document))
    if call:
        yield "one call, with its prompt", call[1]
    yield "jobs", "/jobs"
    yield "the largest job", f"/jobs/{large}"
    yield "the fleet", "/fleet"


def give_settings(url: str) -> None:
    """The jobs of query.py have none: its questions do not ask for them."""
    engine = open_engine(url)
    with engine.begin() as conn:
        conn.execute(update(jobs).values(settings=JobSettings(Decoding()).body()))
    engine.dispose()


def measure(url: str, runs: int) -> None:
    give_settings(url)
    config = load(database_url=url)
    server = WebServer(config, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    base = server.url.rstrip("/")
    print("\n| page | p50 ms | of 100 ms |\n|---|---|---|")
    with Client(config) as client:
        for title, path in pages(base, client):
            took = measured(base + path, runs)
            print(f"| {title} | {took:.0f} | {took / LIMIT_MS:.1f} |", flush=True)
    server.stop()
    thread.join()


def _always_anew(_: Kept, key: object, make: Callable[[], object]) -> object:
    return make()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=1_000_000, help="in PostgreSQL; 0: skip")
    parser.add_argument("--sqlite", type=int, default=100_000, help="in SQLite; 0: skip")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ruie-query"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="leave the databases in the folder")
    options = parser.parse_args()
    Kept.get = _always_anew  # type: ignore[method-assign,assignment]  # what is kept takes no time
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.sqlite:
        url = f"sqlite:///{options.folder / 'big.db'}"
        prepare(url, options.sqlite)
        measure(url, options.runs)
    if options.documents:
        with postgresql(options.folder / "pg") as url:
            prepare(url, options.documents)
            measure(url, options.runs)
    if not options.keep:
        shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
