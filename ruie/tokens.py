"""Estimating tokens where the model's tokenizer is not known.

The rule is simple enough to check an estimate by hand: one token for every 4 ASCII
characters, and one for every other character. Byte-pair vocabularies give English 4 to 5
characters per token and most other scripts 1 to 3, so that the rule rather overestimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MESSAGE_TOKENS = 4
"""Added for each chat message: its role and its separators."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text, rounded up."""
    if text.isascii():
        return -(-len(text) // 4)
    plain = sum(char < "\x80" for char in text)
    return -(-plain // 4) + len(text) - plain


def estimate_messages(messages: Iterable[Mapping[str, str]]) -> int:
    """Tokens of a chat prompt."""
    return sum(estimate_tokens(m["content"]) + MESSAGE_TOKENS for m in messages)
