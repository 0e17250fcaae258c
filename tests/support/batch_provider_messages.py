"""Messages in Anthropic's form; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support.metered import Entry
from support.replies import JSON, Reply

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def chat_request(params: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages request as the same chat request, by which prompts are compared."""
    turns = [{"role": t["role"], "content": _text(t["content"])} for t in params["messages"]]
    system = _text(params.get("system", ""))
    opening = [{"role": "system", "content": system}] if system else []
    return {**params, "messages": [*opening, *turns]}


def _text(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def message(entry: Entry, tier: str = "standard") -> Reply:
    """The answer to a request. What was read from a cache or written to one is no input here."""
    cached, written = entry.cached_tokens, entry.cache_write_tokens
    body = {
        "id": f"msg_{entry.number}",
        "type": "message",
        "role": "assistant",
        "model": entry.model,
        "content": [{"type": "text", "text": entry.answer}],
        "stop_reason": "max_tokens" if entry.fault == "length" else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": entry.prompt_tokens - cached - written,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written,
            "output_tokens": entry.completion_tokens,
            "service_tier": tier,
        },
    }
    return Reply(json.dumps(body).encode())


def error(status: int, code: str = "", message: str = "as scripted", **headers: str) -> Reply:
    """An error, with the parameters of `support.replies.failure`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(error_body(status, message)).encode(), status, JSON | sent)


def error_body(status: int, message: str = "as scripted") -> dict[str, object]:
    kind = _ERRORS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


class AnthropicLines:
    """All in one file. A request that is wrong fails alone."""

    whole = False

    def request(self, line: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return line["custom_id"], chat_request({"messages": [], **line["params"]})

    def good(self, number: int, custom_id: str, entry: Entry) -> bytes:
        body = message(entry, tier="batch").body.decode()
        result = f'{{"type": "succeeded", "message": {body}}}'
        return f'{{"custom_id": {json.dumps(custom_id)}, "result": {result}}}\n'.encode()

    def bad(self, number: int, custom_id: str, status: int) -> bytes:
        return _line(custom_id, {"type": "errored", "error": error_body(status)})

    def undone(self, number: int, custom_id: str, state: str) -> bytes | None:
        return _line(custom_id, {"type": "expired" if state == "expired" else "canceled"})


def _line(custom_id: str, result: Mapping[str, object]) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n"
