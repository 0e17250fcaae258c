"""What stands beside a span as if it explained it, and items that follow a word as `and`."""

from __future__ import annotations

import pytest

from ruie.parsing import parse
from ruie.records import Query, RejectReason, Task

TEXT = (
    "Mara Quill met John Reed and Ann Lee of Orvane in Oslo, where the engineer John Reed works "
    "for Belto Inc. since 2019."
)
ENTITIES = Query(Task.NER, TEXT, "s", {"PERSON": "", "ORG": "", "PLACE": ""})
RELATIONS = Query(Task.RE, TEXT, "s", {"works_for": "", "located_in": ""})


def read(output: str, query: Query) -> tuple[list[tuple[str, ...]], list[str]]:
    """The items, and what was rejected."""
    parsed = parse(output, query)
    assert {reject.reason for reject in parsed.rejects} <= {RejectReason.MALFORMED}
    items = [(i.type, *(span.text for span in i.spans)) for i in parsed.items]
    return items, [reject.raw for reject in parsed.rejects]


@pytest.mark.parametrize(
    ("beside", "lost"),
    [
        (" - John Reed", ["John Reed"]),
        (" // John Reed", ["John Reed"]),
        (" # John Reed", ["John Reed"]),
        (" (John Reed)", ["John Reed"]),
        (" [John Reed]", ["John Reed"]),
        (". John Reed", ["John Reed"]),
        ("\tJohn Reed", ["John Reed"]),
        (". And also John Reed", ["John Reed"]),
        (" -- John Reed and Ann Lee", ["John Reed", "Ann Lee"]),
        (" because John Reed works", []),
        (", who met John Reed", []),
        (" - the engineer", []),
        (" (a name)", []),
        (" - a friend of Mr Reed", []),
        (" (Mara)", []),
    ],
)
def test_a_note_that_may_be_an_answer_is_no_item_and_is_not_lost(
    beside: str, lost: list[str]
) -> None:
    assert read(f"PERSON: Mara Quill{beside}", ENTITIES) == ([("PERSON", "Mara Quill")], lost)
    items, rejects = read(f"PERSON: Mara Quill{beside}; ORG: Orvane", ENTITIES)
    assert items == [("PERSON", "Mara Quill"), ("ORG", "Orvane")]
    assert rejects == lost


@pytest.mark.parametrize(
    ("written", "lost"),
    [
        ("John Reed, Belto - Ann Lee", ["Ann Lee"]),
        ("John Reed, Belto (Ann Lee, Orvane)", ["Ann Lee", "Orvane"]),
        ("John Reed (Ann Lee), Belto", ["Ann Lee"]),
        ("John Reed, Belto (the engineer)", []),
    ],
)
def test_beside_head_and_tail_too(written: str, lost: list[str]) -> None:
    assert read(f"works_for: {written}", RELATIONS) == ([("works_for", "John Reed", "Belto")], lost)


def test_in_a_text_without_capitals_words_beside_a_span_may_be_names() -> None:
    query = Query(Task.NER, TEXT.lower(), "s", {"PERSON": ""})
    assert read("PERSON: mara quill - john reed", query)[1] == ["john reed"]


@pytest.mark.parametrize(
    "between",
    [" and ", ", and ", " also ", ", then ", " plus the ", ". Wait, also ", "! Also ", " and a "],
)
def test_an_item_may_follow_a_word(between: str) -> None:
    items = [("PERSON", "Mara Quill"), ("PLACE", "Oslo")]
    assert read(f"PERSON: Mara Quill{between}PLACE: Oslo", ENTITIES) == (items, [])


def test_a_label_may_hold_such_a_word() -> None:
    query = Query(Task.NER, TEXT, "s", {"man and woman": "", "woman": ""})
    assert read("man and woman: Ann Lee", query) == ([("man and woman", "Ann Lee")], [])


def test_what_is_taken_back_in_the_same_breath_is_none() -> None:
    parsed = parse("PLACE: Mara Quill. Wait, no, PERSON: Mara Quill", ENTITIES)
    assert [item.type for item in parsed.items] == ["PERSON"]
    assert [reject.raw for reject in parsed.rejects] == ["PLACE: Mara Quill. Wait, no"]
