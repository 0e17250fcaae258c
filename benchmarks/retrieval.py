"""Do the demonstrations show what the query needs? Measured without an LLM.

    python benchmarks/retrieval.py

For test sentences of corpora that nothing was trained on, the eight demonstrations of each
retriever, from the corpus' own train and dev parts:

- agreement: the Jaccard index of the query's gold types and a demonstration's, the mean of eight;
- coverage: the share of the query's gold types that at least one of the eight shows;
- spans: the share of the query's gold spans that one of the eight shows with the same type.

It costs seconds where an LLM takes an hour, and says whether an idea is worth that hour.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruie.annotations import load_corpus
from ruie.bm25 import WordIndex
from ruie.bundle.rerank_scores import RerankWeights, expected_agreement, mentions
from ruie.bundle.retrieval import passage_text, retrieval_text, text_key
from ruie.exporter.base_encoder import BaseEncoder, load_base_encoder, silence_transformers
from ruie.exporter.parity import torch_vectors
from ruie.exporter.type_model import fit, type_table
from ruie.packaged import packaged_encoder
from ruie.records import Demonstration

Scores = npt.NDArray[np.float32]
CORPORA = Path(__file__).parent / "corpora"
K = 8
AGREEMENT, MENTIONS = 1.0, 0.2


def types(demonstration: Demonstration) -> set[str]:
    return {item.type for item in demonstration.items}


def spans(demonstration: Demonstration) -> set[tuple[str, str]]:
    return {(item.type, text_key(s.text)) for item in demonstration.items for s in item.spans}


def measure(
    tested: Sequence[Demonstration], pool: Sequence[Demonstration], scores: Scores
) -> tuple[float, float, float]:
    """Agreement, coverage and spans of the best K by `scores`, (tested, pool)."""
    agreement, coverage, shown_spans, gold_spans = [], [], 0, 0
    for query, row in zip(tested, scores, strict=True):
        best = [pool[i] for i in np.argsort(-row, kind="stable")[:K]]
        wanted = types(query)
        shown = [types(each) for each in best]
        agreement += [len(wanted & one) / max(1, len(wanted | one)) for one in shown]
        coverage.append(len(wanted & set().union(*shown)) / max(1, len(wanted)))
        shown_spans += len(spans(query) & set().union(*map(spans, best)))
        gold_spans += len(spans(query))
    return float(np.mean(agreement)), float(np.mean(coverage)), shown_spans / gold_spans


def tokens(encoder: BaseEncoder, demonstration: Demonstration) -> list[int]:
    text = retrieval_text(demonstration)
    ids: list[int] = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def load(folder: Path, corpus: str, parts: Sequence[str]) -> list[Demonstration]:
    files = [folder / corpus / f"{part}.jsonl.gz" for part in parts]
    return [d for file in files if file.exists() for d in load_corpus(file).demonstrations()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=CORPORA, help="folder of annotated corpora")
    parser.add_argument("--corpora", nargs="+", default=["fewrel_wiki", "crossner_science"])
    parser.add_argument("--encoder", default=None, help="default: the packaged MiniLM")
    parser.add_argument("--sentences", type=int, default=250)
    options = parser.parse_args()
    silence_transformers()
    encoder = load_base_encoder(options.encoder or str(packaged_encoder()))

    def encode(prefix: str, texts: Sequence[str]) -> Scores:
        return torch_vectors(encoder, [prefix + text for text in texts])

    print("| corpus | retriever | agreement | coverage | spans |\n|---|---|---|---|---|")
    for corpus in options.corpora:
        pool = load(options.data, corpus, ("train", "dev"))
        pool = [d for d in pool if d.task is pool[0].task]
        tested = [d for d in load(options.data, corpus, ("test",)) if d.task is pool[0].task]
        tested = random.Random(0).sample(tested, min(options.sentences, len(tested)))
        own = encode(encoder.query_prefix, [retrieval_text(d) for d in pool])
        queries = encode(encoder.query_prefix, [retrieval_text(d) for d in tested])
        passages = [passage_text(d, keywords=encoder.keywords) for d in pool]
        similarity = queries @ encode(encoder.passage_prefix, passages).T
        index = WordIndex([d.text for d in pool])
        table = type_table(pool, sorted(set().union(*map(types, pool))))
        model = fit(own, [tokens(encoder, d) for d in pool], table).model
        likely = [
            model.probabilities(vector, tokens(encoder, d))
            for vector, d in zip(queries, tested, strict=True)
        ]
        agreement = np.stack([expected_agreement(each, table) for each in likely])
        words = [[text_key(s.text) for item in d.items for s in item.spans] for d in pool]
        mentioned = np.stack([mentions(words, text_key(d.text)) for d in tested])
        # those that are not reranked come last
        near = -similarity.argsort(axis=1).argsort(axis=1) + len(pool) <= RerankWeights().depth
        cut = np.where(near, 0, -100)
        retrievers = {
            "random": np.random.default_rng(0).random(similarity.shape, dtype=np.float32),
            "BM25": np.stack([index.scores(d.text) for d in tested]),
            "encoder": similarity,
            "encoder + agreement": similarity + AGREEMENT * agreement + cut,
            "encoder + mentions": similarity + MENTIONS * mentioned + cut,
            "encoder + both": similarity + AGREEMENT * agreement + MENTIONS * mentioned + cut,
        }
        for name, scores in retrievers.items():
            figures = " | ".join(f"{each:.3f}" for each in measure(tested, pool, scores))
            print(f"| {corpus} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
