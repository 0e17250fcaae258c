"""How many of 10,000 documents are asked again after rows were added to a bundle.

    python benchmarks/asked_again.py [--documents 10000]

The documents are the texts of the six corpora in benchmarks/corpora, by turns. Each is asked under
the schema of one of them, of which the included bundle has demonstrations, before and after 1, 10
and 100 rows of its test part were added, of which the bundle has none; the prompts are compared.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ruie.annotations import Corpus, load_corpus
from ruie.bundle import Bundle
from ruie.bundle.encoder import Vectors
from ruie.db.sql import pieces
from ruie.decoding import Decoding
from ruie.exporter.add import add_demonstrations
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.packaged import packaged_bundle
from ruie.records import Demonstration, Query, Task

CORPORA = Path(__file__).parent / "corpora"
SERVED = {"crossner_ai": Task.NER, "fewrel_wiki": Task.RE, "crudeoilnews": Task.ED}
ADDED = (1, 10, 100)
REBUILT = 10
"""Of these, what is also added to the files: that takes a minute."""


class Remembered:
    """Encodes a text once, however many bundles ask."""

    def __init__(self, bundle: Bundle) -> None:
        self._encode = bundle.encoder.encode
        self._vectors: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors |= zip(new, self._encode(new), strict=True)
        return np.stack([self._vectors[text] for text in texts])


def documents(count: int) -> list[str]:
    """Different texts, from all corpora by turns."""
    parts = [
        [row.text for row in load_corpus(file, None).rows]
        for file in sorted(CORPORA.glob("*/*.jsonl.gz"))
    ]
    mixed = (text for row in itertools.zip_longest(*parts) for text in row if text is not None)
    return list(itertools.islice(dict.fromkeys(mixed), count))


def prompt_keys(bundle: Bundle, memory: Remembered, queries: Sequence[Query]) -> list[str]:
    bundle.encoder.encode = memory.encode  # type: ignore[method-assign]  # for the whole run
    extractor = Extractor(bundle, LLMClient(""), "m", Decoding())
    keys: list[str] = []
    for part in pieces(queries, 256):
        keys += map(extractor.prompt_key, extractor.prepare(part))
    return keys


def rows_of(corpus: Corpus, task: Task, count: int) -> list[Demonstration]:
    """The demonstrations of so many of its first rows."""
    texts = [row.text for row in corpus.rows[:count]]
    return [d for d in corpus.demonstrations() if d.text in texts and d.task is task]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=10_000)
    texts = documents(parser.parse_args().documents)
    before = Bundle.open(packaged_bundle())
    memory = Remembered(before)
    print(f"{len(texts):,} documents, {len(before):,} demonstrations\n")
    print("| schema | task | rows added | lying over the bundle, % | with `bundle add`, % |")
    print("|---|---|---|---|---|")
    for name, task in SERVED.items():
        corpus = load_corpus(CORPORA / name / "test.jsonl.gz", None)
        queries = [corpus.schema.query(task, text) for text in texts]
        keys = prompt_keys(before, memory, queries)
        for count in ADDED:
            rows = rows_of(corpus, task, count)
            shares = [changed(keys, prompt_keys(before.over(rows), memory, queries)), ""]
            if count == REBUILT:
                with tempfile.TemporaryDirectory() as folder:
                    add_demonstrations(before.path, rows, Path(folder) / "bundle")
                    added = Bundle.open(Path(folder) / "bundle")
                    shares[1] = changed(keys, prompt_keys(added, memory, queries))
            print(f"| {name} | {task} | {count} | {' | '.join(shares)} |", flush=True)


def changed(before: Sequence[str], after: Sequence[str]) -> str:
    """In percent."""
    return f"{100 * sum(a != b for a, b in zip(before, after, strict=True)) / len(before):.1f}"


if __name__ == "__main__":
    main()
