"""How well confidences keep their word, and what a bound on them gives and takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Records with confidences of a tenth. confidence: their mean; right: the share that is."""

    records: int
    confidence: float
    right: float


def bins(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Those of equal width that have any record, from the least confident."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, is_right in zip(confidences, right, strict=True):
        found[min(int(confidence * BINS), BINS - 1)].append((confidence, is_right))
    return [
        Bin(
            len(some),
            sum(confidence for confidence, _ in some) / len(some),
            sum(is_right for _, is_right in some) / len(some),
        )
        for some in found
        if some
    ]


def calibration_error(found: Iterable[Bin]) -> float:
    """The expected calibration error: by how much confidence and share of right ones differ, on
    average over the records (Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, AAAI 2015)."""
    listed = list(found)
    total = sum(each.records for each in listed)
    off = sum(each.records * abs(each.confidence - each.right) for each in listed)
    return off / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """What is left of the records whose confidence is at least `least`: how many there are, their
    precision, and their recall."""

    least: float
    records: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Of these."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def bounds(confidences: Sequence[float], right: Sequence[bool], gold: int) -> list[Bound]:
    """The precision-recall curve: one for each confidence that there is, from the highest. gold:
    how many records there are to be found."""
    ordered = sorted(zip(confidences, right, strict=True), reverse=True)
    curve: list[Bound] = []
    found = 0
    for number, (confidence, is_right) in enumerate(ordered, 1):
        found += is_right
        if number == len(ordered) or ordered[number][0] < confidence:
            curve.append(Bound(confidence, number, found / number, found / gold if gold else 0.0))
    return curve
