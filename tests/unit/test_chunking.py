"""Long texts in chunks: what holds of every text, in any script."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruie.chunking import Chunker, context_of
from ruie.tokens import estimate_tokens

PIECES = st.sampled_from(
    ["Crude fell. ", "e.g. Dr. X, ", "今天很好。", "これは文です。", "यह वाक्य है। ", "هذه جملة؟ ",
     "\n\n", "\r\n", " ", "word", "👩‍👧", "e\u0301", "\ud800", "\x00", "x" * 90, "; ", "Straße! "]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=120).map("".join)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(8, 60), st.integers(0, 3))
def test_ranges_cover_the_text_in_order_within_the_budget(
    text: str, budget: int, overlap: int
) -> None:
    chunks = Chunker(budget, overlap)(text)
    if estimate_tokens(text) <= budget:
        assert chunks == [(0, len(text))]
        return
    assert chunks == Chunker(budget, overlap)(text)
    reached = 0
    for before, (start, end) in zip([(-1, 0), *chunks], chunks, strict=False):
        assert before[0] < start < end
        assert before[1] < end
        assert estimate_tokens(text[start:end]) <= budget
        assert not text[reached:start].strip()
        assert estimate_tokens(text[start : before[1]]) <= budget // 2 + overlap
        assert overlap or start >= before[1]
        reached = end
    assert not text[reached:].strip()


SENTENCES = {
    "en": ["Dr. Smith met J.P. Morgan at 5 p.m. yesterday.", "Crude fell 2.3 % to $71.20."],
    "de": ["Das gilt z. B. für Dr. Müller.", "Am 3. Mai kam er nach Bonn."],
    "zh": ["今天天气很好。", "我们去公园吧！"],
    "ja": ["これは最初の文です。", "次の文はここです。"],
    "ar": ["هذه جملة أولى.", "هل هذه جملة أخرى؟"],
    "hi": ["यह पहला वाक्य है।", "यह दूसरा वाक्य है।"],
}


@pytest.mark.parametrize("language", SENTENCES)
def test_chunks_are_whole_sentences(language: str) -> None:
    gap = "" if language in ("zh", "ja") else " "
    sentences = SENTENCES[language] * 10
    text = gap.join(sentences)
    found = [text[a:b] for a, b in Chunker(40, 1, language)(text)]
    assert len(found) > 2
    for chunk in found:
        assert any(chunk.startswith(one) for one in sentences), chunk
        assert any(chunk.endswith(one) for one in sentences), chunk
    for before, after in pairwise(found):
        assert any(before.endswith(one) and after.startswith(one) for one in sentences)


def test_a_sentence_over_the_budget_is_cut_between_words_never_in_a_sign() -> None:
    words = "alpha beta gamma " * 200
    for start, end in Chunker(20, 0)(words):
        assert {*words[start:end].split()} <= {"alpha", "beta", "gamma"}
    family = "👩‍👩‍👧" * 200
    assert all((end - start) % 5 == 0 for start, end in Chunker(32, 0)(family))


@pytest.mark.parametrize("text", ["你好。" * 100_000, "a" * 1_000_000, "Crude fell. " * 80_000])
def test_a_long_text(text: str) -> None:
    parts = Chunker()(text)
    assert (parts[0][0], parts[-1][1]) == (0, len(text.rstrip()))


def test_a_context_is_one_short_line() -> None:
    assert context_of({"title": "Oil\n news"}, "title") == "Oil news"
    assert context_of({"title": 7}, "title") == "7"
    assert len(context_of({"title": "x" * 999}, "title")) == 300
    assert context_of({"title": ["x"]}, "title") == context_of(None, "title") == ""
