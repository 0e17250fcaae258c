"""How often a model is shown the type that a record has, after so many annotated rows: no model is
asked.

    python benchmarks/shown_types.py [--draws 20] CORPUS...

Of each record of test: whether one of the 8 demonstrations nearest to its sentence has a record of
its type (of an argument: one of the event's type, and in it its role). A small model finds hardly
any record whose type it is not shown. Rows are chosen as `ruie review sample` chooses them, by the
same rule without regard to length, or at random; in each draw among another half of train and dev.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ruie.annotations import demonstrations, load_corpus
from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors, encode_distinct
from ruie.bundle.retrieval import retrieval_text
from ruie.formats.row import AnnotatedRow
from ruie.records import Demonstration
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.sampling import MOST, representatives, shows

SIZES = (5, 10, 20, 50, 100)
SHOWN = 8

Choice = Callable[[Vectors, Sequence[str], random.Random], Sequence[int]]


def sampled(vectors: Vectors, texts: Sequence[str], _: random.Random) -> Sequence[int]:
    none, alike = np.zeros(len(texts), dtype=bool), np.ones(len(texts))
    return representatives(vectors, none, alike, shows(texts), max(SIZES))


def of_any_length(vectors: Vectors, texts: Sequence[str], _: random.Random) -> Sequence[int]:
    none, alike = np.zeros(len(texts), dtype=bool), np.ones(len(texts))
    return representatives(vectors, none, alike, alike, max(SIZES))


def drawn(_: Vectors, texts: Sequence[str], draw: random.Random) -> Sequence[int]:
    return draw.sample(range(len(texts)), max(SIZES))


CHOICES: dict[str, Choice] = {
    "review sample": sampled,
    "of any length": of_any_length,
    "random": drawn,
}


@dataclass(frozen=True)
class Side:
    """Rows, the vectors of their texts, and their demonstrations with theirs."""

    rows: tuple[AnnotatedRow, ...]
    texts: Vectors
    demonstrations: tuple[Demonstration, ...]
    of_row: dict[int, list[int]]
    """The numbers of a row's demonstrations."""
    vectors: Vectors

    @classmethod
    def of(cls, rows: Sequence[AnnotatedRow], schema: Schema, bundle: Bundle) -> Side:
        demos: list[Demonstration] = []
        of_row: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            own = list(demonstrations(row, schema))
            of_row[number] = list(range(len(demos), len(demos) + len(own)))
            demos += own
        encode = bundle.encoder.encode
        texts = encode_distinct(encode, [row.text for row in rows])
        vectors = encode_distinct(encode, [retrieval_text(demo) for demo in demos])
        return cls(tuple(rows), texts, tuple(demos), of_row, vectors)


def kind(demo: Demonstration) -> tuple[str, str]:
    """What is shown for what: demonstrations of one task, and of one type of event."""
    return str(demo.task), demo.trigger.type if demo.trigger else ""


def shares(pool: Side, asked: Side, rows: Sequence[int]) -> dict[str, tuple[int, int]]:
    """By task, of the records asked for: those whose type is shown, and all."""
    chosen: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        for number in pool.of_row[row]:
            chosen[kind(pool.demonstrations[number])].append(number)
    queries: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, demo in enumerate(asked.demonstrations):
        queries[kind(demo)].append(number)
    counts: dict[str, tuple[int, int]] = {}
    for what, numbers in queries.items():
        near = np.array(chosen[what], dtype=int)
        similar = asked.vectors[numbers] @ pool.vectors[near].T
        nearest = near[np.argsort(-similar, axis=1, kind="stable")[:, :SHOWN]]
        seen, records = counts.get(what[0], (0, 0))
        for number, shown in zip(numbers, nearest, strict=True):
            types = {item.type for demo in shown for item in pool.demonstrations[demo].items}
            items = asked.demonstrations[number].items
            seen += sum(item.type in types for item in items)
            records += len(items)
        counts[what[0]] = seen, records
    return counts


def lines(folder: Path, bundle: Bundle, draws: int) -> Iterator[str]:
    files = [folder / f"{part}.jsonl.gz" for part in ("train", "dev")]
    rows = [row for file in files if file.exists() for row in load_corpus(file).rows]
    random.Random(0).shuffle(rows)
    test = load_corpus(folder / "test.jsonl.gz")
    pool = Side.of(rows[:MOST], test.schema, bundle)
    asked = Side.of(test.rows, test.schema, bundle)
    for name, choice in CHOICES.items():
        found: dict[str, list[list[float]]] = defaultdict(list)
        for number in range(draws):
            draw = random.Random(number)
            half = draw.sample(range(len(pool.rows)), len(pool.rows) // 2)
            texts = [pool.rows[row].text for row in half]
            order = [half[row] for row in choice(pool.texts[half], texts, draw)]
            by_size = [shares(pool, asked, order[:size]) for size in SIZES]
            for task in by_size[0]:
                found[task].append([100 * seen / all_ for seen, all_ in (c[task] for c in by_size)])
        for task, values in found.items():
            mean, spread = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
            cells = (f"{m:.0f} ± {s:.0f}" for m, s in zip(mean, spread, strict=True))
            yield f"| {folder.name}, {task} | {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    bundle = Bundle.open(load().bundle)
    print(f"| corpus, task | choice | {' | '.join(map(str, SIZES))} |")
    print(f"|---|---|{'---|' * len(SIZES)}")
    for folder in arguments.corpora:
        for line in lines(folder, bundle, arguments.draws):
            print(line, flush=True)


if __name__ == "__main__":
    main()
