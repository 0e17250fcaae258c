"""Stage 5: how the most similar demonstrations are put in order (`ruie.bundle.ranking`).

The weights of agreement and of mentions are learned from whole prompts: those with whose eight
demonstrations the LLM finds the gold outputs likeliest. Preferences for single demonstrations would
not do: they overrate agreement, for with eight demonstrations the types are soon known, while each
similar sentence tells more. Each output counts by its tokens, as F1 counts its items: else outputs
of one token, such as that there is nothing to find, decide. No model was trained on the queries,
and what their answers' types are thought to be is left-one-out: both are then what they will be at
run time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ruie import prompts
from ruie.bundle.ranking import Ranking, expected_agreement, mentions
from ruie.bundle.retrieval import passage_text, retrieval_text, text_key
from ruie.bundle.type_model import Floats
from ruie.exporter.base_encoder import Source
from ruie.exporter.parity import torch_vectors
from ruie.exporter.training.metrics import K
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Conversation, Scorer, Tokenise
from ruie.exporter.training.stages import Figures, append, stored
from ruie.exporter.type_model import fit, type_table
from ruie.records import Task

AGREEMENT = (0.0, 0.5, 1.0, 2.0)
MENTIONS = (0.0, 0.1, 0.2, 0.4)
FIRST = 0.2
"""Of mentions, while agreement's weight is looked for."""
SCORES = "scores.jsonl"
STEP = 64
"""Prompts scored between two writes: what a kill costs at most."""

Weights = tuple[float, float]
"""Of agreement and of mentions."""
Told = Callable[[float], None]


@dataclass(frozen=True)
class Asked:
    """A query, and what is known of the demonstrations most similar to it: (N,) each."""

    query: int
    rows: tuple[int, ...]
    similar: Floats
    agreement: Floats
    mentions: Floats

    def shown(self, weights: Weights) -> tuple[int, ...]:
        """The rows of the prompt, the best first."""
        scores = self.similar + weights[0] * self.agreement + weights[1] * self.mentions
        return tuple(self.rows[i] for i in np.argsort(-scores, kind="stable")[:K])


def sample(pools: Pools, queries: Iterable[int], count: int, seed: int) -> list[int]:
    """At most `count` of the queries of each task, by chance, ascending."""
    by_task: dict[Task, list[int]] = {}
    for query in queries:
        by_task.setdefault(pools.examples[query].task, []).append(query)
    drawn = random.Random(f"{seed} ranking")
    return sorted(
        query
        for _, each in sorted(by_task.items())
        for query in drawn.sample(each, min(count, len(each)))
    )


def learn_ranking(
    pools: Pools,
    queries: Sequence[int],
    source: Source,
    tokenise: Tokenise,
    scorer: Scorer,
    folder: Path,
    progress: Told,
) -> Figures:
    """Choose the weights of each task, agreement's first. Goes on where a killed run stopped.

    source: the encoder as it will be exported. folder: where scores are kept. Gives, by task, the
    weights under "agreement" and "mentions", and under "likelihood" the mean log-likelihood of all
    gold outputs' tokens with each pair of weights that was tried, in nats.
    """
    by_task: dict[Task, list[Asked]] = {}
    for each in look(pools, queries, source):
        by_task.setdefault(pools.examples[each.query].task, []).append(each)
    likelihood = _Likelihood(pools, tokenise, scorer, folder / SCORES)
    tokens = {task: likelihood.tokens(asked) for task, asked in by_task.items()}
    found: dict[Task, dict[Weights, float]] = {task: {} for task in by_task}
    tries = {task: [(a, FIRST) for a in AGREEMENT] for task in by_task}
    for begun in (0.0, 0.5):
        wanted = [
            (each.query, each.shown(pair))
            for task, asked in by_task.items()
            for each in asked
            for pair in tries[task]
        ]
        likelihood.score(wanted, partial(_half, progress, begun))
        for task, asked in by_task.items():
            for pair in tries[task]:
                told = [likelihood.known[each.query, each.shown(pair)] for each in asked]
                found[task][pair] = float(np.average(told, weights=tokens[task]))
        best = {task: max(tries[task], key=means.__getitem__) for task, means in found.items()}
        tries = {task: [(a, m) for m in MENTIONS] for task, (a, _) in best.items()}
    return {
        "queries": len(queries),
        "agreement": {str(task): a for task, (a, _) in best.items()},
        "mentions": {str(task): m for task, (_, m) in best.items()},
        "likelihood": {
            str(task): {f"{a} {m}": round(mean, 4) for (a, m), mean in means.items()}
            for task, means in found.items()
        },
    }


def _half(progress: Told, begun: float, share: float) -> None:
    progress(begun + share / 2)


class _Likelihood:
    """Of the gold output after a prompt with certain demonstrations; each is scored once."""

    def __init__(self, pools: Pools, tokenise: Tokenise, scorer: Scorer, file: Path) -> None:
        self._pools, self._tokenise, self._scorer = pools, tokenise, scorer
        self._file = file
        self.known: dict[tuple[int, tuple[int, ...]], float] = {}
        for query, rows, score in stored(file):
            self.known[query, tuple(rows)] = score

    def tokens(self, asked: Iterable[Asked]) -> list[int]:
        """How many the gold output of each query has."""
        prompted = self._tokenise([self._conversation(each.query, ()) for each in asked])
        return [len(each.answer) for each in prompted]

    def score(self, wanted: Iterable[tuple[int, tuple[int, ...]]], progress: Told) -> None:
        """wanted: the row of the query and those of its demonstrations, the best first."""
        left = sorted(set(wanted) - self.known.keys())
        for at in range(0, len(left), STEP):
            some = left[at : at + STEP]
            asked = self._tokenise([self._conversation(*each) for each in some])
            scores = self._scorer.score(asked)
            told = dict(zip(some, (round(score, 5) for score in scores), strict=True))
            append(self._file, [[*each, score] for each, score in told.items()])
            self.known |= told
            progress((at + len(some)) / len(left))

    def _conversation(self, query: int, rows: Sequence[int]) -> Conversation:
        shown = [self._pools.examples[row] for row in rows]
        prompt = prompts.build(self._pools.query(query), shown)
        return prompt.messages, self._pools.answer(query)


def look(pools: Pools, queries: Sequence[int], source: Source) -> list[Asked]:
    """What the ranking knows of each query."""
    members = pools.members()
    asked: dict[int, list[int]] = {}
    for query in queries:
        asked.setdefault(pools.pool_of[query], []).append(query)
    return [
        each
        for pool, asking in asked.items()
        for each in _look(pools, members[pool], asking, source)
    ]


def _look(
    pools: Pools, rows: Sequence[int], asking: Sequence[int], source: Source
) -> Iterator[Asked]:
    """Of the queries of one pool."""
    examples = [pools.examples[row] for row in rows]
    plain = [retrieval_text(each) for each in examples]
    asking_texts = [source.query_prefix + text for text in plain]
    passages = [
        source.passage_prefix + passage_text(each, keywords=source.keywords) for each in examples
    ]
    vectors = torch_vectors(source, passages)
    own = vectors if passages == asking_texts else torch_vectors(source, asking_texts)
    tokens = source.tokenizer(plain, add_special_tokens=False)["input_ids"]
    types = type_table(examples, sorted({item.type for each in examples for item in each.items}))
    unseen = fit(own, tokens, types).unseen
    keys = np.array([text_key(each.text) for each in examples])
    spans = [
        [text_key(span.text) for item in each.items for span in item.spans] for each in examples
    ]
    for index in map(list(rows).index, asking):
        similar = vectors @ own[index]
        order = np.argsort(-similar, kind="stable")
        near = order[keys[order] != keys[index]][: Ranking().among]
        yield Asked(
            query=rows[index],
            rows=tuple(rows[i] for i in near),
            similar=similar[near],
            agreement=expected_agreement(unseen[index], types[near]),
            mentions=mentions((spans[i] for i in near), str(keys[index])),
        )
