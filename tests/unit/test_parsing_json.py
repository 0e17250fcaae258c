"""From an output in the JSON form to items: what is read, what is refused."""

from __future__ import annotations

import json

import pytest

from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, RejectReason, Task


def query(task: Task = Task.NER, labels: tuple[str, ...] = ("PER",)) -> Query:
    return Query(task, "Ada met Grace in Paris.", "s", dict.fromkeys(labels, ""))


def items_of(parsed: Parsed) -> list[tuple[str, ...]]:
    return [(i.type, *(span.text for span in i.spans)) for i in parsed.items]


def entry(*values: object, keys: tuple[str, ...] = ("type", "span")) -> dict[str, object]:
    return dict(zip(keys, values, strict=True))


PAIR = ("type", "head", "tail")
JSON_FORM = {
    "items": (Task.NER, {"items": [entry("PER", "Ada")]}, [("PER", "Ada")], []),
    "bare list": (Task.NER, [entry("PER", "Ada")], [("PER", "Ada")], []),
    "pair": (Task.RE, {"items": [entry("met", "Ada", "Grace", keys=PAIR)]},
             [("met", "Ada", "Grace")], []),
    "role": (Task.EAE, {"items": [entry("who", "Ada", keys=("role", "span"))]},
             [("who", "Ada")], []),
    "nothing": (Task.NER, {"items": []}, [], []),
    "space around": (Task.NER, {"items": [entry(" PER ", " Ada ")]}, [("PER", "Ada")], []),
    "no tail": (Task.RE, {"items": [entry("met", "Ada")]}, [], ["malformed"]),
    "type is a number": (Task.NER, {"items": [entry(1, "Ada"), entry("PER", "Ada")]},
                         [("PER", "Ada")], ["malformed"]),
    "span is a list": (Task.NER, {"items": [entry("PER", ["Ada"])]}, [], ["malformed"]),
    "empty span": (Task.NER, {"items": [entry("PER", " ")]}, [], ["malformed"]),
    "entry is text": (Task.NER, {"items": ["Ada"]}, [], ["malformed"]),
    "entry is an item as text": (Task.NER, {"items": ["PER: Ada"]}, [("PER", "Ada")], []),
    "entry is null": (Task.NER, {"items": [None]}, [], ["malformed"]),
    "items is an object": (Task.NER, {"items": {"type": "PER"}}, [], ["malformed"]),
    "no items": (Task.NER, {"error": []}, [], ["malformed"]),
    "nothing under another name": (Task.NER, {"entities": []}, [], []),
    "a number": (Task.NER, 5, [], ["malformed"]),
    "null": (Task.NER, None, [], []),
    "an empty object": (Task.NER, {}, [], []),
    "items is null": (Task.NER, {"items": None}, [], []),
    "an empty string": (Task.NER, "", [], ["malformed"]),
    "unknown type": (Task.NER, {"items": [entry("ORG", "Ada")]}, [], ["unknown_type"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "answer", "items", "reasons"), JSON_FORM.values(), ids=list(JSON_FORM)
)
@pytest.mark.parametrize(
    "written",
    ["{}", "```json\n{}\n```", "```\n{}```", "\n  {} \n", " ``` JSON \n{}\n ``` "],
    ids=["plain", "fenced with name", "fenced", "space", "loosely fenced"],
)
def test_the_json_form(
    task: Task, answer: object, items: list[tuple[str, ...]], reasons: list[str], written: str
) -> None:
    labels = {Task.NER: ("PER",), Task.RE: ("met",), Task.EAE: ("who",)}[task]
    output = written.replace("{}", json.dumps(answer))
    parsed = parse(output, query(task, labels), form=OutputForm.JSON)
    assert items_of(parsed) == items
    assert [r.reason for r in parsed.rejects] == reasons
    assert parsed.readable == (bool(items) or not reasons)


@pytest.mark.parametrize(
    "output",
    ["", "Ada", '{"items": [', "```json\n{", "```", '"' + "9" * 5000, "9" * 5000, "NaN"],
)
def test_what_is_not_json_is_malformed(output: str) -> None:
    parsed = parse(output, query(), form=OutputForm.JSON)
    assert [(r.reason, r.raw) for r in parsed.rejects] == [(RejectReason.MALFORMED, output)]
    assert parsed.items == ()
    assert not parsed.readable


@pytest.mark.parametrize("depth", [*range(880, 1010, 3), 100_000])
def test_no_depth_of_nesting_raises(depth: int) -> None:
    nested = '{"items": [' + "[" * depth + "]" * depth + "]}"
    (reject,) = parse(nested, query(), form=OutputForm.JSON).rejects
    assert reject.reason is RejectReason.MALFORMED


def test_types_that_differ_in_case_are_told_apart() -> None:
    output = json.dumps([entry("PER", "Ada"), entry("per", "Grace")])
    parsed = parse(output, query(labels=("per", "PER")), form=OutputForm.JSON)
    assert items_of(parsed) == [("PER", "Ada"), ("per", "Grace")]
    neither = json.dumps([entry("Per", "Ada")])
    parsed = parse(neither, query(labels=("per", "PER")), form=OutputForm.JSON)
    assert items_of(parsed) == [("per", "Ada")], "the first in the schema"
