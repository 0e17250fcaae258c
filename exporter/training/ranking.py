"""Stage 5: learn the weights by which a bundle reranks (`ruie.bundle.rerank_scores`).

The weights of agreement and mentions are those with whose eight demonstrations the LLM finds the
gold outputs likeliest, in whole prompts. Preferences for single demonstrations would not do: they
overrate agreement, because eight demonstrations soon show the types, while each similar sentence
adds something. Each output counts by its tokens, as F1 counts its items: else outputs of one token,
such as an empty answer, would decide. No model was trained on the queries, and their answers' types
are predicted by leave-one-out: both are then as they will be at run time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ruie.bundle.rerank_scores import RerankWeights, expected_agreement, mentions
from ruie.bundle.retrieval import passage_text, retrieval_text, text_key
from ruie.bundle.type_model import Floats
from ruie.exporter.base_encoder import BaseEncoder
from ruie.exporter.parity import torch_vectors
from ruie.exporter.training.metrics import K
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Scorer, Tokenise, conversation
from ruie.exporter.training.stages import Figures, Progress, append_rows, read_rows
from ruie.exporter.type_model import fit, type_table
from ruie.records import Task

AGREEMENT_WEIGHTS = (0.0, 0.5, 1.0, 2.0)
MENTIONS_WEIGHTS = (0.0, 0.1, 0.2, 0.4)
INITIAL_MENTIONS = 0.2
"""The weight of mentions while that of agreement is chosen."""
FILE = "scores.jsonl"
SAVE_EVERY = 64
"""Prompts between two writes: what a kill loses at most."""

Weights = tuple[float, float]
"""Of agreement and of mentions."""


@dataclass(frozen=True)
class QueryFeatures:
    """A query, and the features of the N demonstrations most similar to it, nearest first.

    query, rows: of `Pools.examples`. similarity, agreement, mentions: float32 (N,).
    """

    task: Task
    query: int
    rows: tuple[int, ...]
    similarity: Floats
    agreement: Floats
    mentions: Floats

    def best(self, weights: Weights) -> tuple[int, ...]:
        """The rows of the K demonstrations that the prompt has with these weights, best first."""
        a, m = weights
        reranking = RerankWeights(agreement={self.task: a}, mentions={self.task: m})
        scores = reranking.scores(self.task, self.similarity, self.agreement, self.mentions)
        return tuple(self.rows[i] for i in np.argsort(-scores, kind="stable")[:K])


def sample_queries(pools: Pools, queries: Iterable[int], count: int, seed: int) -> list[int]:
    """At most `count` random queries of each task, ascending."""
    by_task: dict[Task, list[int]] = {}
    for query in queries:
        by_task.setdefault(pools.examples[query].task, []).append(query)
    rng = random.Random(f"{seed} ranking")
    return sorted(
        query
        for _, each in sorted(by_task.items())
        for query in rng.sample(each, min(count, len(each)))
    )


def learn_ranking(
    pools: Pools,
    queries: Sequence[int],
    encoder: BaseEncoder,
    tokenise: Tokenise,
    scorer: Scorer,
    folder: Path,
    progress: Progress,
) -> Figures:
    """Choose the weights of each task, agreement's first; resumes where a killed run stopped.

    encoder: as it will be exported. folder: where scores are kept. Returns, by task, the weights
    under "agreement" and "mentions", and under "likelihood" the mean log-likelihood of the tokens
    of all gold outputs with each pair of weights tried, in nats.
    """
    by_task: dict[Task, list[QueryFeatures]] = {}
    for each in query_features(pools, queries, encoder):
        by_task.setdefault(each.task, []).append(each)
    likelihood = _Likelihood(pools, tokenise, scorer, folder / FILE)
    lengths = {task: likelihood.answer_lengths(features) for task, features in by_task.items()}
    means: dict[Task, dict[Weights, float]] = {task: {} for task in by_task}
    candidates = {task: [(a, INITIAL_MENTIONS) for a in AGREEMENT_WEIGHTS] for task in by_task}
    for number in (0, 1):
        prompts = [
            (each.query, each.best(weights))
            for task, features in by_task.items()
            for each in features
            for weights in candidates[task]
        ]
        likelihood.score(prompts, progress, number)
        for task, features in by_task.items():
            for weights in candidates[task]:
                scores = [likelihood.of[each.query, each.best(weights)] for each in features]
                means[task][weights] = float(np.average(scores, weights=lengths[task]))
        best = {task: max(candidates[task], key=of.__getitem__) for task, of in means.items()}
        candidates = {task: [(a, m) for m in MENTIONS_WEIGHTS] for task, (a, _) in best.items()}
    return {
        "queries": len(queries),
        "agreement": {str(task): a for task, (a, _) in best.items()},
        "mentions": {str(task): m for task, (_, m) in best.items()},
        "likelihood": {
            str(task): {f"{a} {m}": round(mean, 4) for (a, m), mean in of.items()}
            for task, of in means.items()
        },
    }


class _Likelihood:
    """Likelihoods of gold outputs; each prompt is scored once, and kept in a file."""

    def __init__(self, pools: Pools, tokenise: Tokenise, scorer: Scorer, file: Path) -> None:
        self._pools, self._tokenise, self._scorer = pools, tokenise, scorer
        self._file = file
        self.of: dict[tuple[int, tuple[int, ...]], float] = {}
        """By the row of the query and those of its demonstrations, best first."""
        for query, rows, score in read_rows(file):
            self.of[query, tuple(rows)] = score

    def answer_lengths(self, queries: Iterable[QueryFeatures]) -> list[int]:
        """The number of tokens of each query's gold output."""
        tokenised = self._tokenise([conversation(self._pools, q.query, ()) for q in queries])
        return [len(each.answer) for each in tokenised]

    def score(
        self, prompts: Iterable[tuple[int, tuple[int, ...]]], progress: Progress, round_number: int
    ) -> None:
        """Add the scores of prompts, given like the keys of `of`. round_number: 0 or 1 of two."""
        left = sorted(set(prompts) - self.of.keys())
        for start in range(0, len(left), SAVE_EVERY):
            batch = left[start : start + SAVE_EVERY]
            tokenised = self._tokenise([conversation(self._pools, *each) for each in batch])
            scores = [round(score, 5) for score in self._scorer.score(tokenised)]
            append_rows(
                self._file, [[*each, score] for each, score in zip(batch, scores, strict=True)]
            )
            self.of.update(zip(batch, scores, strict=True))
            done = start + len(batch)
            note = f"{done:,} of {len(left):,} prompts in round {round_number + 1} of 2"
            progress(round_number + done / len(left), 2, "", note)


def query_features(
    pools: Pools, queries: Sequence[int], encoder: BaseEncoder
) -> list[QueryFeatures]:
    """The features of the demonstrations nearest to each query, pool by pool."""
    members = pools.members()
    by_pool: dict[int, list[int]] = {}
    for query in queries:
        by_pool.setdefault(pools.pool_of[query], []).append(query)
    return [
        features
        for pool, own_queries in by_pool.items()
        for features in _features_in_pool(pools, members[pool], own_queries, encoder)
    ]


def _features_in_pool(
    pools: Pools, rows: Sequence[int], queries: Sequence[int], encoder: BaseEncoder
) -> Iterator[QueryFeatures]:
    examples = [pools.examples[row] for row in rows]
    texts = [retrieval_text(each) for each in examples]
    query_texts = [encoder.query_prefix + text for text in texts]
    passages = [
        encoder.passage_prefix + passage_text(each, keywords=encoder.keywords) for each in examples
    ]
    vectors = torch_vectors(encoder, passages)
    same = passages == query_texts
    query_vectors = vectors if same else torch_vectors(encoder, query_texts)
    tokens = encoder.tokenizer(texts, add_special_tokens=False)["input_ids"]
    types = type_table(examples, sorted({item.type for each in examples for item in each.items}))
    probabilities = fit(query_vectors, tokens, types).held_out
    keys = np.array([text_key(each.text) for each in examples])
    spans = [
        [text_key(span.text) for item in each.items for span in item.spans] for each in examples
    ]
    for index in map(list(rows).index, queries):
        similarity = vectors @ query_vectors[index]
        order = np.argsort(-similarity, kind="stable")
        nearest = order[keys[order] != keys[index]][: RerankWeights().depth]
        yield QueryFeatures(
            task=examples[index].task,
            query=rows[index],
            rows=tuple(rows[i] for i in nearest),
            similarity=similarity[nearest],
            agreement=expected_agreement(probabilities[index], types[nearest]),
            mentions=mentions((spans[i] for i in nearest), str(keys[index])),
        )
