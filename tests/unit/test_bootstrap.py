"""Bootstrap intervals against a naive loop, and what they must be in simple cases."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ruie import bootstrap
from ruie.bootstrap import interval, resampled_f1
from ruie.scoring import Score


def some_scores(count: int, seed: int = 1) -> list[Score]:
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        gold, predicted = draw.randrange(4), draw.randrange(4)
        made.append(Score(gold, predicted, draw.randint(0, min(gold, predicted))))
    return made


def naive(scores: list[Score], seed: int, resamples: int) -> list[float]:
    """One resample after the other, one sentence after the other."""
    draws = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        total = Score()
        for place in draws.integers(len(scores), size=len(scores)):
            total += scores[int(place)]
        found.append(total.f1)
    return found


@pytest.mark.parametrize("max_draws", [1, 100, 10**6])
def test_resamples_equal_a_naive_loop(monkeypatch: pytest.MonkeyPatch, max_draws: int) -> None:
    """However many are computed at a time."""
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", max_draws)
    scores = some_scores(17)
    found = resampled_f1(scores, seed=3, resamples=200)
    assert found == pytest.approx(naive(scores, 3, 200))


def test_the_interval_is_the_middle_of_the_sorted_values() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1001) / 1000)
    assert interval(values) == pytest.approx((0.025, 0.975))


def test_the_interval_covers_the_figure_and_narrows_with_more_sentences() -> None:
    few, many = (interval(resampled_f1(some_scores(count))) for count in (20, 2000))
    total = sum(some_scores(2000), Score())
    assert many.low < total.f1 < many.high
    assert 0 < many.high - many.low < few.high - few.low


@pytest.mark.parametrize(
    ("scores", "f1"),
    [([], 0.0), ([Score()] * 3, 0.0), ([Score(2, 2, 2)] * 3, 1.0), ([Score(1, 1, 1)], 1.0)],
)
def test_without_spread_there_is_one_value(scores: list[Score], f1: float) -> None:
    found = resampled_f1(scores)
    assert found.shape == (bootstrap.RESAMPLES,)
    assert interval(found) == (f1, f1)


def test_differences_are_paired() -> None:
    """Equal answers differ by nothing in every draw; by other draws they would."""
    scores = some_scores(30)
    difference = resampled_f1(scores, seed=5) - resampled_f1(scores, seed=5)
    assert interval(difference) == (0, 0)
    unpaired = resampled_f1(scores, seed=5) - resampled_f1(scores, seed=6)
    assert interval(unpaired).low < 0 < interval(unpaired).high


def test_the_seed_decides() -> None:
    scores = some_scores(30)
    assert (resampled_f1(scores, seed=1) == resampled_f1(scores, seed=1)).all()
    assert (resampled_f1(scores, seed=1) != resampled_f1(scores, seed=2)).any()
