"""The order of what was found: against plain loops over sets."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from ruie.bundle.ranking import Floats, Ranking, jaccard
from ruie.records import Task


def _of(some: set[int], others: set[int]) -> float:
    return len(some & others) / len(some | others) if some | others else 1.0


def _naive(similar: list[float], types: list[set[int]], by: Ranking, weight: float) -> list[float]:
    near = list(range(min(len(similar), by.neighbours)))
    weights = [math.exp(similar[n] / by.temperature) for n in near]
    found = []
    for own, likeness in zip(types, similar, strict=True):
        told = sum(w * _of(types[n], own) for n, w in zip(near, weights, strict=True))
        found.append(likeness + weight * told / sum(weights))
    return found


def _drawn(rng: random.Random, many: int) -> tuple[list[float], list[set[int]], Floats]:
    similar = sorted((rng.uniform(-0.2, 1) for _ in range(many)), reverse=True)
    types = [set(rng.sample(range(6), rng.randrange(4))) for _ in range(many)]
    table = [[float(kind in each) for kind in range(6)] for each in types]
    return similar, types, np.array(table, dtype=np.float32)


@pytest.mark.parametrize("many", [1, 5, 60])
@pytest.mark.parametrize("neighbours", [1, 32])
def test_scores_equal_a_plain_loop(many: int, neighbours: int) -> None:
    ranking = Ranking(agreement={Task.NER: 0.7, Task.RE: 2.0}, neighbours=neighbours)
    similar, types, table = _drawn(random.Random(many), many)
    for task, weight in ((Task.NER, 0.7), (Task.RE, 2.0), (Task.ED, 0.0)):
        scores = ranking.scores(task, np.array(similar, dtype=np.float32), table)
        assert scores.tolist() == pytest.approx(_naive(similar, types, ranking, weight), abs=1e-5)


def test_types_that_the_neighbours_agree_on_come_first() -> None:
    """The most similar one is alone with its type; the three after it share theirs."""
    similar = np.array([0.80, 0.79, 0.78, 0.77], dtype=np.float32)
    types = np.array([[1, 0], [0, 1], [0, 1], [0, 1]], dtype=np.float32)
    scores = Ranking(agreement={Task.NER: 1}).scores(Task.NER, similar, types)
    assert np.argsort(-scores).tolist() == [1, 2, 3, 0]


def test_two_empty_answers_agree() -> None:
    empty, full = np.zeros((1, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32)
    assert jaccard(empty, empty).tolist() == [[1.0]]
    assert jaccard(empty, full).tolist() == [[0.0]]
    nothing = np.zeros((2, 0), dtype=np.float32)
    assert jaccard(nothing, nothing).tolist() == [[1.0, 1.0]] * 2
