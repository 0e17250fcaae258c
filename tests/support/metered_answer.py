"""What a metered endpoint makes of one request, and its answer in OpenAI's form; pure. A batch of
the scripted provider is answered by the same functions."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support.corpus import Question, parse_question, right_answer
from support.metered import Entry, billed
from support.metering import Plan, Used, answer_tokens, prompt_tokens
from support.replies import Reply, answer


def asked(body: Mapping[str, Any], number: int) -> tuple[Entry, Question]:
    """A chat request, as it is logged before anything is done about it, and what it is about.

    Raises KeyError or IndexError if it is not about a document of `support.corpus`.
    """
    messages = body["messages"]
    question = parse_question(messages[-1]["content"])
    entry = Entry(
        number=number,
        at=time.monotonic(),
        model=body["model"],
        prompt=hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16],
        person=question.person,
        task=question.task,
        prompt_tokens=prompt_tokens(messages),
        max_tokens=body.get("max_tokens") or body["max_completion_tokens"],
    )
    return entry, question


def answered(
    entry: Entry, question: Question, plan: Plan, nth: int, fault: str, tier: str = ""
) -> Entry:
    """The `nth` request (from 0) for a prompt with the answer that it gets, and the charge."""
    text = right_answer(question)
    if fault == "length":
        text = text[: len(text) // 2]
    entry = replace(entry, fault=fault, answer=text, status=_status(fault))
    if not billed(entry):
        return entry
    tokens = entry.max_tokens if fault == "length" else answer_tokens(text)
    request = f"{entry.prompt}:{nth}"
    used = plan.used(request, entry.prompt_tokens, tokens, entry.max_tokens, tier)
    return _charged(entry, used)


def completion(entry: Entry, **changes: Any) -> Reply:
    """The answer to a request, as if nothing happened to it on its way."""
    return answer(
        entry.answer,
        usage=_usage(entry),
        finish_reason="length" if entry.fault == "length" else "stop",
        service_tier=entry.tier or None,
        **changes,
    )


def _status(fault: str) -> int:
    return int(fault[:3]) if fault[:3].isdigit() else 200


def _charged(entry: Entry, used: Used) -> Entry:
    return replace(
        entry,
        completion_tokens=used.completion,
        cached_tokens=used.cached,
        cache_write_tokens=used.written,
        reasoning_tokens=used.reasoning,
        tier=used.tier,
        nusd=used.nusd,
    )


def _usage(entry: Entry) -> dict[str, object]:
    """As OpenAI states it."""
    return {
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": entry.completion_tokens,
        "total_tokens": entry.prompt_tokens + entry.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": entry.cached_tokens,
            "cache_write_tokens": entry.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": entry.reasoning_tokens},
    }
