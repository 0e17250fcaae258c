"""What an answer names only to say that it is none, and heads and tails that are named."""

from __future__ import annotations

import pytest

from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, Task

TEXT = (
    "Mara Quill, who was not there, of Orvane and Acme, Inc. lives in Paris with Ada Byron; Belto "
    "Ltd. is near Rome. Mr. Hale left Tesla (excluded)."
)
LABELS = ("LOC", "PERSON", "ORG")


def read(
    output: str,
    task: Task = Task.NER,
    labels: tuple[str, ...] = LABELS,
    form: OutputForm = OutputForm.LINEAR,
) -> Parsed:
    return parse(output, Query(task, TEXT, "s", dict.fromkeys(labels, "")), form=form)


def found(parsed: Parsed) -> list[tuple[str, ...]]:
    return [(item.type, *(span.text for span in item.spans)) for item in parsed.items]


@pytest.mark.parametrize(
    "output",
    [
        "LOC: Paris (excluded)",
        "LOC: Paris (not a location)",
        "LOC: Paris (but this is not a location)",
        "LOC: Paris - not a location",
        "LOC: Paris // rejected, as it is not asked for",
        "LOC: Paris (isn't one)",
        "LOC: Paris [removed]",
        "Paris (excluded): LOC",
        "Possible but rejected: LOC: Paris",
        "Not included: LOC: Paris; PERSON: Ada Byron",
        "**Excluded:**\nLOC: Paris\nLOC: Rome",
        "Locations excluded:\n- LOC: Paris",
        "Rejected:\nLOC:\n- Paris\n- Rome",
        '{"items": [{"type": "LOC", "span": "Paris (not a location)"}]}',
        "LOC: Paris (the capital of another country; not included)",
        "LOC: Paris (this belongs to the second event, so it is not included)",
        "LOC: Paris - a person here, therefore excluded.",
        '{"items": [{"type": "LOC", "span": "Paris", "note": "not a location"}]}',
        '{"items": [{"type": "LOC", "span": "Paris", "valid": false}]}',
        '{"items": [], "candidates": [{"type": "LOC", "span": "Paris"}]}',
        '{"thinking": {"LOC": "Paris"}, "items": []}',
        '{"rejected": [{"type": "LOC", "span": "Paris"}]}',
        '{"items": [], "not_included": {"LOC": ["Paris"]}}',
    ],
)
@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
def test_what_is_taken_back_is_no_record_and_is_listed(output: str, form: OutputForm) -> None:
    parsed = read(output, form=form)
    assert found(parsed) == []
    assert parsed.rejects


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("LOC: Paris (a city in France)", [("LOC", "Paris")]),
        ("PERSON: Mara Quill (who was not there)", [("PERSON", "Mara Quill")]),
        ("PERSON: Mara Quill, who was not there", [("PERSON", "Mara Quill, who was not there")]),
        ("ORG: Tesla (excluded)", [("ORG", "Tesla (excluded)")]),
        ("LOC: Paris (its bid was later rejected)", [("LOC", "Paris")]),
        ("LOC: Paris (so many were left out there)", [("LOC", "Paris")]),
        ('{"candidates": [{"type": "LOC", "span": "Paris"}]}', [("LOC", "Paris")]),
        (
            '{"items": [{"type": "LOC", "span": "Paris", "note": "a city", "valid": true}]}',
            [("LOC", "Paris")],
        ),
        ('{"items": [{"type": "LOC", "text": "Paris", "span": [66, 71]}]}', [("LOC", "Paris")]),
        ("LOC: Paris (No. 3)", [("LOC", "Paris")]),
        ("Note: LOC: Paris", [("LOC", "Paris")]),
        ("Rejected: LOC: Rome\nAnswer: LOC: Paris", [("LOC", "Paris")]),
        ("Answer: LOC: Paris; Rejected: LOC: Rome", [("LOC", "Paris")]),
    ],
)
def test_what_is_explained_is_a_record(output: str, expected: list[tuple[str, ...]]) -> None:
    assert found(read(output)) == expected


RELATION = [("works_for", "Mara Quill", "Orvane")]


@pytest.mark.parametrize(
    "output",
    [
        "| Tail | Relation | Head |\n|---|---|---|\n| Orvane | works_for | Mara Quill |",
        "|#|**Object**|Predicate|Subject|\n|-|-|-|-|\n|1|Orvane|works_for|Mara Quill|",
        "Relation\tTail\tHead\nworks_for\tOrvane\tMara Quill",
        "works_for: Orvane (tail), Mara Quill (head)",
        "works_for: tail: Orvane, head: Mara Quill",
        "works_for(tail=Orvane, head=Mara Quill)",
        "(Orvane [tail], works_for, Mara Quill [head])",
        "works_for: Mara Quill (subject), Orvane (object)",
        "works_for: Mara Quill; Orvane",
    ],
)
def test_head_and_tail_are_read_by_their_names(output: str) -> None:
    parsed = read(output, Task.RE, ("works_for", "owns"))
    assert found(parsed) == RELATION
    assert parsed.rejects == ()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("owns: Acme, Inc.; Belto Ltd.", [("owns", "Acme, Inc.", "Belto Ltd.")]),
        ("owns: Acme, Inc., Belto Ltd.", [("owns", "Acme, Inc.", "Belto Ltd.")]),
        ("owns: Belto Ltd., Acme, Inc.", [("owns", "Belto Ltd.", "Acme, Inc.")]),
        ("owns: Acme, Inc.; Belto Ltd.; works_for: Mara Quill, Orvane",
         [("owns", "Acme, Inc.", "Belto Ltd."), *RELATION]),
    ],
)  # fmt: skip  # a table
def test_the_comma_of_a_company_divides_nothing(
    output: str, expected: list[tuple[str, ...]]
) -> None:
    parsed = read(output, Task.RE, ("works_for", "owns"))
    assert (found(parsed), parsed.rejects) == (expected, ())


def test_nor_does_it_among_listed_spans() -> None:
    assert found(read("ORG: Acme, Inc., Belto Ltd.")) == [
        ("ORG", "Acme, Inc."),
        ("ORG", "Belto Ltd."),
    ]
