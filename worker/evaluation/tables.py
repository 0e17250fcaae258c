"""The tables of an evaluation, the same on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ruie.bootstrap import Interval
from ruie.mistakes import Mistake
from ruie.worker.evaluation.summary import Line
from ruie.worker.evaluation.trust import Trust

KEYS = ("corpus", "task", "retriever")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a title. The first `keys` columns identify a row."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    keys: int

    def without_repetition(self) -> list[tuple[Any, ...]]:
        """The rows, with keys that repeat those of the row above left empty."""
        rows: list[tuple[Any, ...]] = []
        above: tuple[Any, ...] = ()
        for row in self.rows:
            same = 0
            while same < self.keys - 1 and row[: same + 1] == above[: same + 1]:
                same += 1
            rows.append((*[""] * same, *row[same:]))
            above = row
        return rows


HALF = 0.5
"""A bound on confidences that the tables have."""


def grids(lines: Sequence[Line], trusted: Sequence[Trust] = ()) -> list[Grid]:
    """Scores, their means where there are several, differences where there is more than one
    retriever, mistakes, confidences, tokens and cost."""
    every = [
        _scores(lines), _means(lines), _differences(lines), _mistakes(lines), _trusted(trusted),
        _bounded(trusted), _costs(lines),
    ]  # fmt: skip  # in the order of their tables
    return [grid for grid in every if grid.rows]


def _trusted(trusted: Iterable[Trust]) -> Grid:
    columns = (*KEYS, "items", "right", "with tokens", "error", "error, fitted")
    rows = [
        (*_of(each), each.records, each.right, each.with_tokens, each.error, each.fitted_error)
        for each in trusted
    ]
    return Grid("Confidence", columns, rows, len(KEYS))


def _bounded(trusted: Iterable[Trust]) -> Grid:
    columns = (*KEYS, "at least", "", "items", "P", "R", "F1")
    rows = [
        (
            *_of(each), f"{least:.2f}", "best F1" if least == best.least else "", bound.records,
            bound.precision if bound.records else "–", bound.recall, bound.f1,
        )
        for each in trusted
        for best in (each.best,)
        if best is not None
        for least in sorted({0.0, HALF, best.least})
        for bound in (each.at(least),)
    ]  # fmt: skip  # a row
    return Grid("Records that are at least so confident", columns, rows, len(KEYS) + 1)


def _of(trust: Trust) -> tuple[str, str, str]:
    return trust.corpus, str(trust.task), trust.retriever


def _scores(lines: Iterable[Line]) -> Grid:
    columns = (*KEYS, "P", "R", "F1", "95 %", "F1 offsets")
    rows = [
        (*_keys(line), s.precision, s.recall, s.f1, _interval(line.interval), sums.offsets.f1)
        for line in lines
        for sums in (line.evaluation,)
        for s in (sums.strings,)
    ]
    return Grid("Scores", columns, rows, len(KEYS))


def _means(lines: Sequence[Line]) -> Grid:
    """The mean over corpora and tasks, whatever their sizes."""
    f1: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        sums = line.evaluation
        f1.setdefault(line.retriever, []).append((line.f1, sums.offsets.f1))
    rows: list[tuple[Any, ...]] = [
        (name, fmean(strings for strings, _ in each), fmean(offsets for _, offsets in each))
        for name, each in f1.items()
        if len(each) > 1
    ]
    return Grid("Mean of all", ("retriever", "F1", "F1 offsets"), rows, 1)


def _differences(lines: Iterable[Line]) -> Grid:
    columns = (*KEYS, "other", "difference", "95 %")
    rows = [
        (*_keys(line), d.to, f"{d.value:+.3f}", _interval(d.interval, "+"))
        for line in lines
        for d in (line.difference,)
        if d is not None
    ]
    return Grid("Differences to the best other", columns, rows, len(KEYS) + 1)


def _mistakes(lines: Sequence[Line]) -> Grid:
    """A row for each kind, a column for each retriever."""
    names = tuple(dict.fromkeys(line.retriever for line in lines))
    rows: list[tuple[Any, ...]] = []
    for group in dict.fromkeys(_keys(line)[:2] for line in lines):
        sums = {line.retriever: line.evaluation for line in lines if _keys(line)[:2] == group}
        rows.append((*group, "right", *(sums[name].strings.matched for name in names)))
        for kind in Mistake:
            counts = [sums[name].mistakes[kind] for name in names]
            if any(counts):
                rows.append((*group, kind.replace("_", " "), *counts))
    return Grid("Right and wrong", ("corpus", "task", "items", *names), rows, len(KEYS))


def _costs(lines: Sequence[Line]) -> Grid:
    columns: tuple[str, ...] = (*KEYS, "queries", "failed", "tokens in", "tokens out")
    rows: list[tuple[Any, ...]] = [
        (*_keys(line), e.queries, e.failed, e.prompt_tokens, e.completion_tokens)
        for line in lines
        for e in (line.evaluation,)
    ]
    costs = [line.cost_usd for line in lines]
    if any(cost is not None for cost in costs):
        columns = (*columns, "USD")
        rows = [(*row, f"{cost:,.4f}") for row, cost in zip(rows, costs, strict=True)]
    return Grid("Calls", columns, rows, len(KEYS))


def _keys(line: Line) -> tuple[str, str, str]:
    return line.corpus, str(line.evaluation.task), line.retriever


def _interval(of: Interval, sign: str = "") -> str:
    return f"{of.low:{sign}.3f} to {of.high:{sign}.3f}"
