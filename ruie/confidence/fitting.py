"""Fits the regressions to records of which it is known whether they are right.

Each is the maximum a posteriori of a logistic regression whose prior is the model that it begins
with: with few records it stays near that one. Newton's method (Bishop, Pattern Recognition and
Machine Learning, 2006, section 4.3.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ruie.confidence.judged import Judged
from ruie.confidence.model import WITHOUT, ConfidenceModel, Regression, features, included

PRIOR_RECORDS = 4.0
"""The prior weighs as much as about so many records."""
STEPS = 200
ENOUGH = 1e-8
SLOPE = 1e-4
"""A step is halved until it makes the function less by at least so much of what its slope promises
(Nocedal and Wright, Numerical Optimization, 2006, section 3.1)."""
FOLDS = 5

Floats = npt.NDArray[np.float64]


def fit(judged: Sequence[Judged], prior: ConfidenceModel | None = None) -> ConfidenceModel:
    """The model for records like these; what there are none of stays as in the prior. Records whose
    tokens' probabilities are known count in both regressions of their task."""
    prior = prior or included()
    fitted = dict(prior.regressions)
    for (task, kind), begin in prior.regressions.items():
        some = [each for each in judged if each.task is task]
        if kind != WITHOUT:
            some = [each for each in some if each.signals.log_probability is not None]
        if some:
            x = np.array([features(each.signals, kind) for each in some])
            fitted[task, kind] = _regression(x, np.array([each.right for each in some]), begin)
    return ConfidenceModel(fitted)


def held_out(judged: Sequence[Judged], prior: ConfidenceModel | None = None) -> list[float]:
    """The confidence of each record by a model that was fitted to records of other groups."""
    groups = sorted({each.group for each in judged})
    fold = {group: number % FOLDS for number, group in enumerate(groups)}
    confidences = [0.0] * len(judged)
    for number in range(FOLDS):
        model = fit([each for each in judged if fold[each.group] != number], prior)
        for at, each in enumerate(judged):
            if fold[each.group] == number:
                confidences[at] = model.confidence(each.task, each.signals)
    return confidences


def _regression(x: Floats, right: npt.NDArray[np.bool_], begin: Regression) -> Regression:
    """x: shape (records, weights); right: shape (records,). The function is convex, and no step
    makes it greater: so it ends at its least."""
    mean = np.array(begin)
    scale = np.sqrt((x**2).mean(axis=0)) + 0.1
    precision = PRIOR_RECORDS / 4 * scale**2  # a record's weight is at most a quarter

    def loss(weights: Floats) -> float:
        z = x @ weights
        off = weights - mean
        return float((np.logaddexp(0.0, z) - right * z).sum() + (precision * off**2).sum() / 2)

    weights, least = mean.copy(), loss(mean)
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -40, 40)))
        gradient = x.T @ (p - right) + precision * (weights - mean)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        downhill = float(gradient @ step)
        part = 1.0
        while (now := loss(weights - part * step)) > least - SLOPE * part * downhill:
            part /= 2
            if part < ENOUGH:
                break
        if part < ENOUGH:
            break
        weights, least = weights - part * step, now
        if np.abs(step * scale).max() < ENOUGH:
            break
    return tuple(round(float(each), 6) for each in weights)
