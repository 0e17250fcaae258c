"""Records of which it is known whether they are right."""

from __future__ import annotations

from dataclasses import dataclass

from ruie.confidence.signals import Signals
from ruie.records import Task


@dataclass(frozen=True, slots=True)
class Judged:
    """confidence: that it was given, 0 to 1. right: whether it is. group: of records that
    are not independent, such as those of one text."""

    task: Task
    signals: Signals
    confidence: float
    right: bool
    group: int
