"""Prompts: the task's instruction, k demonstrations with the most similar one last, the query.

A prompt is a conversation: each demonstration is a message of the user (the sentence) and one of
the assistant (the answer), so that the model's own chat template shows it what an answer looks
like; the last message is the query. The instruction begins the first message, as some templates
have no system message. The task and the types are stated once: the demonstrations share them, and
repeating them would only cost tokens.

`PROMPT_VERSION` is part of every idempotency key: change it whenever a prompt changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruie.output import linear
from ruie.parsing import OutputForm
from ruie.records import Demonstration, Item, Query, Task, Trigger
from ruie.tokens import MESSAGE_TOKENS, estimate_messages, estimate_tokens

PROMPT_VERSION = "1"
MAX_PROMPT_TOKENS = 1792  # the paper's input length

Message = dict[str, str]

_WORDING = {
    Task.NER: ("Find the named entities in the sentence.", "Entity types", "Entities"),
    Task.RE: (
        "Find the relations between entities in the sentence.",
        "Relation types",
        "Relations",
    ),
    Task.ED: (
        "Find the events in the sentence, each by the word that tells of it (its trigger).",
        "Event types",
        "Events",
    ),
    Task.EAE: (
        "Find the arguments of the given event in the sentence.",
        "Argument roles",
        "Arguments",
    ),
}
_FORMS = {
    Task.NER: "type: entity; type: entity",
    Task.RE: "type: head entity, tail entity; type: head entity, tail entity",
    Task.ED: "type: trigger; type: trigger",
    Task.EAE: "role: argument; role: argument",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for a chat endpoint, and the demonstrations that fitted into them."""

    messages: tuple[Message, ...]
    demonstrations: tuple[Demonstration, ...]
    tokens: int
    """Estimated by `ruie.tokens`."""


def build(
    query: Query,
    demonstrations: Sequence[Demonstration],
    form: OutputForm = OutputForm.LINEAR,
    max_tokens: int = MAX_PROMPT_TOKENS,
) -> Prompt:
    """The prompt for a query. `demonstrations` come most similar first and are shown in reverse.

    The least similar ones are left out until the estimate is within `max_tokens`. A query that is
    too long by itself is sent as it is: cutting the document would lose records silently, while the
    endpoint reports a prompt above its own limit.
    """
    instruction = _instruction(query, form, shown=bool(demonstrations))
    last = _user_message(query.task, query.text, query.trigger, query.context)
    used = estimate_tokens(instruction) + estimate_tokens(last) + MESSAGE_TOKENS
    shown: list[tuple[Demonstration, str, str]] = []
    for demonstration in demonstrations:
        sentence = _user_message(demonstration.task, demonstration.text, demonstration.trigger)
        answer = render(demonstration.items, demonstration.task, form)
        cost = estimate_tokens(sentence) + estimate_tokens(answer) + 2 * MESSAGE_TOKENS
        if used + cost > max_tokens:
            break
        used += cost
        shown.append((demonstration, sentence, answer))
    if demonstrations and not shown:
        instruction = _instruction(query, form, shown=False)
    messages: list[Message] = []
    for _, sentence, answer in reversed(shown):
        messages += [
            {"role": "user", "content": sentence},
            {"role": "assistant", "content": answer},
        ]
    messages.append({"role": "user", "content": last})
    messages[0] = {"role": "user", "content": f"{instruction}\n\n{messages[0]['content']}"}
    for message in messages:
        # half a surrogate pair, which damaged text may hold, cannot be sent
        message["content"] = message["content"].encode("utf-8", "replace").decode()
    demonstrated = tuple(demo for demo, _, _ in shown)
    return Prompt(tuple(messages), demonstrated, estimate_messages(messages))


def render(items: Sequence[Item], task: Task, form: OutputForm) -> str:
    """The gold answer in the given output form."""
    if form is not OutputForm.JSON:
        return linear.render(items)
    name = "role" if task is Task.EAE else "type"
    keys = ("head", "tail") if task is Task.RE else ("span",)
    entries = [
        {
            name: item.type,
            **{k: linear.one_line(s.text) for k, s in zip(keys, item.spans, strict=True)},
        }
        for item in items
    ]
    return json.dumps({"items": entries}, ensure_ascii=False)


def json_schema(query: Query) -> Mapping[str, Any]:
    """The JSON Schema of the answer, for `response_format`."""
    name = "role" if query.task is Task.EAE else "type"
    keys = ("head", "tail") if query.task is Task.RE else ("span",)
    properties: dict[str, Any] = {name: {"type": "string", "enum": list(query.labels)}}
    properties.update({key: {"type": "string"} for key in keys})
    item = {
        "type": "object",
        "properties": properties,
        "required": [name, *keys],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}},
        "required": ["items"],
        "additionalProperties": False,
    }


def _instruction(query: Query, form: OutputForm, *, shown: bool) -> str:
    """shown: whether demonstrations follow, which say better what an answer looks like."""
    task, types, _ = _WORDING[query.task]
    lines = [task]
    if any(query.labels.values()):
        lines.append(f"{types}:")
        lines += [f"- {k}: {v}" if v else f"- {k}" for k, v in query.labels.items()]
    else:
        lines.append(f"{types}: {', '.join(query.labels)}.")
    if form is not OutputForm.JSON:
        like = _FORMS[query.task] if shown else _example(query)
        lines.append(
            f"Answer in one line as `{like}`, or `{linear.NOTHING}` if there are "
            "none. Copy each piece of text exactly from the sentence."
        )
    else:
        lines.append(
            'Answer as JSON: {"items": [...]}, with an empty list if there are none. '
            "Copy each piece of text exactly from the sentence."
        )
    if query.context:
        lines.append("A line `Context:` tells what the sentence is about: take nothing from it.")
    return "\n".join(lines)


def _example(query: Query) -> str:
    """What an answer looks like, with the query's own types."""
    words = {Task.RE: "<head entity>, <tail entity>", Task.ED: "<trigger>"}
    words |= {Task.NER: "<entity>", Task.EAE: "<argument>"}
    return "; ".join(f"{label}: {words[query.task]}" for label in list(query.labels)[:2])


def _user_message(task: Task, text: str, trigger: Trigger | None, context: str = "") -> str:
    lines = [f"Context: {linear.one_line(context)}"] if context else []
    lines.append(f"Sentence: {linear.one_line(text)}")
    if trigger is not None:
        lines.append(f"Event: {trigger.type}: {linear.one_line(trigger.span.text)}")
    lines.append(f"{_WORDING[task][2]}:")
    return "\n".join(lines)
