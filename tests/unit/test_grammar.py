"""The grammar of the linear form: what it admits can be read, and what is right is admitted."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.grammar import MAX_ITEMS, exactly, grammar, literal, most_items
from ruie.output import linear
from ruie.parsing import parse
from ruie.records import Grounding, Item, Query, RejectReason, Span, Task, Trigger
from ruie.schema_file import SEPARATOR

TEXT = "Ada met Bo in Rome, Italy; Cy: none."


def query(task: Task, labels: Sequence[str] = ("person", "place"), text: str = TEXT) -> Query:
    trigger = Trigger("meeting", Span(text[4:7], 4, 7)) if task is Task.EAE else None
    return Query(task, text, "s", dict.fromkeys(labels, ""), trigger)


@cache
def by_what_is_not(characters: str) -> str:
    """The same set, named by the few characters that are not in it: Hypothesis makes a list of
    those that are named."""
    one = re.compile(characters)
    others = [char for char in map(chr, range(0x110000)) if not one.match(char)]
    named = (rf"\U{ord(char):08x}" for char in others if not is_surrogate(char))
    return f"[^{''.join(named)}]"


def is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"


def admits(rules: str) -> re.Pattern[str]:
    """The grammar, which has no recursion, as a regular expression."""
    bodies = dict(re.split(r"\s*::=\s*", rule, maxsplit=1) for rule in rules.split("\n"))

    def expression(body: str) -> str:
        token = r'"(?:[^"\\]|\\.)*"|\[[^]]*\]|\w+|[|()*?]|\{[\d,]+\}'
        parts = []
        for part in re.findall(token, body):
            if part.startswith('"'):
                parts.append(re.escape(json.loads(re.sub(r"\\x(..)", r"\\u00\1", part))))
            elif part in bodies:
                parts.append(f"(?:{expression(bodies[part])})")
            elif part.startswith("[") and not part.startswith("[^"):
                parts.append(by_what_is_not(part))
            else:
                parts.append(part)
        return "".join(parts)

    return re.compile(expression(bodies["root"]))


@pytest.mark.parametrize("task", Task)
def test_what_it_admits(task: Task) -> None:
    admitted = admits(grammar(query(task)))
    one = "person: Ada, Bo" if task is Task.RE else "person: Ada"
    full = "; ".join([one] * MAX_ITEMS)
    for answer in ("None", one, f"{one}; {one}", full, f"{full};"):
        assert admitted.fullmatch(answer), answer
    for answer in (
        "", "none", "Ada", "thing: Ada", "person:Ada", f"{one};", f"{one}; None", f" {one}",
        "person: ", f"{one}\n", f"{full}; {one}", f"{one}; {one};",
    ):  # fmt: skip  # a list
        assert not admitted.fullmatch(answer), answer


def test_a_head_or_tail_has_no_comma() -> None:
    assert not admits(grammar(query(Task.RE))).fullmatch("person: Ada, Bo, Cy")
    assert admits(grammar(query(Task.NER))).fullmatch("place: Rome, Italy")


LABELS = st.lists(
    st.text(min_size=1).filter(
        lambda label: label == linear.one_line(label) and label.strip(SEPARATOR) == label
    ),
    min_size=1, max_size=4, unique_by=str.casefold,
)  # fmt: skip  # what a schema may hold


@given(st.data(), LABELS, st.sampled_from(Task))
def test_whatever_it_admits_can_be_read(data: st.DataObject, labels: list[str], task: Task) -> None:
    asked = query(task, labels)
    answer = data.draw(st.from_regex(admits(grammar(asked)), fullmatch=True))
    parsed = parse(answer, asked)
    assert parsed.readable


@given(st.text())
def test_any_text_is_one_literal(text: str) -> None:
    written = literal(text)
    assert admits(f"root ::= {written}").fullmatch(linear.one_line(text))
    assert "\n" not in written


def test_a_longer_answer_may_have_more_items() -> None:
    assert (most_items(64), most_items(256), most_items(512)) == (MAX_ITEMS, MAX_ITEMS, 24)
    longer = "; ".join(["person: Ada"] * (MAX_ITEMS + 1))
    assert not admits(grammar(query(Task.NER))).fullmatch(longer)
    assert admits(grammar(query(Task.NER), 512)).fullmatch(longer)


def test_a_grammar_of_one_answer() -> None:
    assert exactly('a"b') == 'root ::= "a\\"b"'


def test_what_a_grammar_cannot_prevent_is_rejected_as_ever() -> None:
    parsed = parse("person: Zed", query(Task.NER))
    assert parsed.items == ()
    assert [reject.reason for reject in parsed.rejects] == [RejectReason.NOT_IN_TEXT]
    item = Item("person", (Span("Ada", 0, 3, Grounding.EXACT),))
    assert parse(linear.render([item]), query(Task.NER)).items == (item,)
