"""An endpoint's response, read without trusting it: some servers leave out half of the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ruie.errors import (
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    FatalCallError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
)
from ruie.llm.answer_text import AnswerText, read_text
from ruie.llm.api import Api
from ruie.llm.call import Call, Completion
from ruie.llm.error_body import read_error_body
from ruie.llm.failures import answered_error
from ruie.llm.log_probs import of_answer, read_log_probs
from ruie.llm.messages import as_choice
from ruie.llm.usage import read_usage
from ruie.tokens import estimate_tokens
from ruie.usage import Usage

if TYPE_CHECKING:
    import httpx2

MAX_RESPONSE_BYTES = 16 * 2**20
"""No answer is longer: an endpoint that sends more is not one."""

FINISH_REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "stop",
            "end_turn",  # Anthropic
            "stop_sequence",
            "eos",  # Together
            "eos_token",  # TGI
            "complete",  # Cohere
        ),
        "stop",
    ),
    **dict.fromkeys(
        (
            "length",
            "max_tokens",  # Anthropic, Gemini
            "max_output_tokens",
            "model_length",  # Mistral: the context is full
            "model_context_window_exceeded",  # Anthropic
            "max_length",
        ),
        "length",
    ),
    **dict.fromkeys(
        (
            "content_filter",
            "content_filtered",
            "safety",  # this and the next five: Gemini
            "recitation",
            "prohibited_content",
            "blocklist",
            "spii",
            "image_safety",
            "sensitive",  # Zhipu
            "refusal",  # Anthropic
            "guardrail_intervened",  # Bedrock
        ),
        "filtered",
    ),
}
"""What the reasons of all providers mean. Any other is a failure: DeepSeek's
insufficient_system_resource, Zhipu's network_error, vLLM's abort, a call of a tool that there is
not. Half an answer must not pass for a whole one."""

_NAME = re.compile(r"[!-~]{1,200}")
"""Of a model: one word."""

UNCHARGED = (FatalCallError, RateLimitedError, RequestRefusedError, ContextTooLongError)
"""Refused before the model began."""


async def read_bounded(response: httpx2.Response) -> None:
    """Read the body of a response, as far as it is not too long. Raises `TransientCallError`.

    A hook: the library would read all of it, and 16 calls in flight share a process's memory.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            raise TransientCallError(
                f"{response.url.host} sent a response of more than {MAX_RESPONSE_BYTES:,} bytes.",
                "Check RUIE_LLM_BASE_URL.",
                maybe_charged=True,
            )
        parts.append(part)
    response._content = b"".join(parts)  # what `aread` looks for; there is no public way to set it


def read_document(content: bytes, url: str) -> Any:
    """The JSON document of a response. Raises `TransientCallError`: an empty body, half a document,
    a web page."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        start, hint = content[:200].lstrip(), ""
        what = f"{error or 'not JSON'}."
        if not start:
            what = "it is empty."
        elif start.startswith(b"<"):
            what, hint = "it is a web page.", "Is RUIE_LLM_BASE_URL right? It usually ends in /v1."
        elif start.startswith((b"data:", b"event:", b":")):
            what = "it is a stream of events, for which ruie did not ask."
        raise TransientCallError(
            f"{url} sent a response that cannot be read: {what}", hint, maybe_charged=True
        ) from None


def read_completion(
    answer: Any, headers: Mapping[str, str], latency_s: float, call: Call, url: str = "The endpoint"
) -> Completion:
    """The completion in a response's JSON document, in the form of `call.api`. Raises `CallError`.

    Tokens that the provider did not count are estimated: an answer that was paid for is not
    discarded because of them. An error has the provider's count or none.
    """
    stated = read_usage(answer)
    counted = stated if stated.counted else None
    choice = as_choice(answer) if call.api is Api.MESSAGES else _first(answer)
    if (error := _stated_error(answer, choice)) is not None:
        raise _settled(answered_error(None, headers, error, url, call.model), counted)
    if choice is None or (said := read_text(choice.get("message"), call.messages)) is None:
        what = "message" if call.api is Api.MESSAGES else "chat completion"
        message = f"{url} sent a response that is not a {what}."
        raise _settled(TransientCallError(message), counted)
    reason = _reason(choice)
    _check_finish(reason, said, counted, url)
    usage = replace(
        stated,
        prompt=stated.prompt or call.prompt_tokens,
        completion=stated.completion or estimate_tokens(said.everything),
    )
    meaning = _meaning(reason)
    if stated.completion == call.max_tokens:
        # some servers say `stop`, or nothing, of an answer that they cut off there
        meaning = "length"
    return Completion(
        text=said.text,
        finish_reason=meaning,
        usage=usage,
        latency_s=latency_s,
        headers=headers,
        reasoned=said.reasoned or usage.reasoning > 0,
        model=_model(answer),
        log_probs=of_answer(read_log_probs(choice), said.text),
    )


def _model(answer: Any) -> str:
    """The model that the answer names, if that can be a name."""
    name = answer.get("model") if isinstance(answer, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


def _first(answer: Any) -> Mapping[str, Any] | None:
    """The choice with the index 0, or else the one that stands first."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices:
        return None
    numbered = (each for each in choices if isinstance(each, dict) and each.get("index") == 0)
    first = next(numbered, choices[0])
    return first if isinstance(first, dict) else None


def _stated_error(answer: Any, choice: Mapping[str, Any] | None) -> Any:
    """The part of a document with status 200 that is an error, or None."""
    for part in (choice, answer):
        error = part.get("error") if isinstance(part, dict) else None
        if error and isinstance(error, dict | list | str):
            return error if choice is not None else answer
    if choice is None and isinstance(answer, dict | list):
        body = read_error_body(answer)
        return answer if body.text or body.status else None
    return None


def _reason(choice: Mapping[str, Any]) -> Any:
    """Why the answer ended: in another field where the usual one is missing, and in the words of
    the provider behind a gateway where they say that it is not whole."""
    reason, other = choice.get("finish_reason"), choice.get("stop_reason")
    if reason is None and isinstance(other, str) and _meaning(other):
        reason = other
    native = choice.get("native_finish_reason")  # OpenRouter
    cut = isinstance(native, str) and _meaning(native) in ("length", "filtered")
    return native if cut and _meaning(reason) == "stop" else reason


def _meaning(reason: Any) -> str:
    """`stop`, `length`, `filtered`, or "" for what is a failure."""
    if reason is None:  # some local servers give none
        return "stop"
    name = reason.lower().split(":")[0].strip() if isinstance(reason, str) else ""
    name = name.rpartition(".")[2]  # `FinishReason.STOP`
    return FINISH_REASONS.get(name, "")


def _check_finish(reason: Any, said: AnswerText, counted: Usage | None, url: str) -> None:
    meaning = _meaning(reason)
    if meaning == "filtered" or (said.refusal and not said.text):
        message = f"The provider's content filter refused: {said.refusal or reason}."
        raise _settled(ContentFilteredError(message, raw_output=said.everything), counted)
    if not meaning or (reason is None and not said.everything):
        why = f"'{str(reason)[:40]}'" if reason is not None else "no reason and no text"
        message = f"{url} ended its answer with {why}."
        raise _settled(TransientCallError(message, raw_output=said.everything), counted)


def _settled(error: CallError, counted: Usage | None) -> CallError:
    """The error with what it cost: as counted, or perhaps as much as was reserved."""
    if counted is not None:
        error.usage = counted
    else:
        error.maybe_charged = not isinstance(error, UNCHARGED)
    return error
