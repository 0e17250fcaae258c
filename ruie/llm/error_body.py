"""What an endpoint says about an error, in whichever document it says it.

OpenAI's form is `{"error": {"message", "type", "param", "code"}}`. Others send the object alone, a
list of it, text, `{"detail": [{"loc", "msg", "type"}]}`, the answer of the provider behind them as
JSON in a string, an HTML page, or nothing.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruie.secrets import masked

MAX_READ = 65_536
"""Bytes of an error's body that are read."""
MAX_WORDS = 300
"""Characters of the endpoint's own words that are repeated in ours."""
MAX_TEXT = 4_000
"""Characters that are searched for what an error means."""
MAX_DEPTH, MAX_PARTS = 8, 200

NESTED = ("error", "errors", "detail", "details", "message", "innererror", "metadata", "base_resp")
WORDS = ("message", "detail", "error", "msg", "raw", "error_msg", "status_msg")
CODES = ("code", "type", "status", "reason", "error_type", "error_code", "status_code", "__type")
EMPTY_WORDS = {"provider returned error", "bad request", "error"}
"""What gateways say before the words of the provider behind them."""

SECRET = re.compile(
    r"\b(?:sk|gsk|xai|pk|key|tgp|hf|nvapi|csk|fw)[-_][\w*.-]{6,}|\bAIza[\w*-]{9,}"
    r"|[\w-]{0,40}\*{3,}[\w*-]{0,40}"
)
"""A key as providers write them, and what is left of one that they have masked in part."""
GATEWAY = re.compile(r"(?:[\w.]{1,80}(?:Error|Exception)\b[\s:-]{1,4}){1,4}(?=[{\[])")
"""What LiteLLM puts before the document in which the provider behind it says what is wrong."""
TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


@dataclass(slots=True)
class ErrorBody:
    """An error as the endpoint tells it. Whatever it does not tell is empty."""

    texts: list[str] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    """Codes, types and reasons, in lower case."""
    status: int | None = None
    """The first code that is an HTTP status."""
    parameters: list[tuple[str, str]] = field(default_factory=list)
    """The fields of the request that a `param` or `loc` names (`max_tokens`, `messages.0.role`),
    each with the code beside it."""
    flagged: bool = False
    """Whether it lists what the provider's moderation found (OpenRouter)."""
    retry_after: float | None = None
    """Seconds to wait (Google's RetryInfo)."""
    parts: int = 0

    @property
    def text(self) -> str:
        """All that is said, with single spaces."""
        said = [text for text in self.texts if text.lower().rstrip(".") not in EMPTY_WORDS]
        return " ".join(" ".join(said or self.texts).split())[:MAX_TEXT]

    def words(self, secrets: tuple[str, ...] = ()) -> str:
        """What is said, short enough for a message, without `secrets` or what looks like one."""
        text = self.text
        for secret in secrets:
            if len(secret) >= 4:
                text = text.replace(secret, "***")
        return SECRET.sub("***", masked(text))[:MAX_WORDS].strip()


def read_error_body(content: bytes | str | Any) -> ErrorBody:
    """Read a body, or the part of a JSON document that is an error. Never raises."""
    found = ErrorBody()
    if isinstance(content, bytes):
        content = content[:MAX_READ].decode("utf-8", "replace")
    _read(content, found, 0)
    return found


def _read(node: Any, found: ErrorBody, depth: int) -> None:
    found.parts += 1
    if depth > MAX_DEPTH or found.parts > MAX_PARTS:
        return
    if isinstance(node, str):
        _read_text(node, found, depth)
    elif isinstance(node, list):
        for part in node[:20]:
            _read(part, found, depth + 1)
    elif isinstance(node, dict):
        _read_object(node, found, depth)


def _read_text(text: str, found: ErrorBody, depth: int) -> None:
    text = text[:MAX_READ].strip()
    start = gateway.end() if (gateway := GATEWAY.match(text)) else 0
    if text[start : start + 1] in ("{", "["):  # what the provider behind a gateway said
        try:
            said, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            end = 0
        if end == len(text) or (start and end):
            _read(said, found, depth + 1)
            return
    if text[:1] == "<":
        title = TITLE.search(text)
        text = html.unescape(title[1] if title else TAGS.sub(" ", text))
    if text and text not in found.texts:
        found.texts.append(text)


def _read_object(node: Mapping[str, Any], found: ErrorBody, depth: int) -> None:
    for key in CODES:
        _read_code(node.get(key), found)
    if name := _parameter(node.get("param")) or _parameter(node.get("loc")):
        code = node.get("code") or node.get("type")
        found.parameters.append((name, code.lower() if isinstance(code, str) else ""))
    found.flagged = found.flagged or bool(node.get("flagged_input"))
    if found.retry_after is None and isinstance(delay := node.get("retryDelay"), str):
        seconds = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", delay)
        found.retry_after = float(seconds[1]) if seconds else None
    for key in dict.fromkeys(NESTED + WORDS):
        value = node.get(key)
        if isinstance(value, dict | list) or (isinstance(value, str) and key in WORDS):
            _read(value, found, depth + 1)


def _read_code(code: object, found: ErrorBody) -> None:
    if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 10**9:
        code = str(code)
    if not isinstance(code, str) or not (code := code[:100].strip().lower()):
        return
    if re.fullmatch(r"[45]\d\d", code):
        found.status = found.status or int(code)
    else:
        found.codes.add(code)


def _parameter(value: object) -> str:
    if isinstance(value, list):  # pydantic's `loc`: ["body", "messages", 0, "role"]
        value = ".".join(str(part)[:50] for part in value[:6] if part != "body")
    return " ".join(value[:1000].split())[:100] if isinstance(value, str) else ""
