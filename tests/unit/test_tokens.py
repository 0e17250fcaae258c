"""The stated rule: a token for every 4 ASCII characters and one for every other character."""

from __future__ import annotations

import pytest

from ruie.tokens import MESSAGE_TOKENS, estimate_messages, estimate_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("中国", 2), ("abcd中", 2), ("abcde中国", 4),
     ("👍", 1)],
)  # fmt: skip
def test_text(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def test_messages() -> None:
    messages = [{"role": "system", "content": "abcd"}, {"role": "user", "content": "中"}]
    assert estimate_messages(messages) == 2 + 2 * MESSAGE_TOKENS
    assert estimate_messages([]) == 0
