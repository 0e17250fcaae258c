"""Several pairs of head and tail that are listed for one type."""

from __future__ import annotations

import pytest

from ruie.parsing import parse
from ruie.records import Query, RejectReason, Task

TEXT = "Mara Quill works for Orvane in Tessin. John Reed works for Zeltan Labs, near Acme, Inc."
QUERY = Query(Task.RE, TEXT, "s", {"works_for": "", "near": ""})
BOTH = [("works_for", "Mara Quill", "Orvane"), ("works_for", "John Reed", "Zeltan Labs")]


def found(output: str) -> list[tuple[str, ...]]:
    return [(i.type, *(span.text for span in i.spans)) for i in parse(output, QUERY).items]


@pytest.mark.parametrize(
    "pairs",
    [
        "(Mara Quill, Orvane), (John Reed, Zeltan Labs)",
        "[(Mara Quill, Orvane), (John Reed, Zeltan Labs)]",
        '[("Mara Quill", "Orvane"), ("John Reed", "Zeltan Labs")]',
        "[Mara Quill, Orvane], [John Reed, Zeltan Labs]",
        "<Mara Quill, Orvane>, <John Reed, Zeltan Labs>",
        "(Mara Quill, Orvane) and (John Reed, Zeltan Labs)",
        "Mara Quill, Orvane | John Reed, Zeltan Labs",
        "Mara Quill - Orvane, John Reed - Zeltan Labs",
        "Mara Quill → Orvane, John Reed → Zeltan Labs",
        "(Mara Quill → Orvane), (John Reed → Zeltan Labs)",
    ],
)
@pytest.mark.parametrize("label", ["works_for: ", "- **works_for**: ", "works_for:\n- "])
def test_pairs_that_are_listed_are_several(label: str, pairs: str) -> None:
    parsed = parse(label + pairs, QUERY)
    assert found(label + pairs) == BOTH
    assert parsed.rejects == ()


@pytest.mark.parametrize(
    "pairs",
    [
        "(Mara Quill, Orvane), (John Reed, Nowhere)",
        "Mara Quill - Orvane, John Reed - Nowhere",
        "Mara Quill, Orvane | John Reed, Nowhere",
    ],
)
def test_one_that_is_not_in_the_text_is_rejected_alone(pairs: str) -> None:
    parsed = parse(f"works_for: {pairs}; near: Zeltan Labs, Acme, Inc.", QUERY)
    assert found(f"works_for: {pairs}") == BOTH[:1]
    assert [reject.reason for reject in parsed.rejects] == [RejectReason.NOT_IN_TEXT]
    assert len(parsed.items) == 2


@pytest.mark.parametrize(
    "pair",
    [
        "Mara Quill (a woman), Orvane (a firm)",
        "(Mara Quill), (Orvane)",
        "Mara Quill - the boss, Orvane - a firm",
        "Mara Quill, Orvane (Tessin)",
        "Mara Quill | Orvane",
    ],
)
def test_a_pair_with_notes_is_one(pair: str) -> None:
    assert found(f"works_for: {pair}") == BOTH[:1]


def test_many_pairs_are_read_as_well() -> None:
    """In a time that grows with the square, this would take longer than a test may."""
    for pair in ("(a, b)", "a - b", "(a", "a, b |", "- "):
        parse("works_for: " + ", ".join([pair] * 20_000), QUERY)
    many = ", ".join(["(Mara Quill, Orvane)"] * 9_000)
    assert len(parse(f"works_for: {many}", QUERY).rejects) == 8_999
