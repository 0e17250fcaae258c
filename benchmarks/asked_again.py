"""How many of 10,000 documents are asked again after rows were added to a bundle.

    python benchmarks/asked_again.py [--documents 10000]

The documents are the texts of the six corpora in benchmarks/corpora. Each is asked under a schema
that the included bundle has demonstrations of, before and after `ruie bundle add` of 1, 10 and 100
rows of the corpus's test part (to a bundle that has none of that part), and its prompts are
compared. A second column keeps the ranking that the bundle had: what is left is due to the rows
alone.
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


def keep_ranking(bundle: Bundle, before: Bundle) -> None:
    """Give a bundle's partitions the type models that they had before."""
    if bundle.reranker is None or before.reranker is None:
        return
    bundle.reranker.check()
    before.reranker.check()
    old = {_name(part): before.reranker._models[part.start] for part in before.manifest.partitions}
    for part in bundle.manifest.partitions:
        if _name(part) in old:
            bundle.reranker._models[part.start] = old[_name(part)]


def _name(part: object) -> tuple[object, ...]:
    return tuple(getattr(part, name) for name in ("task", "schema_name", "labels", "event"))


def rows_of(corpus: Corpus, task: Task, count: int) -> list[Demonstration]:
    """The demonstrations of so many rows."""
    texts = [row.text for row in corpus.rows[:count]]
    return [demo for demo in corpus.demonstrations() if demo.text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=10_000)
    texts = documents(parser.parse_args().documents)
    before = Bundle.open(packaged_bundle())
    memory = Remembered(before)
    print(f"{len(texts):,} documents, {len(before):,} demonstrations\n")
    print(
        "| schema | task | rows added | asked again, % | with the bundle's ranking as it was, % |"
    )
    print("|---|---|---|---|---|")
    for name, task in SERVED.items():
        corpus = load_corpus(CORPORA / name / "test.jsonl.gz", None)
        queries = [corpus.schema.query(task, text) for text in texts]
        keys = prompt_keys(before, memory, queries)
        for count in ADDED:
            with tempfile.TemporaryDirectory() as folder:
                output = Path(folder) / "bundle"
                add_demonstrations(before.path, rows_of(corpus, task, count), output)
                after = Bundle.open(output)
                shares = []
                for kept in (False, True):
                    if kept:
                        keep_ranking(after, before)
                    now = prompt_keys(after, memory, queries)
                    changed = sum(a != b for a, b in zip(keys, now, strict=True))
                    shares.append(100 * changed / len(texts))
            print(f"| {name} | {task} | {count} | {shares[0]:.1f} | {shares[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
