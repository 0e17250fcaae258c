"""What the scripted endpoint can answer, well-formed or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MODEL = "scripted"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What one request gets. `hang` holds the connection open without a word; `cut` promises the
    whole body, sends half of it and closes the connection."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(JSON))
    delay_s: float = 0.0
    hang: bool = False
    cut: bool = False


def answer(
    text: object,
    *,
    finish_reason: str = "stop",
    usage: object = (11, 7),
    delay_s: float = 0.0,
    **changes: object,
) -> Reply:
    """A chat completion that says `text`; `usage` is (prompt, completion) tokens or the field's
    value itself. `changes` replace top-level fields (None removes one)."""
    if isinstance(usage, tuple):
        prompt, completion = usage
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
    message = {"role": "assistant", "content": text}
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": usage,
    } | changes
    told = {key: value for key, value in body.items() if value is not None}
    return Reply(json.dumps(told).encode(), delay_s=delay_s)


def message(
    content: object,
    *,
    stop_reason: object = "end_turn",
    usage: object = (11, 7),
    **changes: object,
) -> Reply:
    """A message of Anthropic that says `content`, a text or its blocks; otherwise as `answer`."""
    if isinstance(usage, tuple):
        usage = dict(zip(("input_tokens", "output_tokens"), usage, strict=True))
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    body: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": blocks,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    } | changes
    return Reply(json.dumps(body).encode())


def refused(status: int, kind: str, text: str, **headers: str) -> Reply:
    """An error in Anthropic's form."""
    body = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(body).encode(), status, JSON | told)


def failure(status: int, code: str = "", message: str = "as scripted", **headers: str) -> Reply:
    """An error in OpenAI's form. `retry_after="2"` sets the header Retry-After."""
    body = {"error": {"message": message, "type": "scripted", "param": None, "code": code or None}}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(body).encode(), status, JSON | told)


HANG = Reply(hang=True)
CUT = Reply(answer("PERSON: Ada; PERSON: Grace").body, cut=True)
