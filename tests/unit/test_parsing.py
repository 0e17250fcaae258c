"""From an output to items: each reason for a refusal, both forms, and which occurrence is meant."""

from __future__ import annotations

import pytest

from ruie.parsing import Parsed, parse
from ruie.records import (
    Demonstration,
    Grounding,
    Item,
    Query,
    RejectReason,
    Span,
    Task,
    Trigger,
)

TEXT = "Ada met Grace in Paris. Ada liked Paris."


def query(
    task: Task = Task.NER,
    text: str = TEXT,
    labels: tuple[str, ...] = ("PER", "LOC"),
    trigger: Trigger | None = None,
) -> Query:
    return Query(task, text, "s", dict.fromkeys(labels, ""), trigger)


def items_of(parsed: Parsed) -> list[tuple[str, ...]]:
    return [(i.type, *(span.text for span in i.spans)) for i in parsed.items]


def refused(parsed: Parsed) -> list[tuple[str, str]]:
    return [(str(reject.reason), reject.raw) for reject in parsed.rejects]


LINEAR = {
    "unknown type": ("ORG: Ada; PER: Grace", [("PER", "Grace")], [("unknown_type", "ORG: Ada")]),
    "not in text": ("PER: Alan; PER: Ada", [("PER", "Ada")], [("not_in_text", "PER: Alan")]),
    "malformed": ("Ada; PER: Ada", [("PER", "Ada")], [("malformed", "Ada")]),
    "no span": ("PER: ; PER: Ada", [("PER", "Ada")], [("malformed", "PER:")]),
    "repeated": ("PER: Grace; PER: Grace", [("PER", "Grace")], [("repeated", "PER: Grace")]),
    "repeated in other case": ("PER: Grace; PER: GRACE", [("PER", "Grace")],
                               [("repeated", "PER: GRACE")]),
    "leaked": ("PER: Marie Curie", [], [("leaked", "PER: Marie Curie")]),
    "leaked in other case": ("PER: marie  curie", [], [("leaked", "PER: marie  curie")]),
    "several lines": ("PER: Ada\n\nLOC: Paris\n", [("PER", "Ada"), ("LOC", "Paris")], []),
    "none": ("None", [], []),
    "an item and none": ("PER: Ada; None", [("PER", "Ada")], []),
    "case of the type": ("per: Ada", [("PER", "Ada")], []),
    "same span, two types": ("PER: Grace; LOC: Grace", [("PER", "Grace"), ("LOC", "Grace")], []),
}  # fmt: skip

SHOWN = Demonstration(
    "d", Task.NER, "s", ("PER",), "Marie Curie came.", (Item("PER", (Span("Marie Curie"),)),)
)


@pytest.mark.parametrize(("output", "items", "rejects"), LINEAR.values(), ids=list(LINEAR))
def test_the_linear_form(
    output: str, items: list[tuple[str, ...]], rejects: list[tuple[str, str]]
) -> None:
    parsed = parse(output, query(), [SHOWN])
    assert (items_of(parsed), refused(parsed), parsed.readable) == (items, rejects, output != "Ada")


@pytest.mark.parametrize(
    ("output", "readable"),
    [
        ("", False),
        ("I am sorry", False),
        ("Ada; Grace", False),
        ("None", True),
        ("None\nI found nothing", True),
        ("ORG: Ada", False),
        ("ORG: Ada; None", True),
        ("ORG: Ada; PER: Ida", True),
        ("PER: Ada", True),
    ],
)
def test_readable_means_a_known_type_or_a_statement_of_none(output: str, readable: bool) -> None:
    assert parse(output, query()).readable is readable


def test_what_was_shown_and_is_in_the_text_is_no_leak() -> None:
    parsed = parse("PER: Marie Curie", query(text="Marie Curie again"), [SHOWN])
    assert items_of(parsed) == [("PER", "Marie Curie")]


def test_a_relation_leaks_with_either_part() -> None:
    rel = query(Task.RE, labels=("met",))
    assert refused(parse("met: Ada, Marie Curie", rel, [SHOWN]))[0][0] == RejectReason.LEAKED
    assert refused(parse("met: Ada, Pierre Curie", rel, [SHOWN]))[0][0] == RejectReason.NOT_IN_TEXT


def places(parsed: Parsed) -> list[tuple[int, ...]]:
    return [tuple(span.start for span in item.spans) for item in parsed.items]


def test_the_nth_mention_is_the_nth_occurrence() -> None:
    parsed = parse("PER: Ada; LOC: Paris; PER: Ada; LOC: Paris; PER: Ada", query())
    assert places(parsed) == [(0,), (17,), (24,), (34,)]
    assert refused(parsed) == [("repeated", "PER: Ada")]


def test_mentions_in_different_case_have_places_of_their_own() -> None:
    parsed = parse("PER: ada; PER: Ada", query(text="ada and Ada"))
    assert places(parsed) == [(0,), (8,)]


def test_the_nth_mention_counts_for_each_type() -> None:
    assert places(parse("PER: Ada; LOC: Ada", query())) == [(0,), (0,)]


def test_a_relation_takes_the_nearest_pair_once() -> None:
    rel = query(Task.RE, labels=("saw",))
    parsed = parse("saw: Ada, Paris; saw: Ada, Paris", rel)
    assert places(parsed) == [(24, 17)]  # two characters between them
    assert refused(parsed) == [("repeated", "saw: Ada, Paris")]


@pytest.mark.parametrize(("at", "expected"), [(34, 24), (4, 0)])
def test_an_argument_is_the_occurrence_nearest_to_its_trigger(at: int, expected: int) -> None:
    trigger = Trigger("E", Span("x", at, at + 3, Grounding.EXACT))
    eae = query(Task.EAE, labels=("who",), trigger=trigger)
    assert places(parse("who: Ada; who: Ada", eae)) == [(expected,)]


def test_an_argument_of_a_trigger_without_place_is_the_first() -> None:
    eae = query(Task.EAE, labels=("who",), trigger=Trigger("E", Span("met")))
    assert places(parse("who: Ada", eae)) == [(0,)]


def test_types_that_differ_in_case_are_told_apart() -> None:
    eae = query(labels=("per", "PER"))
    assert items_of(parse("PER: Ada; per: Grace", eae)) == [("PER", "Ada"), ("per", "Grace")]


def test_how_a_span_was_found_is_kept() -> None:
    text = "Ada met Grace near the rivers"
    parsed = parse("PER: Ada; PER: GRACE; LOC: river", query(text=text))
    assert [(i.spans[0].text, i.spans[0].grounding) for i in parsed.items] == [
        ("Ada", Grounding.EXACT),
        ("Grace", Grounding.NORMALISED),
        ("rivers", Grounding.FUZZY),
    ]


@pytest.mark.parametrize(
    ("text", "answer", "span"),
    [
        ("Mr Quill left.", "Mr. Quill", "Mr Quill"),
        ("The St Orvane Bank of Tessin fell.", "St. Orvane Bank of Tessin",
         "St Orvane Bank of Tessin"),
        ("Orvane - Tessin companies", "Orvane - Tessin company", "Orvane - Tessin companies"),
    ],
)  # fmt: skip
def test_a_span_in_another_spelling_is_not_cut_at_a_mark(text: str, answer: str, span: str) -> None:
    assert items_of(parse(f"PER: {answer}", query(text=text))) == [("PER", span)]
