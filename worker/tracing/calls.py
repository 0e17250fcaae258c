"""Calls of a model as spans: a hook around the one that admits them.

A call's span is made when the call has ended, with the times at which it began and ended: what was
admitted and then not sent is no call.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from ruie.errors import CallError
from ruie.llm import Call, CallHook, Completion
from ruie.llm.call import NotSentError
from ruie.prompts import Message
from ruie.secrets import masked
from ruie.usage import Usage
from ruie.worker.tracing import names
from ruie.worker.tracing.providers import address_of, provider_of
from ruie.worker.tracing.spans import ProfileOf

SHORTEST_WAIT_NS = 1_000_000
"""A shorter wait for admission is none worth a span."""
LONGEST_CONTENT = 8192
"""Characters of one message that a span has, at most: a queue of spans is to fit into memory."""

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A permit of the inner hook, and when it was given, in nanoseconds."""

    permit: Any
    at_ns: int


class RecordedCalls:
    """A `ruie.llm.CallHook`. inner: decides, waits and settles. endpoint: its base URL."""

    def __init__(
        self,
        inner: CallHook,
        tracer: Tracer,
        endpoint: str,
        profile: ProfileOf,
        *,
        content: bool,
    ) -> None:
        self._inner = inner
        self._tracer = tracer
        self._endpoint = endpoint
        self._profile = profile
        self._content = content
        host, port = address_of(endpoint)
        self._server: Attributes = {
            names.OPERATION: names.CALL,
            names.PROVIDER: provider_of(endpoint),
            **({names.SERVER_ADDRESS: host, names.SERVER_PORT: port} if host else {}),
        }

    async def before(self, call: Call) -> _Admitted:
        asked_ns = time.time_ns()
        error: CallError | None = None
        try:
            permit = await self._inner.before(call)
        except CallError as refused:
            error = refused
            raise
        finally:
            now_ns = time.time_ns()
            if error is not None or now_ns - asked_ns >= SHORTEST_WAIT_NS:
                waited = self._tracer.start_span(names.WAIT, start_time=asked_ns)
                if error is not None:
                    mark_failed(waited, error.kind)
                waited.end(now_ns)
        return _Admitted(permit, now_ns)

    async def after(self, permit: _Admitted, call: Call, outcome: Completion | CallError) -> None:
        try:
            if not isinstance(outcome, NotSentError):
                self._record(permit, call, outcome)
        finally:
            await self._inner.after(permit.permit, call, outcome)

    def _record(self, admitted: _Admitted, call: Call, outcome: Completion | CallError) -> None:
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            f"{names.CALL} {call.model}",
            kind=SpanKind.CLIENT,
            attributes=self._server | self._request(call),
            start_time=admitted.at_ns,
        )
        if span.is_recording():
            span.set_attributes(_response(outcome))
            if self._content:
                span.set_attributes(_content(call, outcome))
            if isinstance(outcome, CallError):
                mark_failed(span, outcome.kind)
        span.end(ended_ns)

    def _request(self, call: Call) -> Attributes:
        """What of the request may be told: names and numbers."""
        profile = self._profile(self._endpoint, call)
        attributes: Attributes = {names.REQUEST_MODEL: call.model}
        if profile.output_limit:
            attributes[names.MAX_TOKENS] = call.max_tokens
        if "temperature" not in profile.omitted:
            attributes[names.TEMPERATURE] = 0.0
        for parameter, name in names.SAMPLING.items():
            value = call.parameters.get(parameter)
            if isinstance(value, int | float):
                attributes[name] = value if name == names.SEED else float(value)
        if call.response_format is not None and profile.response_format:
            attributes[names.OUTPUT_TYPE] = "json"
        return attributes


def _response(outcome: Completion | CallError) -> Attributes:
    if isinstance(outcome, CallError):
        return {} if outcome.usage is None else _usage(outcome.usage)
    attributes: Attributes = {
        names.FINISH_REASONS: [outcome.finish_reason],
        **_usage(outcome.usage),
    }
    if outcome.model:
        attributes[names.RESPONSE_MODEL] = masked(outcome.model)
    return attributes


def _usage(usage: Usage) -> Attributes:
    parts = {
        names.CACHE_READ_TOKENS: usage.cached,
        names.CACHE_WRITE_TOKENS: usage.cache_written,
        names.REASONING_TOKENS: usage.reasoning,
    }
    return {
        names.INPUT_TOKENS: usage.prompt,
        names.OUTPUT_TOKENS: usage.completion,
        **{name: tokens for name, tokens in parts.items() if tokens},
    }


def _content(call: Call, outcome: Completion | CallError) -> Attributes:
    """Prompt and answer, in the form that the conventions have for them."""
    attributes: Attributes = {names.INPUT_MESSAGES: _messages(call.messages)}
    answer = outcome.text if isinstance(outcome, Completion) else outcome.raw_output
    if answer is not None:
        reason = outcome.finish_reason if isinstance(outcome, Completion) else "error"
        message: Message = {"role": "assistant", "content": answer}
        attributes[names.OUTPUT_MESSAGES] = _messages([message], finish_reason=reason)
    return attributes


def _messages(messages: Sequence[Message], **more: str) -> str:
    told = [
        {
            "role": message["role"],
            "parts": [{"type": "text", "content": _shortened(masked(message["content"]))}],
            **more,
        }
        for message in messages
    ]
    return json.dumps(told, ensure_ascii=False)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_CONTENT else f"{text[: LONGEST_CONTENT - 1]}…"


def mark_failed(span: Span, kind: str) -> None:
    """kind: the class of the failure. Its message is not told: providers repeat in theirs what
    they were sent."""
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR)
