"""Stage 5: how the most similar demonstrations are put in order (`ruie.bundle.ranking`).

The weight of agreement is learned from whole prompts: of some weights, the one with whose eight
demonstrations the LLM finds the gold outputs likeliest. Preferences for single demonstrations would
not do: they overrate agreement, for with eight demonstrations the types are soon known, while each
similar sentence tells more. The queries were not trained on, so the encoder's similarities are what
they will be at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from exporter.parity import torch_vectors
from exporter.source import Source
from exporter.training.groups import Ranking as Ranked
from exporter.training.measures import K
from exporter.training.pools import Pools
from exporter.training.preference import Prompted, Scorer, Tokenise
from exporter.training.stages import Figures
from ruie import prompts
from ruie.bundle.ranking import Ranking
from ruie.bundle.retrieval import passage_text, retrieval_text, text_key
from ruie.records import Task

Floats = npt.NDArray[np.float32]
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
STEP = 64
"""Prompts scored between two steps of the progress bar."""


def learn_ranking(
    pools: Pools,
    held_out: Sequence[Ranked],
    source: Source,
    tokenise: Tokenise,
    scorer: Scorer,
    progress: Callable[[float], None],
) -> Figures:
    """Choose a weight for each task, on queries that no model was trained on.

    source: the trained encoder. Gives the weights, under "agreement", and under "likelihood" the
    mean log-likelihood of a gold output's tokens with each weight, in nats.
    """
    shown = demonstrations(pools, [ranked.query for ranked in held_out], source)
    wanted = sorted({(query, rows) for query, orders in shown.items() for rows in orders})
    known: dict[tuple[int, tuple[int, ...]], float] = {}
    for at in range(0, len(wanted), STEP):
        some = wanted[at : at + STEP]
        prompted = [_prompted(pools, query, rows, tokenise) for query, rows in some]
        known.update(zip(some, scorer.score(prompted), strict=True))
        progress(len(known) / len(wanted))
    by_task: dict[Task, list[list[float]]] = {}
    for query, orders in shown.items():
        row = [known[query, rows] for rows in orders]
        by_task.setdefault(pools.examples[query].task, []).append(row)
    means = {task: np.mean(rows, axis=0) for task, rows in by_task.items()}
    return {
        "queries": len(shown),
        "agreement": {str(task): WEIGHTS[int(mean.argmax())] for task, mean in means.items()},
        "likelihood": {
            str(task): dict(zip(map(str, WEIGHTS), np.round(mean, 4).tolist(), strict=True))
            for task, mean in means.items()
        },
    }


def demonstrations(
    pools: Pools, queries: Sequence[int], source: Source
) -> dict[int, list[tuple[int, ...]]]:
    """For each query the rows that each of `WEIGHTS` would show, the best first."""
    members = pools.members()
    asked: dict[int, list[int]] = {}
    for query in queries:
        asked.setdefault(pools.pool_of[query], []).append(query)
    return {
        query: orders
        for pool, asking in asked.items()
        for query, orders in _Pool(pools, members[pool], source).orders(asking).items()
    }


def _prompted(
    pools: Pools,
    query: int,
    rows: Sequence[int],
    tokenise: Tokenise,
) -> Prompted:
    prompt = prompts.build(pools.query(query), [pools.examples[row] for row in rows])
    return tokenise(prompt.messages, pools.answer(query))


class _Pool:
    """One pool's answers and vectors."""

    def __init__(self, pools: Pools, rows: Sequence[int], source: Source) -> None:
        self._rows, self._source = rows, source
        self._examples = [pools.examples[row] for row in rows]
        texts = [passage_text(each, keywords=source.keywords) for each in self._examples]
        self._vectors = torch_vectors(source, [source.passage_prefix + text for text in texts])
        self._keys = np.array([text_key(example.text) for example in self._examples])
        names = sorted({item.type for example in self._examples for item in example.items})
        column = {name: index for index, name in enumerate(names)}
        self._types = np.zeros((len(rows), len(names)), dtype=np.float32)
        for place, example in enumerate(self._examples):
            self._types[place, [column[item.type] for item in example.items]] = 1

    def orders(self, asking: Sequence[int]) -> dict[int, list[tuple[int, ...]]]:
        place = {row: index for index, row in enumerate(self._rows)}
        own = [place[row] for row in asking]
        prefix = self._source.query_prefix
        queries = [prefix + retrieval_text(self._examples[index]) for index in own]
        vectors = torch_vectors(self._source, queries)
        return {
            row: self._orders(self._vectors @ vector, self._keys[index])
            for row, index, vector in zip(asking, own, vectors, strict=True)
        }

    def _orders(self, similar: Floats, own: str) -> list[tuple[int, ...]]:
        near = [i for i in np.argsort(-similar, kind="stable").tolist() if self._keys[i] != own]
        near = near[: Ranking(agreement={}).among]
        task = self._examples[0].task
        found = []
        for weight in WEIGHTS:
            ranking = Ranking(agreement={task: weight})
            scores = ranking.scores(task, similar[near], self._types[near])
            best = np.argsort(-scores, kind="stable")[:K].tolist()
            found.append(tuple(self._rows[near[i]] for i in best))
        return found
