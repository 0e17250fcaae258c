"""How well a model ranks the candidates of queries that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruie.exporter.training.groups import ScoredCandidates

K = 8
"""Demonstrations in a prompt."""


def ranking_metrics(
    ranked: Sequence[ScoredCandidates], scores: Sequence[Sequence[float]]
) -> dict[str, float]:
    """Compare a model's scores with those of the LLM; empty without queries.

    scores[i][j] is the model's score of the j-th candidate of ranked[i]; the first candidate is the
    LLM's best.

    accuracy_at_1: how often the model ranks the LLM's best first. mrr: the mean reciprocal of the
    rank that the model gives it. gain_at_8: the LLM's mean score of the model's first eight, minus
    its mean score of all, in the LLM's unit.
    """
    if not ranked:
        return {}
    first, reciprocal, gain = [], [], []
    for reference, own_scores in zip(ranked, scores, strict=True):
        values = np.asarray(own_scores)
        better = int((values > values[0]).sum())
        first.append(better == 0)
        reciprocal.append(1 / (1 + better))
        llm = np.asarray(reference.scores)
        gain.append(float(llm[np.argsort(-values, kind="stable")[:K]].mean() - llm.mean()))
    return {
        "accuracy_at_1": round(float(np.mean(first)), 4),
        "mrr": round(float(np.mean(reciprocal)), 4),
        "gain_at_8": round(float(np.mean(gain)), 4),
    }
