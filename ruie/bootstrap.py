"""Confidence intervals of F1: the percentile bootstrap over sentences.

Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: draw as many sentences as
there are, with replacement, compute F1 = 2 · matched / (gold + predicted) of the drawn ones, and do
so many times; the middle 95 % of these values is the interval. A sentence is drawn whole, with
all of its queries: their results are not independent.

Two retrievers that answered the same sentences are compared pairwise (Koehn, "Statistical
Significance Tests for Machine Translation Evaluation", 2004): each draw gives the difference of
their F1 on the same sentences, and the interval is that of the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ruie.scoring import Score

RESAMPLES = 2000
LEVEL = 0.95
MAX_DRAWS = 4_000_000
"""Drawn sentences held in memory at a time."""

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """From the 2.5th to the 97.5th percentile."""

    low: float
    high: float


def resampled_f1(scores: Sequence[Score], *, seed: int = 0, resamples: int = RESAMPLES) -> Reals:
    """F1 of each resample of the sentences: float64, shape (resamples,).

    scores: one for each sentence. The same seed and number of sentences give the same draws, so
    that the differences of two such arrays are paired.
    """
    counts = np.array([(s.gold, s.predicted, s.matched) for s in scores], dtype=np.int64)
    draws = np.random.default_rng(seed)
    size = len(scores)
    sums = np.zeros((resamples, 3), dtype=np.int64)
    step = max(1, MAX_DRAWS // max(1, size))
    for start in range(0, resamples if size else 0, step):
        stop = min(start + step, resamples)
        drawn = draws.integers(size, size=(stop - start, size))
        sums[start:stop] = _draw_counts(drawn, size) @ counts
    total = sums[:, 0] + sums[:, 1]
    f1: Reals = 2 * sums[:, 2] / np.maximum(total, 1)  # 0 where there is no item at all
    return f1


def _draw_counts(drawn: Counts, size: int) -> Counts:
    """How often each sentence was drawn: int64, shape (resamples, size)."""
    resamples = len(drawn)
    flat = (drawn + np.arange(resamples)[:, None] * size).ravel()
    return np.bincount(flat, minlength=resamples * size).reshape(resamples, size)


def interval(values: Reals) -> Interval:
    """The middle 95 %."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high))
