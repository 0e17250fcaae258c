"""What to do after a failed call: a pure function, whose result is a value."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ruie.db.queue import NO_OVERRIDES, LeasedItem, Overrides
from ruie.decoding import LENGTHEN
from ruie.errors import (
    CallError,
    ContextTooLongError,
    EndpointAwayError,
    FatalCallError,
    ItemError,
    OutputError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
    TruncatedError,
)
from ruie.questions import Question


@dataclass(frozen=True, slots=True)
class Attempt:
    """How the call that failed was made."""

    number: int
    """Of the item's attempts that count, from 1."""
    max_tokens: int
    demonstrations: int
    lengthened: bool = False
    """Whether `max_tokens` was raised already, after an answer that was cut off."""


def attempt_of(item: LeasedItem, question: Question) -> Attempt:
    """The attempt that an item's call is."""
    return Attempt(
        item.attempts,
        question.call.max_tokens,
        len(question.demonstrations),
        lengthened=item.overrides.max_tokens is not None,
    )


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_s` seconds. counts: whether this used up an attempt. overrides: what
    the next attempt has instead of what the job says."""

    delay_s: float
    counts: bool = True
    overrides: Overrides = NO_OVERRIDES


@dataclass(frozen=True, slots=True)
class PauseEndpoint:
    """The endpoint is left alone for `delay_s` seconds; then the item is tried again. No attempt is
    used up."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The item is put aside, with all that is known, for a person to look at."""


@dataclass(frozen=True, slots=True)
class PauseJob:
    """No call of the job can succeed until what the error says is fixed."""


@dataclass(frozen=True, slots=True)
class AwaitEndpoint:
    """No call reaches the endpoint: the item goes back as it was, with the rest of its batch, until
    the coordinator's probe does."""


Decision = Retry | PauseEndpoint | Quarantine | PauseJob | AwaitEndpoint


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Times in seconds. An attempt is counted when an item is leased."""

    max_attempts: int = 4
    max_output_attempts: int = 2
    base_delay_s: float = 2.0
    max_delay_s: float = 300.0
    max_refusals: int = 3
    """Equal refusals in a row, of the account, the model or a parameter, that pause a job."""
    max_refused_items: int = 5
    """Different items in a row whose requests are refused with no word why, that pause a job."""
    max_refused_attempts: int = 2
    max_fruitless: int = 20
    """Items in a row, in one process, without a usable answer, that pause a job."""
    refused_delay_s: float = 1.0


def decide(
    error: CallError, attempt: Attempt, policy: RetryPolicy, rng: random.Random | None = None
) -> Decision:
    """What to do after `error`.

    Delays grow exponentially with full jitter (a uniform draw from 0 to the bound), which spreads
    a crowd that failed together; a wait that the provider asked for is a lower bound. A retry with
    overrides (a longer answer once, ever fewer demonstrations) uses up no attempt: there can be
    only a few of them.
    """
    draw = (rng or random).uniform
    match error:
        case EndpointAwayError():
            return AwaitEndpoint()
        case TransientCallError(systemic=True):
            return AwaitEndpoint()
        case FatalCallError():
            if error.others_answered and attempt.number >= policy.max_refused_attempts:
                return Quarantine()
            if error.alike is None or error.alike >= policy.max_refusals:
                return PauseJob()
            return Retry(policy.refused_delay_s)
        case RequestRefusedError():
            return _refused(error, attempt, policy)
        case RateLimitedError():
            return PauseEndpoint(
                error.retry_after if error.retry_after is not None else draw(1.0, 5.0)
            )
        case TruncatedError() if not attempt.lengthened:
            longer = Overrides(max_tokens=attempt.max_tokens * LENGTHEN)
            return Retry(0.0, counts=False, overrides=longer)
        case ContextTooLongError() if attempt.demonstrations > 0:
            fewer = Overrides(demonstrations=attempt.demonstrations // 3)
            return Retry(0.0, counts=False, overrides=fewer)
        case TruncatedError() | ItemError():
            return Quarantine()
        case OutputError() if attempt.number >= policy.max_output_attempts:
            return Quarantine()
    if attempt.number >= policy.max_attempts:
        return Quarantine()
    bound = min(policy.max_delay_s, policy.base_delay_s * 2.0 ** min(attempt.number - 1, 60))
    return Retry(max(draw(0.0, bound), error.retry_after or 0.0))


def _refused(error: CallError, attempt: Attempt, policy: RetryPolicy) -> Decision:
    """Nobody knows yet whether it is this item. If others are refused too, with no answer between,
    it is the job; if it is refused again and others are answered, it is the item."""
    alike = error.alike or 1
    if alike >= policy.max_refused_items:
        return PauseJob()
    only_this = alike == 1 and attempt.number >= policy.max_refused_attempts
    if only_this or attempt.number >= policy.max_attempts:
        return Quarantine()
    return Retry(policy.refused_delay_s)
