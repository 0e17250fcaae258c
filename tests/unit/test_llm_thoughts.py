"""What a model thought is never read as its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.clients import CALL

from ruie.llm import Completion
from ruie.llm.response import read_completion

A = "PERSON: Mara Quill; ORG: Orvane"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7}


def response(message: Any, **more: Any) -> dict[str, Any]:
    choice = {"message": message, "finish_reason": "stop"}
    return {"choices": [choice], "usage": USAGE, **more}


def read(answer: Any) -> Completion:
    return read_completion(answer, {}, 0.1, CALL, "http://e/v1")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": f"<think>ORG: Tessin</think>\n\n{A}"}, A),
        ({"content": f"\n<think>\n</think>\n{A}"}, A),
        ({"content": f"<thinking>ORG: Tessin</thinking>{A}"}, A),
        ({"content": f"[THINK]ORG: Tessin[/THINK]{A}"}, A),
        ({"content": f"ORG: Tessin\n</think>\n\n{A}"}, A),
        ({"content": "<think>ORG: Tessin"}, ""),
        ({"content": f"<THINK>ORG: Tessin</THINK>{A}"}, A),
        ({"content": f"<Think>\nORG: Tessin\n</Think>\n\n{A}"}, A),
        ({"content": f"<thought>ORG: Tessin</thought>\n{A}"}, A),
        ({"content": f"<seed:think>ORG: Tessin</seed:think>{A}"}, A),
        ({"content": f"<think>x</think>\n<think>ORG: Tessin</think>\n{A}"}, A),
        ({"content": f"ORG: Tessin</think>\n\n{A}"}, A),
        ({"content": f"ORG: Tessin\n</THINK>\n{A}"}, A),
        ({"content": f"ORG: Tessin\n</thinking>\n{A}"}, A),
        ({"content": f"ORG: Tessin\n[/THINK]{A}"}, A),
        ({"content": "[THINK]ORG: Tessin"}, ""),
        ({"content": "[think]ORG: Tessin[/think]" + A}, A),
        ({"content": f"◁think▷ORG: Tessin◁/think▷{A}"}, A),
        ({"content": f"<|START_THINKING|>ORG: Tessin<|END_THINKING|>{A}"}, A),
        ({"content": f"{A}\n<think>\nORG: Tessin\n</think>"}, A),
        ({"content": f"<think>ORG: Tessin</think><answer>{A}</answer>"}, A),
        (
            {
                "content": "<|channel|>analysis<|message|>ORG: Tessin<|end|><|start|>assistant"
                f"<|channel|>final<|message|>{A}<|return|>"
            },
            A,
        ),
        ({"content": f"<|channel|>final<|message|>{A}"}, A),
        (
            {
                "content": "<|channel|>analysis<|message|>ORG: Tessin<|end|><|start|>assistant"
                f"<|channel|>final <|constrain|>json<|message|>{A}"
            },
            A,
        ),
        ({"content": "<|channel|>analysis<|message|>ORG: Tessin"}, ""),
        ({"content": "<|channel|>analysis"}, ""),
        ({"content": f"analysisWe see ORG: Tessin.assistantfinal{A}"}, A),
        ({"content": None, "reasoning_content": "ORG: Tessin"}, ""),
        ({"content": A, "reasoning": "ORG: Tessin"}, A),
        ({"content": A, "reasoning_details": [{"type": "reasoning.encrypted"}]}, A),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "ORG: Tessin"}]},
                    {"type": "text", "text": A},
                ]
            },
            A,
        ),
    ],
)
def test_thoughts_are_not_the_answer(message: dict[str, Any], text: str) -> None:
    got = read(response(message))
    assert (got.text, got.reasoned) == (text, True)


def test_thoughts_that_only_the_usage_tells() -> None:
    usage = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 5}}
    assert read(response({"content": A}, usage=usage)).reasoned


@pytest.mark.parametrize("text", ["ORG: </think> Inc", f"{A}\n<think>x</think>", "a </think>\nb"])
def test_a_document_about_tags(text: str) -> None:
    call = replace(CALL, messages=({"role": "user", "content": f"On tags: {text}"},))
    got = read_completion(response({"content": text}), {}, 0.1, call)
    assert (got.text, got.reasoned) == (text, False)


T = "The text names Tessin. ORG: Tessin"
TYPES = ({"role": "user", "content": "Find roles: Item, Reason, Analysis.\n\nSentence: a strike"},)


@pytest.mark.parametrize(
    "content",
    [
        f"{T}</think>{A}",
        f"{T} </think> {A}",
        f"{T}</think>\n{A}",
        f"{T}[/THINK] {A}",
        f"{T}<|END_THINKING|>{A}",
        f"{T}<|end_of_thought|>{A}",
        f"<think>{T}</think> Hm. {T}</think>{A}",
        f"{A} <think>{T}</think>",
        f"{A}\n<think>{T}",
        f"<reason>{T}</reason>{A}",
        f"<analysis>\n{T}\n</analysis>\n\n{A}",
        f"<analysis>{T}</analysis><think>{T}</think>{A}",
        f"{A}\n<reasoning>\n{T}\n</reasoning>",
        f"<|begin_of_thought|>{T}<|end_of_thought|>\n\n{A}",
        f"<|begin_of_thought|>{T}<|end_of_thought|><|begin_of_solution|>{A}<|end_of_solution|>",
        f"<think>{T} <think>{T}</think> {T}</think>{A}",
        f"<think>What is <think>? {T}</think>{A}",
        f"<thought>{T}<thought>{T}</thought>{T}</thought>{A}",
        f"<think>{T}<reason>{T}</reason></think>{A}",
        [{"type": "text", "text": T, "thought": True}, {"type": "text", "text": A}],
        [{"text": T, "thought": True}, {"text": A, "thought": False}],
    ],
)
def test_no_part_of_a_thought_is_the_answer(content: Any) -> None:
    got = read(response({"content": content}))
    assert (got.text.strip(), got.reasoned) == (A, True)


@pytest.mark.parametrize(
    "content",
    [f"<reason>{T}", f"<analysis>{T}</analysis>", f"<|begin_of_thought|>{T}", f"{T}</think>"],
)
def test_a_thought_without_an_answer_is_none(content: str) -> None:
    assert read(response({"content": content})).text == ""


def test_a_tag_that_is_named_like_a_type_is_no_thought() -> None:
    call = replace(CALL, messages=TYPES)
    for text in ("<reason>a strike</reason>", "<Analysis>\na strike\n</Analysis>"):
        got = read_completion(response({"content": text}), {}, 0.1, call)
        assert (got.text, got.reasoned) == (text, False)
