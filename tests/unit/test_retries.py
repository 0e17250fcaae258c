"""What a failed call means for its item."""

from __future__ import annotations

import random

import pytest

from ruie.db.queue import Overrides
from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    EndpointAwayError,
    FatalCallError,
    ItemError,
    ModelError,
    OutputError,
    ParameterRefusedError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
    TruncatedError,
    UnreachableError,
)
from ruie.worker.batches.retries import (
    Attempt,
    AwaitEndpoint,
    PauseEndpoint,
    PauseJob,
    Quarantine,
    Retry,
    RetryPolicy,
    decide,
)

POLICY = RetryPolicy(max_attempts=4, max_output_attempts=2, base_delay_s=2.0, max_delay_s=5.0)
LONGER = Overrides(max_tokens=512)
TWO, NONE = Overrides(demonstrations=2), Overrides(demonstrations=0)


def made(number: int) -> Attempt:
    return Attempt(number, 256, 8)


class Highest(random.Random):
    """Draws the upper bound, so that a bound can be read off."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (TransientCallError("x"), 1, Retry(2.0)),
        (TransientCallError("x"), 2, Retry(4.0)),
        (TransientCallError("x"), 3, Retry(5.0)),  # 8 s is above the longest
        (TransientCallError("x"), 4, Quarantine()),
        (TransientCallError("x"), 9, Quarantine()),
        (TransientCallError("x", retry_after=9.0), 1, Retry(9.0)),
        (TransientCallError("x", retry_after=1.0), 1, Retry(2.0)),
        (OutputError("x"), 1, Retry(2.0)),
        (OutputError("x"), 2, Quarantine()),
        (ItemError("x"), 1, Quarantine()),
        (ContentFilteredError("x"), 1, Quarantine()),
        (RateLimitedError("x", retry_after=30.0), 1, PauseEndpoint(30.0)),
        (RateLimitedError("x", retry_after=0.0), 1, PauseEndpoint(0.0)),
        (RateLimitedError("x"), 1, PauseEndpoint(5.0)),
        (RateLimitedError("x", retry_after=1.0), 99, PauseEndpoint(1.0)),
        (FatalCallError("x"), 1, PauseJob()),
        (FatalCallError("x"), 99, PauseJob()),
    ],
)
def test_decisions(error: CallError, attempts: int, expected: object) -> None:
    assert decide(error, made(attempts), POLICY, Highest()) == expected


@pytest.mark.parametrize(
    ("error", "alike", "attempts", "expected"),
    [
        (AccountError("x"), 1, 1, Retry(1.0)),
        (ModelError("x"), 2, 9, Retry(1.0)),
        (ParameterRefusedError("x", parameter="seed"), 3, 1, PauseJob()),
        (RequestRefusedError("x"), None, 1, Retry(1.0)),
        (RequestRefusedError("x"), 1, 2, Quarantine()),  # others are answered: it is the item
        (RequestRefusedError("x"), 4, 2, Retry(1.0)),  # others are not: it may be the job
        (RequestRefusedError("x"), 4, 4, Quarantine()),
        (RequestRefusedError("x"), 5, 1, PauseJob()),
    ],
)
def test_refusals_are_judged_by_how_many_are_alike(
    error: CallError, alike: int | None, attempts: int, expected: object
) -> None:
    error.alike = alike
    assert decide(error, made(attempts), POLICY, Highest()) == expected


def test_an_item_that_is_refused_while_others_are_answered_is_given_up() -> None:
    error = AccountError("x")
    error.alike, error.others_answered = 3, True
    assert decide(error, made(1), POLICY) == PauseJob()
    assert decide(error, made(2), POLICY) == Quarantine()


@pytest.mark.parametrize("attempts", [1, 99])
def test_an_endpoint_that_is_away_is_waited_for(attempts: int) -> None:
    gone, one_of_many = UnreachableError("x"), TransientCallError("x")
    gone.systemic = one_of_many.systemic = True
    for error in (EndpointAwayError("x"), gone, one_of_many):
        assert decide(error, made(attempts), POLICY) == AwaitEndpoint()


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (TruncatedError("x"), Attempt(1, 256, 8), Retry(0.0, False, LONGER)),
        (TruncatedError("x"), Attempt(4, 256, 8), Retry(0.0, False, LONGER)),
        (TruncatedError("x"), Attempt(1, 512, 8, lengthened=True), Quarantine()),
        (ContextTooLongError("x"), Attempt(1, 256, 8), Retry(0.0, False, TWO)),
        (ContextTooLongError("x"), Attempt(9, 256, 2), Retry(0.0, False, NONE)),
        (ContextTooLongError("x"), Attempt(1, 256, 0), Quarantine()),
    ],
)
def test_overrides_of_the_next_attempt(
    error: CallError, attempt: Attempt, expected: object
) -> None:
    assert decide(error, attempt, POLICY, Highest()) == expected


def test_the_jitter_is_full() -> None:
    assert decide(TransientCallError("x"), made(1), POLICY, Lowest()) == Retry(0.0)
    assert decide(RateLimitedError("x"), made(1), POLICY, Lowest()) == PauseEndpoint(1.0)
    drawn = random.Random(7)
    delays = [decide(TransientCallError("x"), made(1), POLICY, drawn) for _ in range(200)]
    seconds = sorted(delay.delay_s for delay in delays if isinstance(delay, Retry))
    assert len(seconds) == 200
    assert 0 <= seconds[0] < 0.2
    assert 1.8 < seconds[-1] <= 2.0


def test_a_late_attempt_does_not_overflow() -> None:
    patient = RetryPolicy(max_attempts=10**6)
    assert decide(TransientCallError("x"), made(5000), patient, Highest()) == Retry(300.0)


def test_without_a_generator_it_still_decides() -> None:
    assert isinstance(decide(TransientCallError("x"), made(1), POLICY), Retry)
