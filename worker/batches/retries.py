"""What a failed call means for its item: a pure function, and a value as its answer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from ruie.errors import (
    CallError,
    ContextTooLongError,
    FatalCallError,
    ItemError,
    OutputError,
    RateLimitedError,
    TruncatedError,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How the call that failed was made."""

    number: int
    """Of the item's attempts that count, from 1."""
    max_tokens: int
    demonstrations: int
    lengthened: bool = False
    """Whether `max_tokens` was raised already, after an answer that was cut off."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_s` seconds. `counts`: whether this used up an attempt. `otherwise`:
    `max_tokens` or `demonstrations`, where the next attempt shall have others."""

    delay_s: float
    counts: bool = True
    otherwise: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PauseEndpoint:
    """Nobody calls this endpoint for `delay_s` seconds; the item then goes on, at no cost."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The item is put aside, with all that is known, for a person to look at."""


@dataclass(frozen=True, slots=True)
class PauseJob:
    """No call of the job can succeed until somebody mends what the error says."""


Decision = Retry | PauseEndpoint | Quarantine | PauseJob


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Times in seconds. An attempt is counted when an item is leased."""

    max_attempts: int = 4
    max_output_attempts: int = 2
    base_delay_s: float = 2.0
    max_delay_s: float = 300.0
    lengthen: int = 2
    """How many times as long the answer may be after one that was cut off."""


def decide(
    error: CallError, attempt: Attempt, policy: RetryPolicy, rng: random.Random | None = None
) -> Decision:
    """What to do after `error`.

    Delays grow exponentially with full jitter (a uniform draw from 0 to the bound), which spreads
    a crowd that failed together; a wait that the provider asked for is a lower bound. What is
    asked otherwise the next time (a longer answer once, ever fewer demonstrations) ends by
    itself, and uses up no attempt.
    """
    draw = (rng or random).uniform
    match error:
        case FatalCallError():
            return PauseJob()
        case RateLimitedError():
            return PauseEndpoint(
                error.retry_after if error.retry_after is not None else draw(1.0, 5.0)
            )
        case TruncatedError() if not attempt.lengthened:
            longer = attempt.max_tokens * policy.lengthen
            return Retry(0.0, counts=False, otherwise={"max_tokens": longer})
        case ContextTooLongError() if attempt.demonstrations > 0:
            fewer = attempt.demonstrations // 3
            return Retry(0.0, counts=False, otherwise={"demonstrations": fewer})
        case TruncatedError() | ItemError():
            return Quarantine()
        case OutputError() if attempt.number >= policy.max_output_attempts:
            return Quarantine()
    if attempt.number >= policy.max_attempts:
        return Quarantine()
    bound = min(policy.max_delay_s, policy.base_delay_s * 2.0 ** min(attempt.number - 1, 60))
    return Retry(max(draw(0.0, bound), error.retry_after or 0.0))
