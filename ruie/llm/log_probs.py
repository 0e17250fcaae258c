"""How probable each token of an answer was, as endpoints say it."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

LogProbs = tuple[tuple[str, float], ...]
"""The tokens of an answer as text, each with the natural logarithm of its probability."""
LEAST = -100.0
"""No token counts as less probable: some servers say -9999, and JSON may have -Infinity."""
BEGINNING, SLACK = 200, 400
"""Characters of an answer by which its place is found, and after which more of it may follow than
its text has."""


def read_log_probs(choice: Mapping[str, Any]) -> LogProbs:
    """Those of a choice of a chat completion, in the form of OpenAI or in that of its older
    completions, which Together has; empty where the endpoint gives none, or anything in them is not
    what it should be. A character of several tokens is counted to the last of them."""
    stated = choice.get("logprobs")
    if not isinstance(stated, dict):
        return ()
    try:
        return tuple(_pairs(stated))
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return ()


def _pairs(stated: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if isinstance(content := stated.get("content"), list):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for entry in content:
            written = entry.get("bytes")
            if written is not None and not isinstance(written, list):
                raise TypeError
            token = entry["token"] if written is None else decoder.decode(bytes(written))
            yield _pair(token, entry["logprob"])
    elif isinstance(tokens := stated.get("tokens"), list):
        for token, value in zip(tokens, stated["token_logprobs"], strict=True):
            yield _pair(token, value)


def _pair(token: Any, value: Any) -> tuple[str, float]:
    if not isinstance(token, str) or isinstance(value, bool) or math.isnan(value):
        raise ValueError
    return token, max(LEAST, min(float(value), 0.0))


def of_answer(tokens: LogProbs, text: str) -> LogProbs:
    """Without those of what stands before the answer's text, such as thoughts; all of them where it
    is not found. text: what was left of it may be cut off at its end."""
    everything = "".join(token for token, _ in tokens)
    wanted = text.strip()
    if not wanted:
        return tokens
    start = everything.rfind(wanted)
    if start < 0:  # not as it was written: its beginning, where so much can follow
        start = everything.find(wanted[:BEGINNING], max(0, len(everything) - len(text) - SLACK))
    ends = accumulate(len(token) for token, _ in tokens)
    return tokens[sum(end <= start for end in ends) :]
