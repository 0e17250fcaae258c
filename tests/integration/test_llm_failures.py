"""What each failure of an endpoint means for the work: its class, and when to come back."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from support.clients import CALL, failing
from support.endpoint import CUT, Reply, answer, failure
from support.replies import JSON

from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
    UnreachableError,
)
from ruie.llm import LLMClient
from ruie.llm.response import MAX_RESPONSE_BYTES

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


def test_a_response_that_is_too_long_is_not_read() -> None:
    long = b"x" * (MAX_RESPONSE_BYTES + 1)
    packed = {**JSON, "Content-Encoding": "gzip"}
    for reply in (Reply(long), Reply(long, 500), Reply(gzip.compress(long), headers=packed)):
        error = failing(reply)
        assert type(error) is TransientCallError
        assert "more than 16,777,216 bytes" in error.message
        assert error.maybe_charged


def call(url: str) -> CallError:
    async def run() -> CallError:
        client = LLMClient(url, timeout_s=5)
        try:
            with pytest.raises(CallError) as caught:
                await client.complete(CALL)
        finally:
            await client.close()
        return caught.value

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/v1", "nothing listens at 127.0.0.1:9"),
        ("http://no-such-host.invalid/v1", "the host no-such-host.invalid is not found"),
    ],
)
def test_no_request_reaches_an_endpoint(url: str, why: str) -> None:
    error = call(url)
    assert type(error) is UnreachableError
    assert why in error.message
    assert "RUIE_LLM_BASE_URL" in error.hint
    assert not error.maybe_charged


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n"])
def test_what_is_not_http_may_have_been_charged(said: bytes) -> None:
    async def run() -> CallError:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = LLMClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        try:
            with pytest.raises(CallError) as caught:
                await client.complete(CALL)
        finally:
            await client.close()
            server.close()
            await server.wait_closed()
        return caught.value

    error = asyncio.run(run())
    assert type(error) is TransientCallError
    assert error.maybe_charged
    assert "\n" not in error.message
