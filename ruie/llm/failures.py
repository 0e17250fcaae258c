"""Which `CallError` an endpoint's HTTP error means, and so what becomes of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruie.errors import (
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    FatalCallError,
    ItemError,
    RateLimitedError,
    TransientCallError,
)
from ruie.llm.retry_after import retry_after_seconds

if TYPE_CHECKING:
    import openai

MAX_DETAIL = 300
"""Characters of the endpoint's own message that are repeated in ours."""

TOO_LONG = ("context length", "context size", "context window", "too long")
"""How servers without error codes say that a prompt does not fit."""


def call_error(error: openai.APIStatusError, url: str, model: str) -> CallError:
    """The error of a call to `url` that was answered with an HTTP status of 400 or more."""
    status = error.status_code
    detail = " ".join(str(getattr(error, "message", "") or error).split())[:MAX_DETAIL]
    wait = retry_after_seconds(error.response.headers)
    code = str(getattr(error, "code", "") or "")
    if status == 402 or code == "insufficient_quota":
        return FatalCallError(
            f"{url}: the account's quota is spent: {detail}", "Raise it, then resume the job."
        )
    if status in (429, 503):
        return RateLimitedError(f"{url} limits the rate: {detail}", retry_after=wait)
    if status in (408, 409, 425) or status >= 500:
        return TransientCallError(f"{url} answered {status}: {detail}", retry_after=wait)
    if status in (401, 403):
        return FatalCallError(f"{url} refuses the key: {detail}", "Set RUIE_LLM_API_KEY.")
    if status == 404:
        return FatalCallError(
            f"{url} does not know the model '{model}': {detail}", "Set RUIE_LLM_MODEL."
        )
    if code == "context_length_exceeded" or any(words in detail.lower() for words in TOO_LONG):
        return ContextTooLongError(f"The prompt is too long for the model: {detail}")
    if code == "content_filter":
        return ContentFilteredError(f"The provider's content filter refused: {detail}")
    return ItemError(f"{url} answered {status}: {detail}")
