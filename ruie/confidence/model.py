"""From signals to a confidence: a logistic regression for each task, with the probabilities of
tokens and without.

    confidence = 1 / (1 + exp(-(w · x)))        x = (1, signals)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from ruie.confidence.signals import Signals
from ruie.errors import UsageError
from ruie.packaged import packaged_calibration
from ruie.records import Task

WITH_TOKENS, WITHOUT = "with_tokens", "without"
SIZES = {WITH_TOKENS: 6, WITHOUT: 5}
"""Weights of a regression, the first of them the constant."""

Regression = tuple[float, ...]


def features(signals: Signals, kind: str) -> tuple[float, ...]:
    """x: the constant, and what the regression is of."""
    if kind == WITHOUT:
        return (1.0, *signals.cheap)
    assert signals.log_probability is not None
    return (1.0, signals.log_probability, *signals.cheap)


def kind_of(signals: Signals) -> str:
    """Which regression serves."""
    return WITHOUT if signals.log_probability is None else WITH_TOKENS


@dataclass(frozen=True, slots=True)
class ConfidenceModel:
    """The regressions, by task and kind."""

    regressions: Mapping[tuple[Task, str], Regression]

    def confidence(self, task: Task, signals: Signals) -> float:
        """0 to 1, to four decimal places."""
        kind = kind_of(signals)
        weights = self.regressions[task, kind]
        exponent = sum(w * x for w, x in zip(weights, features(signals, kind), strict=True))
        return round(1 / (1 + math.exp(-max(-40.0, min(40.0, exponent)))), 4)

    def body(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            str(task): {kind: list(self.regressions[task, kind]) for kind in SIZES} for task in Task
        }

    @classmethod
    def from_body(cls, body: Any, source: str = "the calibration") -> Self:
        """The inverse of `body`. Raises `UsageError`."""
        try:
            read = {
                (task, kind): tuple(map(float, _weights(body, task, kind)))
                for task in Task
                for kind in SIZES
            }
        except (ValueError, OverflowError) as error:
            raise _unreadable(source, str(error)) from None
        for (task, kind), weights in read.items():
            if len(weights) != SIZES[kind] or not all(map(math.isfinite, weights)):
                raise _unreadable(source, f"{task} has no {SIZES[kind]} numbers {kind}")
        return cls(read)


def _weights(body: Any, task: Task, kind: str) -> list[float]:
    for name in (str(task), kind):
        if not isinstance(body, dict) or name not in body:
            raise ValueError(f"{name} is missing")
        body = body[name]
    if not isinstance(body, list) or not all(isinstance(each, int | float) for each in body):
        raise ValueError(f"{task} {kind} is no list of numbers")
    return body


def _unreadable(source: str, why: str) -> UsageError:
    return UsageError(
        f"{source} is no calibration of confidences: {why}.",
        "A calibration is what `ruie evaluate --calibration FILE` wrote.",
    )


@cache
def included() -> ConfidenceModel:
    """The model that comes with ruie."""
    return opened(packaged_calibration())


def opened(file: Path) -> ConfidenceModel:
    """The model in a file. Raises `UsageError`."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror or error}.",
            "A calibration is what `ruie evaluate --calibration FILE` wrote.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(file), str(error)) from None
    return ConfidenceModel.from_body(body, str(file))
