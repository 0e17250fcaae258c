"""Do the demonstrations show what the query needs? Asked without an LLM.

    python benchmarks/retrieval.py --data FOLDER

For test sentences of corpora that nothing was trained on, the eight demonstrations of each
retriever, from the corpus' own train and dev parts:

- agreement: the Jaccard index of the query's gold types and a demonstration's, the mean of eight;
- coverage: the share of the query's gold types that at least one of the eight shows.

It costs seconds where an LLM takes an hour, and says whether an idea is worth that hour.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from exporter.parity import torch_vectors
from exporter.source import load_source, quiet
from ruie.annotations import load_corpus
from ruie.bm25 import WordIndex
from ruie.bundle.ranking import Ranking
from ruie.bundle.retrieval import passage_text, retrieval_text
from ruie.packaged import packaged_encoder
from ruie.records import Demonstration

Scores = npt.NDArray[np.float32]
K = 8
WEIGHT = 1.0
"""Of the expected agreement, where what was found is ranked by it."""


def types(demonstration: Demonstration) -> set[str]:
    return {item.type for item in demonstration.items}


def measure(
    tested: Sequence[Demonstration], pool: Sequence[Demonstration], scores: Scores
) -> tuple[float, float]:
    """Agreement and coverage of the best K by `scores`, (tested, pool)."""
    agreement, coverage = [], []
    for query, row in zip(tested, scores, strict=True):
        wanted = types(query)
        shown = [types(pool[i]) for i in np.argsort(-row, kind="stable")[:K]]
        agreement += [len(wanted & one) / max(1, len(wanted | one)) for one in shown]
        coverage.append(len(wanted & set().union(*shown)) / max(1, len(wanted)))
    return float(np.mean(agreement)), float(np.mean(coverage))


def ranked(pool: Sequence[Demonstration], scores: Scores) -> Scores:
    """The best of each row as a ranking has them, the others after them."""
    task = pool[0].task
    ranking = Ranking(agreement={task: WEIGHT})
    names = sorted(set().union(*map(types, pool)))
    table = np.array([[float(name in types(d)) for name in names] for d in pool], dtype=np.float32)
    found = np.full_like(scores, -np.inf)
    for row, told in zip(scores, found, strict=True):
        best = np.argsort(-row, kind="stable")[: ranking.among]
        told[best] = ranking.scores(task, row[best], table[best])
    return found


def load(folder: Path, corpus: str, parts: Sequence[str]) -> list[Demonstration]:
    files = [folder / corpus / f"{part}.jsonl.gz" for part in parts]
    return [d for file in files if file.exists() for d in load_corpus(file).demonstrations()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of annotated corpora")
    parser.add_argument("--corpora", nargs="+", default=["fewrel_wiki", "crossner_science"])
    parser.add_argument("--encoder", default=None, help="default: the packaged MiniLM")
    parser.add_argument("--sentences", type=int, default=250)
    options = parser.parse_args()
    quiet()
    source = load_source(options.encoder or str(packaged_encoder()))

    def encode(prefix: str, texts: Sequence[str]) -> Scores:
        return torch_vectors(source, [prefix + text for text in texts])

    print("| corpus | retriever | agreement | coverage |\n|---|---|---|---|")
    for corpus in options.corpora:
        pool = load(options.data, corpus, ("train", "dev"))
        tested = load(options.data, corpus, ("test",))
        tested = random.Random(0).sample(tested, min(options.sentences, len(tested)))
        queries = encode(source.query_prefix, [retrieval_text(d) for d in tested])

        def similar(text: Callable[[Demonstration], str], pool=pool, queries=queries) -> Scores:
            return queries @ encode(source.passage_prefix, [text(d) for d in pool]).T

        def plain(d: Demonstration) -> str:
            return passage_text(d, keywords=source.keywords)

        def labelled(d: Demonstration) -> str:
            return f"{', '.join(sorted(types(d)))}: {plain(d)}"

        index = WordIndex([d.text for d in pool])
        words = np.stack([index.scores(d.text) for d in tested])
        chance = np.random.default_rng(0).random((len(tested), len(pool)), dtype=np.float32)
        found = {
            "random": chance,
            "BM25": words,
            "encoder": similar(plain),
            "encoder, types in front of the demonstration": similar(labelled),
        }
        found["encoder with types + 0.02 BM25"] = similar(labelled) + 0.02 * words
        for name in ("encoder", "encoder with types + 0.02 BM25"):
            found[f"{name}, ranked"] = ranked(pool, found[name])
        for name, scores in found.items():
            agreement, coverage = measure(tested, pool, scores)
            print(f"| {corpus} | {name} | {agreement:.3f} | {coverage:.3f} |", flush=True)


if __name__ == "__main__":
    main()
