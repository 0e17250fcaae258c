"""How probable each token of an answer was, as endpoints say it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LogProbs = tuple[tuple[str, float], ...]
"""The tokens of an answer as text, each with the natural logarithm of its probability."""


def read_log_probs(choice: Mapping[str, Any]) -> LogProbs:
    """Those of a choice of a chat completion; empty where the endpoint gives none, or anything in
    them is not what it should be."""
    stated = choice.get("logprobs")
    content = stated.get("content") if isinstance(stated, dict) else None
    if not isinstance(content, list):
        return ()
    read: list[tuple[str, float]] = []
    for entry in content:
        token = entry.get("token") if isinstance(entry, dict) else None
        value = entry.get("logprob") if isinstance(entry, dict) else None
        if not isinstance(token, str) or isinstance(value, bool):
            return ()
        if not isinstance(value, int | float) or math.isnan(value):
            return ()
        read.append((token, min(float(value), 0.0)))
    return tuple(read)
