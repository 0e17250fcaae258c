"""Prompts: the layout, the budget, and the JSON Schema of an answer."""

from __future__ import annotations

import json

import pytest

from ruie import prompts
from ruie.parsing import OutputForm
from ruie.records import Demonstration, Item, Query, Span, Task, Trigger
from ruie.tokens import estimate_messages


def query(task: Task = Task.NER, text: str = "Ada met Grace.", **labels: str) -> Query:
    trigger = Trigger("Meet", Span("met", 4, 7)) if task is Task.EAE else None
    return Query(task, text, "s", labels or {"PER": "", "LOC": ""}, trigger)


def demo(text: str, *items: Item, task: Task = Task.NER) -> Demonstration:
    return Demonstration(text, task, "s", ("PER", "LOC"), text, items)


def item(kind: str, *texts: str) -> Item:
    return Item(kind, tuple(Span(text) for text in texts))


def content(prompt: prompts.Prompt) -> str:
    """What all turns say, a blank line between them."""
    return "\n\n".join(message["content"] for message in prompt.messages)


NEAR = demo("Near one.", item("PER", "one"))
FAR = demo("Far one.")


def test_the_most_similar_comes_last_next_to_the_query() -> None:
    turns = [(m["role"], m["content"]) for m in prompts.build(query(), [NEAR, FAR]).messages]
    assert turns == [
        (
            "user",
            "Find the named entities in the sentence.\n"
            "Entity types: PER, LOC.\n"
            "Answer in one line as `type: entity; type: entity`, or `None` if there are none. "
            "Copy each piece of text exactly from the sentence.\n\n"
            "Sentence: Far one.\nEntities:",
        ),
        ("assistant", "None"),
        ("user", "Sentence: Near one.\nEntities:"),
        ("assistant", "PER: one"),
        ("user", "Sentence: Ada met Grace.\nEntities:"),
    ]


def test_without_demonstrations_one_turn_says_it_all() -> None:
    ((role, text),) = [m.values() for m in prompts.build(query(), []).messages]
    assert role == "user"
    assert text.startswith("Find the named entities")
    assert text.endswith("\n\nSentence: Ada met Grace.\nEntities:")


def test_descriptions_stand_one_a_line() -> None:
    text = content(prompts.build(query(PER="people", LOC=""), []))
    assert "Entity types:\n- PER: people\n- LOC\nAnswer" in text


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            Task.NER,
            ("named entities", "Entity types", "`PER: <entity>; LOC: <entity>`", "\nEntities:"),
        ),
        (
            Task.RE,
            ("relations", "Relation types", "`PER: <head entity>, <tail entity>;", "\nRelations:"),
        ),
        (Task.ED, ("trigger", "Event types", "`PER: <trigger>;", "\nEvents:")),
        (Task.EAE, ("arguments", "Argument roles", "`PER: <argument>;", "\nArguments:")),
    ],
)
def test_each_task_says_what_it_asks(task: Task, words: tuple[str, ...]) -> None:
    text = content(prompts.build(query(task), []))
    for word in words:
        assert word in text
    assert text.endswith(words[-1])


def test_an_argument_query_names_its_event() -> None:
    text = content(prompts.build(query(Task.EAE), []))
    assert text.endswith("Sentence: Ada met Grace.\nEvent: Meet: met\nArguments:")


def test_a_text_of_several_lines_is_shown_as_one() -> None:
    shown = demo("a\n\nb", item("PER", "a\n\nb"))
    text = content(prompts.build(query(text="x\r\n  y\u2028z"), [shown]))
    assert "Sentence: a b\nEntities:\n\nPER: a b\n\nSentence: x y z\nEntities:" in text


def test_the_least_similar_are_left_out_when_there_is_no_room() -> None:
    shown = [demo(f"{n} " + "word " * 40) for n in range(8)]
    whole = prompts.build(query(), shown)
    assert whole.demonstrations == tuple(shown)
    assert whole.tokens <= prompts.MAX_PROMPT_TOKENS
    for room in range(whole.tokens + 1):
        prompt = prompts.build(query(), shown, max_tokens=room)
        kept = prompt.demonstrations
        assert kept == tuple(shown[: len(kept)])
        assert prompt.tokens <= room or not kept
        if len(kept) < 8:
            one_more = prompts.build(query(), shown[: len(kept) + 1], max_tokens=10**6)
            assert one_more.tokens > room, "there was room for one more"
        assert content(prompt).count("Sentence: ") == len(kept) + 1


def test_the_estimate_is_the_prompts() -> None:
    prompt = prompts.build(query(), [demo("word " * n) for n in range(20, 28)])
    assert prompt.tokens == pytest.approx(estimate_messages(prompt.messages), abs=9)


def test_a_query_that_is_too_long_is_sent_whole() -> None:
    text = "word " * 5000
    prompt = prompts.build(query(text=text), [NEAR], max_tokens=100)
    assert text.strip() in content(prompt)
    assert prompt.demonstrations == ()


def test_half_a_surrogate_pair_can_be_sent() -> None:
    prompt = prompts.build(query(text="a \ud83d b"), [])
    assert "Sentence: a ? b" in content(prompt)
    content(prompt).encode()


@pytest.mark.parametrize(
    ("task", "items", "expected"),
    [
        (Task.NER, [], {"items": []}),
        (Task.NER, [item("PER", "Ada\nL.")], {"items": [{"type": "PER", "span": "Ada L."}]}),
        (Task.RE, [item("r", "a", "b")], {"items": [{"type": "r", "head": "a", "tail": "b"}]}),
        (Task.EAE, [item("who", "ä")], {"items": [{"role": "who", "span": "ä"}]}),
    ],
)
def test_examples_in_the_json_form(task: Task, items: list[Item], expected: object) -> None:
    written = prompts.render(items, task, OutputForm.JSON)
    assert json.loads(written) == expected
    assert "\n" not in written
    assert "\\u" not in written


def test_the_json_form_asks_for_json() -> None:
    text = content(prompts.build(query(), [NEAR], OutputForm.JSON))
    assert 'Answer as JSON: {"items": [...]}' in text
    assert 'Entities:\n\n{"items": [{"type": "PER", "span": "one"}]}' in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("task", "keys"),
    [
        (Task.NER, ["type", "span"]),
        (Task.RE, ["type", "head", "tail"]),
        (Task.ED, ["type", "span"]),
        (Task.EAE, ["role", "span"]),
    ],
)
def test_the_json_schema_is_closed_and_knows_the_types(task: Task, keys: list[str]) -> None:
    schema = prompts.json_schema(query(task))
    item_schema = schema["properties"]["items"]["items"]
    assert list(item_schema["properties"]) == keys
    assert item_schema["properties"][keys[0]]["enum"] == ["PER", "LOC"]
    for closed in (schema, item_schema):  # what `strict` asks of every object
        assert closed["additionalProperties"] is False
        assert closed["required"] == list(closed["properties"])
