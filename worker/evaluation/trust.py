"""How far the confidences of an evaluation's records may be trusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruie.confidence.fitting import fit, held_out
from ruie.confidence.judged import Judged
from ruie.confidence.model import opened
from ruie.confidence.reliability import Bin, Bound, bins, bounds, calibration_error
from ruie.errors import UsageError
from ruie.files import write_atomically
from ruie.records import Task
from ruie.worker.evaluation.run import Part


@dataclass(frozen=True, slots=True)
class Trust:
    """Of the records of one corpus, task and retriever.

    records, right: how many there are, and how many of them are right. with_tokens: of how many the
    probabilities of their tokens are known. stated, fitted: the bins of
    their confidences, as they were given and as a model gives them that was fitted to the other
    sentences. curve: what a bound on the fitted ones leaves.
    """

    corpus: str
    task: Task
    retriever: str
    records: int
    right: int
    with_tokens: int
    stated: list[Bin]
    fitted: list[Bin]
    curve: list[Bound]

    @property
    def error(self) -> float:
        """The expected calibration error of the confidences as they were given."""
        return calibration_error(self.stated)

    @property
    def fitted_error(self) -> float:
        """Likewise of the fitted ones."""
        return calibration_error(self.fitted)

    def at(self, least: float) -> Bound:
        """What is left of the records that are at least so confident."""
        kept = [bound for bound in self.curve if bound.least >= least]
        return kept[-1] if kept else Bound(least, 0, 0.0, 0.0)

    @property
    def best(self) -> Bound | None:
        """The bound with the highest F1."""
        return max(self.curve, key=lambda bound: bound.f1, default=None)


def trust(parts: Sequence[Part]) -> list[Trust]:
    """For each corpus, task and retriever with any record."""
    found: list[Trust] = []
    for part in parts:
        judged = [each for one in part.predictions for each in one.judged]
        for task in Task:
            own = [each for each in judged if each.task is task]
            gold = sum(p.strings.gold for p in part.predictions if p.gold.query.task is task)
            if own:
                found.append(_trust(part, task, own, gold))
    return found


def check_calibration(file: Path) -> None:
    """Raise `UsageError` unless a calibration may be written there: also in the place of one."""
    if not file.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.", "Create it first.")
    if not file.exists():
        return
    try:
        opened(file)
    except UsageError:
        raise UsageError(
            f"{file} exists, and is no calibration.", "Name another file with --calibration."
        ) from None


def write_calibration(file: Path, parts: Sequence[Part]) -> dict[Task, int]:
    """Write the model that is fitted to all of these records; returns how many there are of each
    task. Where there are none, nothing is written."""
    judged = [each for part in parts for one in part.predictions for each in one.judged]
    if judged:
        body = json.dumps(fit(judged).body(), indent=2)
        write_atomically(file, f"{body}\n".encode())
    return Counter(each.task for each in judged)


def _trust(part: Part, task: Task, judged: Sequence[Judged], gold: int) -> Trust:
    right = [each.right for each in judged]
    fitted = held_out(judged)
    return Trust(
        part.corpus,
        task,
        part.retriever,
        len(judged),
        sum(right),
        sum(each.signals.log_probability is not None for each in judged),
        bins([each.confidence for each in judged], right),
        bins(fitted, right),
        bounds(fitted, right, gold),
    )
