"""Groups to learn from: a query with one of its best candidates and some of its worst."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from ruie.exporter.training.candidates import NONE, Rows
from ruie.exporter.training.config import TrainerConfig
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Scores


@dataclass(frozen=True)
class Ranking:
    """One query and its candidates with their scores, best first."""

    query: int
    candidates: tuple[int, ...]
    scores: tuple[float, ...]


def rankings(pools: Pools, candidates: Rows, scores: Scores) -> list[Ranking]:
    """One a query that has at least two scored candidates. candidates, scores: (queries, any)."""
    found = []
    for query, row, told in zip(pools.queries, candidates, scores, strict=True):
        known = [
            (float(score), int(other))
            for other, score in zip(row, told, strict=True)
            if other != NONE and not np.isnan(score)
        ]
        if len(known) > 1:
            known.sort(key=lambda scored: (-scored[0], scored[1]))
            others, values = tuple(o for _, o in known), tuple(s for s, _ in known)
            found.append(Ranking(query, others, values))
    return found


def split(ranked: list[Ranking], share: float, seed: int) -> tuple[list[Ranking], list[Ranking]]:
    """Those to train on and those held out, by query: the same for every stage of a run."""
    held = [r for r in ranked if random.Random(f"{seed} {r.query}").random() < share]
    kept = {r.query for r in held}
    return [r for r in ranked if r.query not in kept], held


def draw(
    pools: Pools, ranking: Ranking, config: TrainerConfig, rng: random.Random
) -> tuple[list[int], list[float]]:
    """One positive of the best and `negatives` of the worst, with their scores, the positive first.

    Negatives with the query's own answer are left out while there are others; where a query has
    too few candidates, its worst are drawn more than once.
    """
    many = len(ranking.candidates)
    best = min(config.positives_of, max(1, many // 2))
    positive = rng.randrange(best)
    worst = list(range(max(best, many - config.negatives_of), many))
    own = pools.answers[ranking.query]
    differing = [i for i in worst if pools.answers[ranking.candidates[i]] != own] or worst
    if len(differing) >= config.negatives:
        negatives = rng.sample(differing, config.negatives)
    else:
        negatives = rng.choices(differing, k=config.negatives)
    places = [positive, *negatives]
    return [ranking.candidates[i] for i in places], [ranking.scores[i] for i in places]
