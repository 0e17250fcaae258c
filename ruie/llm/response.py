"""An endpoint's response, read without trusting it: some servers leave out half of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ruie.errors import ContentFilteredError, TransientCallError
from ruie.llm.call import Call, Completion
from ruie.llm.usage import read_usage
from ruie.tokens import estimate_tokens


def read_completion(
    answer: Any, headers: Mapping[str, str], latency_s: float, call: Call
) -> Completion:
    """The completion in a response's JSON document. Raises `CallError`.

    Tokens that the provider did not count are estimated: an answer that was paid for is not
    discarded because of them.
    """
    try:
        choice = answer["choices"][0]
        text = choice["message"].get("content")
        finish = str(choice.get("finish_reason") or "stop")
    except (AttributeError, KeyError, IndexError, TypeError):
        raise TransientCallError(
            "The endpoint's response is not a chat completion.", maybe_charged=True
        ) from None
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise TransientCallError("The endpoint's message is not text.", maybe_charged=True)
    usage = read_usage(answer)
    usage = replace(
        usage,
        prompt=usage.prompt or call.prompt_tokens,
        completion=usage.completion or estimate_tokens(text),
    )
    if finish == "content_filter":
        raise ContentFilteredError(
            "The provider's content filter refused.",
            raw_output=text,
            usage=usage,
        )
    return Completion(
        text=text, finish_reason=finish, usage=usage, latency_s=latency_s, headers=headers
    )
