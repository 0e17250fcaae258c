"""What each failure of an endpoint means for the work: its class, and when to come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.clients import failing
from support.endpoint import CUT, Reply, answer, failure

from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
)

STATUSES = [
    (failure(429, retry_after="2"), RateLimitedError, 2.0),
    (failure(429, retry_after_ms="250"), RateLimitedError, 0.25),
    (failure(429), RateLimitedError, None),
    (failure(503, retry_after="1"), RateLimitedError, 1.0),
    (failure(503), RateLimitedError, None),
    (failure(500), TransientCallError, None),
    (failure(502), TransientCallError, None),
    (failure(529), RateLimitedError, None),
    (failure(408), TransientCallError, None),
    (failure(409), TransientCallError, None),
    (failure(425), TransientCallError, None),
    (failure(429, "insufficient_quota"), AccountError, None),
    (failure(402), AccountError, None),
    (failure(401), AccountError, None),
    (failure(403), AccountError, None),
    (failure(404, "model_not_found"), ModelError, None),
    (failure(404), ModelError, None),
    (failure(400, "context_length_exceeded"), ContextTooLongError, None),
    (failure(400, message="This model's maximum context length is 4"), ContextTooLongError, None),
    (failure(400, message="Context length exceeded"), ContextTooLongError, None),
    (failure(400, message="exceeds the available context size"), ContextTooLongError, None),
    (failure(400, "content_filter"), ContentFilteredError, None),
    (failure(400), RequestRefusedError, None),
    (failure(422), RequestRefusedError, None),
    (Reply(b"<html>Bad gateway</html>", 502), TransientCallError, None),
    (Reply(b"", 500), TransientCallError, None),
    (Reply(b"", 400), RequestRefusedError, None),
    (Reply(b'{"error": "text"}', 400), RequestRefusedError, None),
    (Reply(b"[]", 429), RateLimitedError, None),
]


@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    STATUSES,
    ids=[f"{reply.status}-{n}" for n, (reply, _, _) in enumerate(STATUSES)],
)
def test_a_status_and_what_it_means(
    reply: Reply, kind: type[CallError], wait: float | None
) -> None:
    error = failing(reply)
    assert type(error) is kind
    assert error.retry_after == wait


def test_a_date_to_come_back_at() -> None:
    when = datetime.now(UTC) + timedelta(seconds=60)
    error = failing(failure(429, retry_after=format_datetime(when, usegmt=True)))
    assert error.retry_after == pytest.approx(60, abs=3)


NONSENSE = {
    "empty body": Reply(b""),
    "not JSON": Reply(b"hello"),
    "half JSON": Reply(answer("PER: Ada").body[:40]),
    "HTML": Reply(b"<html></html>", headers={"Content-Type": "text/html"}),
    "not UTF-8": Reply(b'{"choices": "\xff"}'),
    "null": Reply(b"null"),
    "a number": Reply(b"5"),
    "a list": Reply(b"[1]"),
    "an error with status 200": Reply(b'{"error": {"message": "overloaded"}}'),
    "no choices": answer("x", choices=None),
    "choices are empty": answer("x", choices=[]),
    "choices are text": answer("x", choices="PER: Ada"),
    "choices hold null": answer("x", choices=[None]),
    "no message": answer("x", choices=[{"index": 0, "finish_reason": "stop"}]),
    "message is text": answer("x", choices=[{"message": "PER: Ada"}]),
    "content is a number": answer(5),
    "content is a list of numbers": answer([5]),
    "content is an object": answer({"text": "PER: Ada"}),
    "connection cut": CUT,
}


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=list(NONSENSE))
def test_nonsense_is_worth_another_try(reply: Reply) -> None:
    assert type(failing(reply)) is TransientCallError
