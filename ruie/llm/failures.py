"""Which `CallError` an endpoint's answer means, and so what becomes of the work.

Codes come before words: a code is the endpoint's own, and words may repeat a piece of the document.
What nothing is known of is judged by its HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    ParameterRefusedError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
    UnreachableError,
)
from ruie.llm.error_body import ErrorBody, read_error_body
from ruie.llm.failure_words import (
    ABOUT_MODEL,
    ACCOUNT,
    FILTERED,
    LIMIT,
    MODEL,
    TOO_LONG,
    asks_for_too_much,
    says_credit_is_spent,
)
from ruie.llm.refused_parameter import BUDGET, LOG_PROBS, Refusal, refused_parameter
from ruie.llm.retry_after import retry_after_seconds
from ruie.secrets import bare_url

if TYPE_CHECKING:
    import httpx2

BY_STATUS: dict[int, type[CallError]] = {
    **dict.fromkeys((401, 402, 403, 451), AccountError),
    **dict.fromkeys((404, 405, 410), ModelError),
    407: UnreachableError,  # the proxy wants a password
    **dict.fromkeys((408, 409, 425, 499), TransientCallError),
    413: ContextTooLongError,
    # 498: no room in Groq's flex tier; 529: Anthropic is overloaded
    **dict.fromkeys((429, 498, 503, 529), RateLimitedError),
}
"""Others from 500 on: TransientCallError. Others from 400 on: RequestRefusedError."""

TIMED_OUT = {408, 504, 524}
"""A gateway gave up waiting for the model, which may have answered and been charged."""
NAMES_PARAMETER = {400, 416, 422, 500, 501}
"""416: Scaleway; 500 and 501: llama.cpp."""

MESSAGES: dict[type[CallError], tuple[str, str]] = {
    ContentFilteredError: ("refuses this content", ""),
    ContextTooLongError: (
        "finds the request too long for the model or its limits",
        "Lower RUIE_PROMPT_TOKENS, RUIE_CHUNK_TOKENS or RUIE_LLM_MAX_TOKENS.",
    ),
    RateLimitedError: ("limits the rate", ""),
    AccountError: (
        "refuses the key or the account",
        "Check the key (RUIE_LLM_API_KEY) and what the account may call.",
    ),
    ModelError: ("has no model '{model}' for this key", "Set RUIE_LLM_MODEL."),
    UnreachableError: ("is behind a proxy that wants a password", "Set it in the proxy's URL."),
    RequestRefusedError: ("refuses the request", ""),
    TransientCallError: ("failed to answer", ""),
}
SPENT = ("says that the account's credit is spent", "Add credit, or raise the account's limit.")
CHAT_PAGE = "/chat/completions"
NO_SUCH_PAGE = (
    "has no page {page}",
    "Is RUIE_LLM_BASE_URL right? It usually ends in /v1, the address without {page}."
    " What it speaks is chosen by RUIE_LLM_API.",
)
STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of a type, where an error comes without one: OpenAI's first, and those of Anthropic,
whose batches have them. platform.claude.com/docs/en/api/errors"""


def call_error(response: httpx2.Response, url: str, model: str, page: str = CHAT_PAGE) -> CallError:
    """The error of a call to `page` of `url` whose response has another HTTP status than of
    success."""
    if response.history:
        url = f"{url} (which redirects to {bare_url(str(response.url))})"
    secrets = tuple(
        value.split(" ")[-1]  # without "Bearer"
        for name, value in response.request.headers.items()
        if any(word in name.lower() for word in ("auth", "key", "token", "secret"))
    )
    failure = answered_error(
        response.status_code, response.headers, response.content, url, model, secrets, page
    )
    failure.status = response.status_code
    return failure


def answered_error(
    status: int | None,
    headers: Mapping[str, str],
    content: Any,
    url: str,
    model: str,
    secrets: tuple[str, ...] = (),
    page: str = CHAT_PAGE,
) -> CallError:
    """The error that an answer means. Never raises.

    status: of HTTP, or None where that was 200: then a code in the body counts as the status.
    content: the body, or the part of its JSON document that is the error. No word of `secrets` is
    in the message.
    """
    body = read_error_body(content)
    named = (code for type_, code in STATUS_OF_TYPE.items() if type_ in body.codes)
    code = status or body.status or next(named, 0)
    kind, refusal = _kind(code, body)
    what, hint = _message(kind, code, body, refusal)
    words = body.words(secrets)
    what, hint = (text.replace("{page}", page) for text in (what, hint))
    message = f"{url} {what.replace('{model}', model)}" + (f" ({code})" if code else "")
    message += f": {words}" if words else "."
    if refusal is not None:
        return ParameterRefusedError(
            message,
            hint,
            parameter=refusal.name,
            suggested=refusal.suggested,
            about_value=refusal.about_value,
        )
    error = kind(message, hint, maybe_charged=code in TIMED_OUT)
    if isinstance(error, TransientCallError):
        stated = retry_after_seconds(headers)
        error.retry_after = stated if stated is not None else body.retry_after
    return error


def _kind(status: int, body: ErrorBody) -> tuple[type[CallError], Refusal | None]:
    text = body.text
    if status == 413 or (status == 429 and asks_for_too_much(text)):
        return ContextTooLongError, None
    if body.flagged and status in (0, 400, 403):
        return ContentFilteredError, None
    if status == 403 and (refusal := refused_parameter(body)) and refusal.name == LOG_PROBS:
        return ParameterRefusedError, refusal
    for rule in (FILTERED, ACCOUNT, MODEL, TOO_LONG):
        if rule.has_code(body.codes):
            return rule.kind, None
    for rule in (FILTERED, ACCOUNT, TOO_LONG):
        if rule.has_words(status, text):
            return rule.kind, None
    if status in NAMES_PARAMETER or not status:
        if refusal := refused_parameter(body):
            return ParameterRefusedError, refusal
        if any(name == "model" for name, _ in body.parameters):
            return ModelError, None
    if MODEL.has_words(status, text):
        return ModelError, None
    if LIMIT.has_code(body.codes):
        return RateLimitedError, None
    if status in BY_STATUS:
        return BY_STATUS[status], None
    return (RequestRefusedError if 400 <= status < 500 else TransientCallError), None


def _message(
    kind: type[CallError], status: int, body: ErrorBody, refusal: Refusal | None
) -> tuple[str, str]:
    if refusal is not None:
        about = "the value of " if refusal.about_value else ""
        hint = f"It says to use '{refusal.suggested}'." if refusal.suggested else ""
        if refusal.about_value and refusal.name in ("max_tokens", "max_completion_tokens"):
            hint = (
                "Lower RUIE_LLM_MAX_TOKENS (a job that has begun: `ruie job set JOB --max-tokens`)."
            )
            if BUDGET in body.text:
                hint = "Raise RUIE_LLM_REASONING_TOKENS above the budget, or lower the budget."
        return f"does not take {about}the parameter '{refusal.name}'", hint
    if kind is AccountError and (status == 402 or says_credit_is_spent(body.codes, body.text)):
        return SPENT
    if kind is ModelError and not (MODEL.has_code(body.codes) or ABOUT_MODEL.search(body.text)):
        return NO_SUCH_PAGE
    return MESSAGES[kind]
