"""Groups to train on: a query with one of its best candidates and some of its worst."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ruie.exporter.training.candidates import NONE, Rows
from ruie.exporter.training.config import TrainerConfig
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.preference import Scores


@dataclass(frozen=True)
class ScoredCandidates:
    """A query and its candidates (rows of `Pools.examples`) with their scores, best first."""

    query: int
    candidates: tuple[int, ...]
    scores: tuple[float, ...]


def scored_candidates(pools: Pools, candidates: Rows, scores: Scores) -> list[ScoredCandidates]:
    """One for each query with at least two scored candidates.

    candidates: int32, scores: float32; both (queries, n), with `NONE` or NaN where there is none.
    """
    ranked = []
    for query, row, row_scores in zip(pools.queries, candidates, scores, strict=True):
        scored = [
            (float(score), int(candidate))
            for candidate, score in zip(row, row_scores, strict=True)
            if candidate != NONE and not np.isnan(score)
        ]
        if len(scored) > 1:
            scored.sort(key=lambda pair: (-pair[0], pair[1]))
            ranked.append(
                ScoredCandidates(query, tuple(c for _, c in scored), tuple(s for s, _ in scored))
            )
    return ranked


def split_held_out(
    ranked: Sequence[ScoredCandidates], share: float, seed: int
) -> tuple[list[ScoredCandidates], list[ScoredCandidates]]:
    """Those to train on, and about `share` of them held out: the same queries in every stage."""
    held_out = [r for r in ranked if random.Random(f"{seed} {r.query}").random() < share]
    queries = {r.query for r in held_out}
    return [r for r in ranked if r.query not in queries], held_out


def draw_group(
    pools: Pools, ranked: ScoredCandidates, config: TrainerConfig, rng: random.Random
) -> tuple[list[int], list[float]]:
    """A positive from the best candidates and `negatives` from the worst: rows and scores, the
    positive first.

    Negatives with the query's own answer are left out while there are others. If a query has too
    few candidates, its worst are drawn more than once.
    """
    count = len(ranked.candidates)
    best = min(config.positive_top_k, max(1, count // 2))
    positive = rng.randrange(best)
    worst = list(range(max(best, count - config.negative_bottom_k), count))
    own = pools.answer_ids[ranked.query]
    differing = [i for i in worst if pools.answer_ids[ranked.candidates[i]] != own] or worst
    if len(differing) >= config.negatives:
        negatives = rng.sample(differing, config.negatives)
    else:
        negatives = rng.choices(differing, k=config.negatives)
    group = [positive, *negatives]
    return [ranked.candidates[i] for i in group], [ranked.scores[i] for i in group]
