"""Evaluation: which queries annotated rows have, and what is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from support.endpoint import Reply, ScriptedEndpoint, answer, failure

from ruie.annotations import Corpus
from ruie.errors import FatalCallError
from ruie.evaluation import Evaluation, Prediction, evaluate, predict, totals
from ruie.extractor import Extractor
from ruie.formats.row import AnnotatedRow
from ruie.llm import Completion, LLMClient
from ruie.mistakes import Mistake
from ruie.records import Grounding, Item, Span, Task
from ruie.schema import Schema
from ruie.scoring import Score

TEXT = "Ada met Grace; Ada left."
SCHEMA = Schema("s", {"PER": ""}, {"met": ""}, {"Meet": ("Who",), "Leave": ()})


def item(kind: str, *places: tuple[int, int]) -> Item:
    spans = (Span(TEXT[a:b], a, b, Grounding.EXACT) for a, b in places)
    return Item(kind, tuple(spans))


CORPUS = Corpus(
    SCHEMA,
    (
        AnnotatedRow(
            "1",
            TEXT,
            {
                Task.NER: (item("PER", (15, 18)), item("PER", (8, 13))),
                Task.ED: (item("Meet", (4, 7)), item("Leave", (19, 23))),
            },
            ((item("Who", (0, 3)),), ()),
        ),
        AnnotatedRow("2", "Nobody came.", {Task.NER: ()}),
        AnnotatedRow("3", TEXT, {Task.RE: (item("met", (0, 3), (8, 13)),)}),
    ),
)
REPLIES = {
    "Entities:": answer("PER: Ada; PER: Grace; PER: left", usage=(10, 5)),
    "Events:": answer("Leave: met; Leave: left", usage=(20, 6)),
    "Arguments:": answer("Who: Ada", usage=(30, 7)),
    "Relations:": failure(500),
}


def script(body: dict[str, Any], number: int) -> Reply:
    prompt = body["messages"][-1]["content"]
    if "Sentence: Nobody" in prompt:
        return answer("None", usage=(1, 1))
    return REPLIES[prompt.rsplit("\n", 1)[-1]]


def run(endpoint: ScriptedEndpoint, ended: list[int]) -> dict[Task, Evaluation]:
    async def evaluation() -> dict[Task, Evaluation]:
        llm = LLMClient(endpoint.url)
        try:
            return await evaluate(Extractor(None, llm, "m"), CORPUS, ended.append)
        finally:
            await llm.close()

    return asyncio.run(evaluation())


def test_counts() -> None:
    ended: list[int] = []
    with ScriptedEndpoint(script) as endpoint:
        found = run(endpoint, ended)
        events = [r.prompt for r in endpoint.requests if "\nEvent: " in r.prompt]
    assert list(found) == list(Task)
    entities, relations, triggers, arguments = found.values()
    # `Ada` is found at its first place, while the annotation means the second
    assert (entities.queries, entities.failed) == (2, 0)
    assert (entities.strings, entities.offsets) == (Score(2, 3, 2), Score(2, 3, 1))
    assert (entities.prompt_tokens, entities.completion_tokens) == (11, 6)
    assert (relations.queries, relations.failed) == (1, 1)
    assert relations.strings == relations.offsets == Score(1, 0, 0)
    assert (relations.prompt_tokens, relations.completion_tokens) == (0, 0)
    assert triggers.strings == triggers.offsets == Score(2, 2, 1)
    # the query is about the annotated event, which the model did not find
    assert arguments.offsets == Score(1, 1, 1)
    assert [prompt.splitlines()[-2] for prompt in events] == ["Event: Meet: met"]
    assert sum(ended) == sum(one.queries for one in found.values()) == 5


def test_a_refused_key_ends_it() -> None:
    with ScriptedEndpoint(failure(401)) as endpoint, pytest.raises(FatalCallError):
        run(endpoint, [])


def test_what_was_answered_is_not_asked_again_and_neither_is_a_question_that_comes_twice() -> None:
    """An answer that cannot be read is one too."""
    twice = Corpus(SCHEMA, (CORPUS.rows[0], CORPUS.rows[0]))

    async def evaluation(saved: dict[str, Completion]) -> list[Prediction]:
        llm = LLMClient(endpoint.url)
        try:
            return await predict(Extractor(None, llm, "m"), twice, saved=saved)
        finally:
            await llm.close()

    unreadable = answer("I see nothing", usage=(3, 4))
    replies = {**REPLIES, "Entities:": unreadable}

    def reply(body: dict[str, Any], number: int) -> Reply:
        return replies[body["messages"][-1]["content"].rsplit("\n", 1)[-1]]

    with ScriptedEndpoint(reply) as endpoint:
        first = asyncio.run(evaluation({}))
        assert endpoint.count == 3
        saved = {one.key: one.completion for one in first if one.completion}
        again = asyncio.run(evaluation(saved))
        assert endpoint.count == 3
    assert len(first) == 2 * len(saved) == 6
    assert totals(again) == totals(first)
    assert sum(one.failed for one in totals(first).values()) == 2
    assert [one.gold.row for one in first] == [0, 1] * 3


def test_a_charged_call_without_an_answer_counts_its_tokens() -> None:
    filtered = answer("x", finish_reason="content_filter", usage=(9, 1))
    with ScriptedEndpoint(filtered) as endpoint:
        found = run(endpoint, [])
    assert found[Task.NER] == Evaluation(
        Task.NER, 2, 2, Score(2, 0, 0), Score(2, 0, 0), 18, 2, Counter({Mistake.MISSED: 2})
    )


def test_an_answer_that_is_cut_off_is_asked_for_once_more_with_twice_the_limit() -> None:
    """And both are counted, as for a worker's item."""

    def reply(body: dict[str, Any], number: int) -> Reply:
        task = body["messages"][-1]["content"].rsplit("\n", 1)[-1]
        if task == "Entities:" and body["max_tokens"] == 256:
            return answer("PER: Ada; PER: Gr", finish_reason="length", usage=(10, 256))
        return REPLIES[task]

    with ScriptedEndpoint(reply) as endpoint:
        found = run(endpoint, [])
        asked = [each.body["max_tokens"] for each in endpoint.requests]
    assert set(asked) == {256, 512}
    assert found[Task.NER].failed == 0
    assert found[Task.NER].completion_tokens == asked.count(512) * (256 + 5)


def test_what_is_cut_off_again_fails_and_both_calls_are_counted() -> None:
    cut_off = answer("PER: Ada; PER: Gr", finish_reason="length", usage=(10, 4))
    with ScriptedEndpoint(cut_off) as endpoint:
        found = run(endpoint, [])
    assert found[Task.NER].failed == found[Task.NER].queries == 2
    assert found[Task.NER].completion_tokens == 2 * (4 + 4)


def test_a_second_call_that_fails_and_is_charged_is_counted_too() -> None:
    def reply(body: dict[str, Any], number: int) -> Reply:
        if body["max_tokens"] == 256:
            return answer("PER: Ada; PER: Gr", finish_reason="length", usage=(10, 4))
        return answer("x", finish_reason="content_filter", usage=(10, 7))

    with ScriptedEndpoint(reply) as endpoint:
        found = run(endpoint, [])
    assert found[Task.NER].failed == found[Task.NER].queries == 2
    assert found[Task.NER].completion_tokens == 2 * (4 + 7)
