"""In which order the most similar demonstrations are shown: by what helped the LLM.

Similarity finds sentences that speak of the same things. An LLM also profits from demonstrations
whose answers have the types of the query's own answer; those are not known, but the query's nearest
demonstrations tell what they are likely to be. The score of demonstration d for query q is

    cos(q, d) + w · A(q, d)

with A the expected Jaccard index of the types of d and of the query's unknown answer, as its
nearest neighbours n estimate it: the mean of J(n, d), weighted by softmax(cos(q, n) / temperature).
w is learned for each task (exporter/training/ranking.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ruie.records import Task

Floats = npt.NDArray[np.float32]


class Ranking(BaseModel):
    """What agreement weighs, and how many demonstrations are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agreement: dict[Task, float]
    """w of each task; 0 where none is given."""
    temperature: float = Field(default=0.1, gt=0)
    neighbours: int = Field(default=32, ge=1)
    """Of them the query's types are estimated."""
    among: int = Field(default=100, ge=1)
    """So many most similar demonstrations are put in order."""

    def scores(self, task: Task, similarities: Floats, types: Floats) -> Floats:
        """One score a demonstration: float32 (N,). The arguments are those of `expected`."""
        weight = self.agreement.get(task, 0.0)
        return similarities + np.float32(weight) * self.expected(similarities, types)

    def expected(self, similarities: Floats, types: Floats) -> Floats:
        """A, the expected agreement of each demonstration with the query: float32 (N,).

        similarities: (N,), the highest first. types: (N, T), 1 where a demonstration's answer has
        the type.
        """
        near = similarities[: self.neighbours]
        weights = np.exp((near - similarities[:1]) / self.temperature)
        found: Floats = jaccard(types, types[: self.neighbours]) @ (weights / weights.sum())
        return found.astype(np.float32)


def jaccard(some: Floats, others: Floats) -> Floats:
    """The Jaccard index of each of `some` (N, T) with each of `others` (M, T): (N, M). Two empty
    sets are alike: 1."""
    both = some @ others.T
    either = some.sum(1)[:, None] + others.sum(1)[None, :] - both
    found: Floats = np.where(either > 0, both / np.maximum(either, 1), 1).astype(np.float32)
    return found
