"""Whatever an endpoint answers is a completion or a `CallError`."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from support.damage import damaged
from support.fuzzing import fuzz, mutated

from ruie.db.types import storable
from ruie.errors import CallError
from ruie.llm.api import Api
from ruie.llm.call import Call, Completion
from ruie.llm.error_body import read_error_body
from ruie.llm.failures import answered_error
from ruie.llm.response import read_completion, read_document
from ruie.llm.retry_after import retry_after_seconds
from ruie.parsing import OutputForm, parse
from ruie.records import Query, Task
from ruie.shown import harmless

TEXT = "Mara Quill left Orvane for Tessin."
QUERY = Query(Task.NER, TEXT, "s", {"PERSON": "", "PLACE": ""})
CALL = Call("m", ({"role": "user", "content": "x"},), 256, prompt_tokens=10)
ITEMS = '{"items": [{"type": "PERSON", "span": "Mara Quill"}, {"type": "PLACE", "span": "Orvane"}]}'


def completion(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        **more,
    }  # fmt: skip  # as providers send it


def said(content: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "id": "x", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {
            "input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 3,
            "cache_creation": {"ephemeral_1h_input_tokens": 2},
        },
        **more,
    }  # fmt: skip  # as Anthropic sends it


BODIES: list[Any] = [
    said([{"type": "thinking", "thinking": "so"}, {"type": "text", "text": ITEMS}]),
    said([{"type": "text", "text": "PERSON: Mara Quill; PLACE: Orvane"}]),
    said([], stop_reason="refusal", stop_details={"category": "bio", "explanation": "no"}),
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    completion({"role": "assistant", "content": "PERSON: Mara Quill; PLACE: Orvane"}),
    completion({"role": "assistant", "content": ITEMS}),
    completion({"role": "assistant", "content": f"<think>so</think>```json\n{ITEMS}\n```"}),
    completion({"content": [{"type": "text", "text": "PERSON: "}, {"text": "Mara Quill"}]}),
    completion({"content": None, "reasoning_content": "hm", "refusal": "no", "tool_calls": [{}]}),
    completion({"content": ""}, error={"message": "overloaded", "code": 529, "metadata": {}}),
    {"error": {"message": "Rate limit reached", "type": "tokens", "param": None, "code": "429"}},
    [{"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT", "details": [{}]}}],
    {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "x"}]},
    {"message": "unsupported parameter: 'seed'", "object": "error", "code": 40303},
]
HEADERS = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "date"]
VALUES = ["", "1", "-1", "nan", "inf", "1e999", "12s", "1h2m", "Wed, 21 Oct 2015 07:28:00 GMT",
          "9" * 400, "٣", "\x00"]  # fmt: skip  # a list


def check(seed: int) -> bool:
    rng = random.Random(seed)
    body = rng.choice(BODIES)
    if rng.random() < 0.7:
        body = mutated(body, rng)
    raw = json.dumps(body).encode()
    if rng.random() < 0.5:
        raw = damaged(raw, rng, json.dumps(rng.choice(BODIES)).encode())
    headers = {name: rng.choice(VALUES) for name in rng.sample(HEADERS, 2)}
    waits = retry_after_seconds(headers)
    assert waits is None or 0 <= waits < float("inf")
    refused = answered_error(rng.choice([400, 404, 429, 500]), headers, raw, "http://x", "m")
    assert isinstance(refused, CallError)
    read_error_body(raw)
    try:
        call = replace(CALL, api=rng.choice(list(Api)))
        read = read_completion(read_document(raw, "http://x"), headers, 0.1, call)
    except CallError as error:
        storable(str(error)).encode()  # as it is stored, and as it is shown
        harmless(str(error)).encode()
        return False
    return sound(read, rng.choice(list(OutputForm)))


def sound(read: Completion, form: OutputForm) -> bool:
    assert read.usage.prompt >= 0
    assert read.usage.completion >= 0
    storable(read.text).encode()
    parsed = parse(read.text, QUERY, form=form)
    for item in parsed.items:
        assert all(TEXT[span.start : span.end] == span.text for span in item.spans)
    return bool(parsed.items)


@pytest.mark.timeout(0)
def test_any_body_is_read_or_refused(request: pytest.FixtureRequest) -> None:
    assert sum(fuzz(request, 1_500, check)) > 100
