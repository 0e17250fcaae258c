"""How probable tokens were: what endpoints say, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from ruie.llm.log_probs import LEAST, of_answer, read_log_probs


def entry(token: str, value: Any = -0.5, **more: Any) -> dict[str, Any]:
    return {"token": token, "logprob": value, "top_logprobs": [], **more}


def content(*entries: Any) -> dict[str, Any]:
    return {"logprobs": {"content": list(entries)}}


def test_the_form_of_openai() -> None:
    said = content(entry("person"), entry(": Ada", -1, bytes=list(b": Ada")), entry("", 0.0))
    assert read_log_probs(said) == (("person", -0.5), (": Ada", -1.0), ("", 0.0))


def test_the_form_of_together() -> None:
    said = {"logprobs": {"tokens": ["Ada", "."], "token_logprobs": [-0.25, -3], "token_ids": [1]}}
    assert read_log_probs(said) == (("Ada", -0.25), (".", -3.0))


def test_a_character_of_several_tokens_is_the_last_ones() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    said = content(
        entry("Zo"), entry("\ufffd", bytes=list(first)), entry("\ufffd", bytes=list(second))
    )
    assert [token for token, _ in read_log_probs(said)] == ["Zo", "", "é"]


@pytest.mark.parametrize(
    ("said", "meant"), [(1e-6, 0.0), (-9999, LEAST), (float("-inf"), LEAST), (float("inf"), 0.0)]
)
def test_a_probability_is_between_one_and_hardly_any(said: float, meant: float) -> None:
    assert read_log_probs(content(entry("a", said))) == (("a", meant),)


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"logprobs": None},
        {"logprobs": 3},
        {"logprobs": {}},
        {"logprobs": {"content": None}},
        {"logprobs": {"content": "abc"}},
        content("a"),
        content(None),
        content({"token": "a"}),
        content({"logprob": -1}),
        content(entry("a"), entry("b", None)),
        content(entry("a", True)),
        content(entry("a", "-1")),
        content(entry("a", float("nan"))),
        content(entry("a", -(10**400))),
        content(entry("a", bytes="a")),
        content(entry("a", bytes=[300])),
        content(entry("a", bytes=10**15)),
        content({"token": 3, "logprob": -1}),
        {"logprobs": {"tokens": ["a"]}},
        {"logprobs": {"tokens": ["a"], "token_logprobs": [-1, -2]}},
        {"logprobs": {"tokens": ["a"], "token_logprobs": [None]}},
    ],
)
def test_what_is_none(choice: Any) -> None:
    assert read_log_probs(choice) == ()


def test_thoughts_before_an_answer_are_left_out() -> None:
    tokens = (("<think>", -1.0), ("person: Ada?", -2.0), ("</think>\n\n", -3.0), ("person", -4.0),
              (": Ada", -5.0))  # fmt: skip  # a line of tokens
    assert of_answer(tokens, "person: Ada") == tokens[3:]
    assert of_answer(tokens, "place: Bath") == tokens
    assert of_answer(tokens, "") == tokens
    assert of_answer((), "person: Ada") == ()


def test_an_answer_that_repeats_itself_is_whole() -> None:
    tokens = tuple((piece, -1.0) for _ in range(100) for piece in ("PER", ": Ada", "; "))
    assert of_answer(tokens, "PER: Ada; " * 100) == tokens
    cleaned = "PER: Ada; " * 99 + "PER: Ada;!"  # not as it was written
    assert of_answer(tokens, cleaned) == tokens
