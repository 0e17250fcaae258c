"""Whether an answer that was cut off is whole all the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.cut_off import exhausted
from ruie.parsing import parse
from ruie.records import Query, Task

QUERY = Query(Task.NER, "x met y at z, and u at v .", "s", dict.fromkeys("abcdef", ""))


@pytest.mark.parametrize(
    ("output", "complete"),
    [
        ("a: x; b: y; c: z; a: x; b: y; c: z; a: x; b", "a: x; b: y; c: z; a: x; b: y; c: z; a: x"),
        ("a: x; a: x; a: x;  a:   x; a: x; a: x; a", "a: x; a: x; a: x;  a:   x; a: x; a: x"),
        ("a: x; a: x; a: x; a: x;", "a: x; a: x; a: x; a: x"),
        # an item a line
        ("a: x\nb: y\nc: z\na: x\nb: y\nc: z\na: x\nb", "a: x\nb: y\nc: z\na: x\nb: y\nc: z\na: x"),
        ("a: x;\na: x;\na: x;\n\na: x;\n", "a: x;\na: x;\na: x;\n\na: x"),
        ("a: x\nb: y\nc: z\nd: u\ne: v\nf: x\nh", None),
        ("a: x;\n\n;\n;\n;\nb", None),
        # what is not in the text adds nothing, nor does what has no known type
        ("a: x; b: 2015; b: 2016; b: 2017; b: 20", "a: x; b: 2015; b: 2016; b: 2017"),
        ("a: x; k: y; k: z; k: u; k", "a: x; k: y; k: z; k: u"),
        ("a: x; b: y; c: z; d: u; e: v; f: x; h", None),
        ("a: x; b: y; c: z; a: x; b: y; d: u; a", None),
        ("a: x; a: x; a: x; b: y; a: x; a: x; a", None),  # two repeats are none
        ("a: x; a: x; a: x; a", None),
        ("one long span that never ends", None),
        ("", None),
    ],
)
def test_it_is_if_its_last_items_add_nothing(output: str, complete: str | None) -> None:
    assert exhausted(output, QUERY) == complete


@given(st.text(alphabet="abcxyz:;, ", max_size=200))
def test_what_is_taken_for_whole_finds_what_its_head_finds(output: str) -> None:
    whole = exhausted(output, QUERY)
    if whole is not None:
        assert output.startswith(whole)
        assert len(parse(whole, QUERY).items) <= len(parse(output, QUERY).items)


@pytest.mark.parametrize("piece", ['"', "a ", "a: x, "])
def test_a_long_answer_that_never_ends_an_item_is_gone_through_once(piece: str) -> None:
    """In a time that grows with the square, this would take longer than a test may."""
    assert exhausted(piece * (400_000 // len(piece)), QUERY) is None
