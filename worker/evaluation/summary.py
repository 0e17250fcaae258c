"""From predictions to figures: scores with intervals, differences, tokens, cost, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ruie.bootstrap import Interval, Reals, interval, resampled_f1
from ruie.evaluation import Evaluation, totals
from ruie.records import Task
from ruie.scoring import Score
from ruie.worker.evaluation.run import Part
from ruie.worker.prices import Price, cost_nusd


@dataclass(frozen=True, slots=True)
class Difference:
    """F1 minus that of the best other retriever, with the paired interval."""

    to: str
    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one corpus, task and retriever."""

    corpus: str
    retriever: str
    sentences: int
    """Sentences with a query, the unit of the intervals."""
    evaluation: Evaluation
    interval: Interval
    """Of F1 by strings."""
    difference: Difference | None
    """None where there is no other retriever."""
    cost_usd: float | None
    """None where no price is known."""

    @property
    def f1(self) -> float:
        return self.evaluation.strings.f1


def summary(parts: Sequence[Part], price: Price | None, seed: int = 0) -> list[Line]:
    """A line for each corpus, task and retriever, in that order; retrievers in their own order."""
    lines = []
    for corpus in dict.fromkeys(part.corpus for part in parts):
        own = [part for part in parts if part.corpus == corpus]
        sums = {part.retriever: totals(part.predictions) for part in own}
        for task in Task:
            scores = {p.retriever: _by_sentence(p, task) for p in own if task in sums[p.retriever]}
            draws = {name: resampled_f1(each, seed=seed) for name, each in scores.items()}
            f1 = {name: sums[name][task].strings.f1 for name in scores}
            lines += [
                Line(
                    corpus,
                    name,
                    sentences=len(each),
                    evaluation=sums[name][task],
                    interval=interval(draws[name]),
                    difference=_difference(name, f1, draws),
                    cost_usd=_cost(sums[name][task], price),
                )
                for name, each in scores.items()
            ]
    return lines


def _by_sentence(part: Part, task: Task) -> list[Score]:
    """The counts of each sentence with a query of the task, in the order of the corpus."""
    counts: dict[int, Score] = {}
    for one in part.predictions:
        if one.gold.query.task is task:
            counts[one.gold.row] = counts.get(one.gold.row, Score()) + one.strings
    return [counts[row] for row in sorted(counts)]


def _difference(name: str, f1: dict[str, float], draws: dict[str, Reals]) -> Difference | None:
    others = [other for other in f1 if other != name]
    if not others:
        return None
    best = max(others, key=lambda other: f1[other])
    paired = np.subtract(draws[name], draws[best])
    return Difference(best, f1[name] - f1[best], interval(paired))


def _cost(sums: Evaluation, price: Price | None) -> float | None:
    if price is None:
        return None
    return cost_nusd(price, sums.prompt_tokens, sums.completion_tokens) / 1e9
