"""The linear form: `type: span; type: span`, with `:`, `;` and `,` inside types and spans."""

from __future__ import annotations

import pytest

from ruie.grounding import Grounder
from ruie.output import linear
from ruie.output.segments import SegmentReader
from ruie.records import Item, Span


def item(kind: str, *texts: str) -> Item:
    return Item(kind, tuple(Span(text) for text in texts))


def cut(
    line: str, text: str, labels: tuple[str, ...], arity: int = 1
) -> list[tuple[str | None, ...]]:
    """Each segment as (label, *parts); an unreadable one as (None, raw)."""
    segments = linear.cut(line, SegmentReader(labels, arity, Grounder(text).contains))
    return [(s.label, *(s.parts or (s.raw,))) for s in segments]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], "None"),
        ([item("PER", "Ada")], "PER: Ada"),
        ([item("PER", "Ada"), item("ORG", "R. Society")], "PER: Ada; ORG: R. Society"),
        ([item("owns", "Ada", "a cat")], "owns: Ada, a cat"),
        ([item("PER", "Ada\n\tof  Byron")], "PER: Ada of Byron"),
    ],
)
def test_render(items: list[Item], expected: str) -> None:
    assert linear.render(items) == expected


@pytest.mark.parametrize("output", ["None", "none", " NONE. ", "`None`", "'None'.", '"none"'])
def test_nothing(output: str) -> None:
    assert linear.is_none(output)


@pytest.mark.parametrize("output", ["", "None of it", "PER: None", "nothing", "Nine"])
def test_not_nothing(output: str) -> None:
    assert not linear.is_none(output)


SPANS = {
    "plain": ("PER: Ada; PER: Grace", "Ada met Grace", [("PER", "Ada"), ("PER", "Grace")]),
    "no space": ("PER:Ada;PER:Grace", "Ada met Grace", [("PER", "Ada"), ("PER", "Grace")]),
    "space before colon": ("PER : Ada", "Ada", [("PER", "Ada")]),
    "case of the type": ("per: Ada", "Ada", [("PER", "Ada")]),
    "last semicolon": ("PER: Ada;", "Ada", [("PER", "Ada")]),
    "only semicolons": (";; ;", "Ada", []),
    "empty": ("  ", "Ada", []),
    "colon in span": ("PER: Ref: 12", "see Ref: 12 there", [("PER", "Ref: 12")]),
    "semicolon in span": ("PER: a; b", "the a; b there", [("PER", "a; b")]),
    "semicolons in span": ("PER: a; b; c; PER: d", "a; b; c and d", [("PER", "a; b; c"),
                                                                    ("PER", "d")]),
    "looks like an item": ("PER: x; ORG: y", "say x; ORG: y now", [("PER", "x"), ("ORG", "y")]),
    "an item inside a span": ("PER: x; ORG: y", "say x; ORG: y", [("PER", "x"), ("ORG", "y")]),
    "comma in span": ("PER: Smith, Ada", "by Smith, Ada", [("PER", "Smith, Ada")]),
    "span in other case": ("PER: A; b", "the a; B", [("PER", "A; b")]),
    "rest unknown": ("PER: Ada; and more", "Ada", [("PER", "Ada"), (None, "and more")]),
    "unknown type": ("Ada: DOG", "Ada", [("Ada", "DOG")]),
    "the span first": ("Ada: PER", "Ada", [("PER", "Ada")]),
    "the span first, not in the text": ("Bob: PER", "Ada", [("Bob", "PER")]),
    "no span": ("PER:; PER: Ada", "Ada", [(None, "PER:"), ("PER", "Ada")]),
    "no colon": ("Ada", "Ada", [(None, "Ada")]),
    "not in text, not joined": ("PER: x; PER: y", "Ada", [("PER", "x"), ("PER", "y")]),
}  # fmt: skip


@pytest.mark.parametrize(("line", "text", "expected"), SPANS.values(), ids=list(SPANS))
def test_one_span_an_item(line: str, text: str, expected: list[tuple[str | None, ...]]) -> None:
    assert cut(line, text, ("PER", "ORG")) == expected


LABELS = {
    "colon in type": ("a: b: x", ("a: b",), "x", [("a: b", "x")]),
    "the longer type": ("a: b: x", ("a", "a: b"), "x", [("a: b", "x")]),
    "the type whose span is in the text": ("a: b: x", ("a", "a: b"), "b: x", [("a: b", "x")]),
    "the shorter where only it fits": ("a: b: y", ("a", "a: b"), "b: y z", [("a: b", "y")]),
    "shorter, other span": ("a: b: x", ("a", "a: b"), "it is b:x", [("a: b", "x")]),
    "semicolon in type": ("a;b: x; c: y", ("a;b", "c"), "x y", [("a;b", "x"), ("c", "y")]),
    "comma in type": ("a, b: x", ("a, b",), "x", [("a, b", "x")]),
    "types that differ in case": ("A: x; a: y", ("a", "A"), "x y", [("A", "x"), ("a", "y")]),
    "a fold that is longer": ("STRASSE: x", ("Straße",), "x", [("Straße", "x")]),
    "type is the start of another": ("ab: x", ("a", "ab"), "x", [("ab", "x")]),
}


@pytest.mark.parametrize(("line", "labels", "text", "expected"), LABELS.values(), ids=list(LABELS))
def test_types_with_punctuation(
    line: str, labels: tuple[str, ...], text: str, expected: list[tuple[str, ...]]
) -> None:
    assert cut(line, text, labels) == expected


def test_a_type_is_given_up_for_a_shorter_one_whose_span_is_in_the_text() -> None:
    assert cut("a: b: x", "there is b: only, and x", ("a", "a: b")) == [("a: b", "x")]
    assert cut("a: b: xy", "there is b: xy", ("a", "a: b: x")) == [("a", "b: xy")]


PAIRS = {
    "plain": ("r: Ada, Grace", "Ada met Grace", [("r", "Ada", "Grace")]),
    "two": ("r: A, B; r: B, C", "A B C", [("r", "A", "B"), ("r", "B", "C")]),
    "comma in head": ("r: x, y, z", "x, y met z", [("r", "x, y", "z")]),
    "comma in tail": ("r: x, y, z", "x met y, z", [("r", "x", "y, z")]),
    "comma in both": ("r: a, b, c, d", "a, b met c, d", [("r", "a, b", "c, d")]),
    "two readings: the first": ("r: a, b, c", "a, b, c", [("r", "a", "b, c")]),
    "semicolon in both": ("r: a; b, c; d", "a; b met c; d", [("r", "a; b", "c; d")]),
    "not in text": ("r: x, y, z", "Ada", [("r", "x", "y, z")]),
    "head missing": ("r: , y", "y", [(None, "r: , y")]),
    "one part": ("r: Ada", "Ada", [(None, "r: Ada")]),
}


@pytest.mark.parametrize(("line", "text", "expected"), PAIRS.values(), ids=list(PAIRS))
def test_two_spans_an_item(line: str, text: str, expected: list[tuple[str | None, ...]]) -> None:
    assert cut(line, text, ("r",), arity=2) == expected


def test_past_the_bound_every_semicolon_cuts() -> None:
    many = "; ".join(["PER: Ada"] * (linear.MAX_CUTS + 1))
    assert cut(many, "Ada", ("PER",)) == [("PER", "Ada")] * (linear.MAX_CUTS + 1)
    span = "; ".join("abc")
    assert cut(f"{many}; PER: {span}", span, ("PER",))[-2:] == [(None, "b"), (None, "c")]


def test_a_span_with_as_many_semicolons_as_are_joined() -> None:
    pieces = [f"p{n}" for n in range(linear.MAX_JOINED)]
    span = "; ".join(pieces)
    assert cut(f"PER: {span}; PER: Ada", f"{span} Ada", ("PER",)) == [("PER", span), ("PER", "Ada")]


def test_a_span_with_more_semicolons_is_not_looked_for() -> None:
    pieces = [f"p{n}" for n in range(linear.MAX_JOINED + 1)]
    span = "; ".join(pieces)
    assert cut(f"PER: {span}", span, ("PER",))[0] != ("PER", span)


@pytest.mark.parametrize(
    ("line", "arity", "most"),
    [
        ("r: " + "Apple, " * 3000, 2, 10),
        ("; ".join(["r: Apple, Zork"] * 63), 2, 30),
        ("; ".join(["r: Apple, pear, Apple, pear"] * 63), 2, 60),
        ("; ".join(["r: Apple"] * 63), 1, 30),
        ("r: Apple;" * 20_000, 1, 5),
        (":" * 20_000, 1, 5),
    ],
    ids=["commas", "not in text", "with commas", "in text", "too many cuts", "colons"],
)
def test_a_model_gone_astray_costs_few_looks_into_the_text(
    line: str, arity: int, most: int
) -> None:
    text = "Apple, pear and Beats, and Google; Alphabet owns it. " * 5
    looked: list[str] = []

    def contains(piece: str) -> bool:
        looked.append(piece)
        return Grounder(text).contains(piece)

    linear.cut(line, SegmentReader(("r", "s"), arity, contains))
    assert len(looked) <= most, len(looked)
