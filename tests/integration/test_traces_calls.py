"""Calls as spans: what is told of them, and which are none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.collector import Collector

from ruie.errors import RateLimitedError, TransientCallError
from ruie.llm import Call, Completion
from ruie.llm.call import NotSentError
from ruie.llm.profile import DEFAULT
from ruie.settings import load
from ruie.usage import Usage
from ruie.worker.tracing import opening
from ruie.worker.tracing.spans import Tracer

CALL = Call("m-1", ({"role": "user", "content": "Ada met Bo ."},), 64, 10)


class Hook:
    """An inner hook that admits, or does not, and keeps what it was told."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.settled: list[tuple[Any, object]] = []

    async def before(self, call: Call) -> str:
        if self.refusal is not None:
            raise self.refusal
        return "permit"

    async def after(self, permit: Any, call: Call, outcome: object) -> None:
        self.settled.append((permit, outcome))


def call(tracer: Tracer, inner: Hook, outcome: Any, **changes: Any) -> None:
    async def run() -> None:
        hook = tracer.hook(inner, "https://api.openai.com/v1", lambda *_: DEFAULT)
        one = replace(CALL, **changes)
        await hook.after(await hook.before(one), one, outcome)

    asyncio.run(run())


def test_a_call_that_was_not_sent_is_none(collector: Collector) -> None:
    tracer, inner, unsent = opening.tracer(load()), Hook(), NotSentError("not sent")
    call(tracer, inner, unsent)
    opening.close()
    assert inner.settled == [("permit", unsent)]
    assert not collector.spans


def test_a_call_that_is_not_admitted_is_a_wait_that_failed(collector: Collector) -> None:
    refused = RateLimitedError("The endpoint is paused.")
    with pytest.raises(RateLimitedError):
        call(opening.tracer(load()), Hook(refused), None)
    opening.close()
    (span,) = collector.spans
    assert (span.name, span.failed) == ("wait for limits", True)
    assert span.attributes["error.type"] == "rate_limited"


def test_a_call_has_what_its_provider_counted(collector: Collector) -> None:
    usage = Usage(100, 30, cached=60, cache_written=20, reasoning=10)
    done = Completion("None", "length", usage, 0.1, model="m-1-0614")
    parameters = {"temperature": 1, "seed": 3, "top_k": 40, "user": "ada@example.org"}
    call(opening.tracer(load()), Hook(), done, parameters=parameters)
    opening.close()
    (span,) = collector.spans
    assert {name.removeprefix("gen_ai."): value for name, value in span.attributes.items()} == {
        "operation.name": "chat",
        "provider.name": "openai",
        "request.model": "m-1",
        "request.max_tokens": 64,
        "request.temperature": 1.0,
        "request.seed": 3,
        "request.top_k": 40.0,
        "response.model": "m-1-0614",
        "response.finish_reasons": ("length",),
        "usage.input_tokens": 100,
        "usage.output_tokens": 30,
        "usage.cache_read.input_tokens": 60,
        "usage.cache_creation.input_tokens": 20,
        "usage.reasoning.output_tokens": 10,
        "server.address": "api.openai.com",
        "server.port": 443,
    }


def test_contents_are_shortened_and_without_secrets(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUIE_LLM_API_KEY", "key-planted-in-content-1")
    config = load(traces="content", llm_api_key="")
    load()  # the key is known from here on
    prompt = ({"role": "user", "content": "key-planted-in-content-1 " + "x" * 20_000},)
    error = TransientCallError("as scripted", raw_output="half an answ")
    call(opening.tracer(config), Hook(), error, messages=prompt)
    opening.close()
    (span,) = collector.spans
    sent, said = (span.attributes[f"gen_ai.{way}.messages"] for way in ("input", "output"))
    assert '"*** xxx' in str(sent)
    assert len(str(sent)) < 8400
    assert '"half an answ"' in str(said)
