"""How well a model orders the candidates of queries that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruie.exporter.training.groups import Ranking

K = 8
"""Demonstrations of a prompt."""


def agreement(ranked: Sequence[Ranking], scores: Sequence[Sequence[float]]) -> dict[str, float]:
    """scores[i][j]: what the model gives the j-th candidate of ranked[i], whose first is the best.

    accuracy_at_1: how often the model's first is that best one. mrr: the mean reciprocal of the
    best one's rank by the model. gain_at_8: the mean score (by the ranking) of the model's first
    eight over the mean of all, in the ranking's unit.
    """
    if not ranked:
        return {}
    first, reciprocal, gain = [], [], []
    for ranking, told in zip(ranked, scores, strict=True):
        values = np.asarray(told)
        place = int((values > values[0]).sum())
        first.append(place == 0)
        reciprocal.append(1 / (1 + place))
        true = np.asarray(ranking.scores)
        gain.append(float(true[np.argsort(-values, kind="stable")[:K]].mean() - true.mean()))
    return {
        "accuracy_at_1": round(float(np.mean(first)), 4),
        "mrr": round(float(np.mean(reciprocal)), 4),
        "gain_at_8": round(float(np.mean(gain)), 4),
    }
