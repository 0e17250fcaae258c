"""The same rows in every format that can carry them: what is read back is what was written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.formats import AnnotatedRow, Format, read
from ruie.formats.jsonl import to_line
from ruie.records import Grounding, Item, Span, Task

TOKEN = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "S", "P"]), min_size=1, max_size=6
).filter(lambda token: not token.startswith(("#", "-DOCSTART-")))
TYPE = st.sampled_from(["ORG", "per-son", "Größe", "Rise2"])


@st.composite
def rows(draw: Callable[..., Any], tasks: Sequence[Task]) -> AnnotatedRow:
    """A row of tokens with a few mentions, apart from each other, that its items are made of."""
    tokens = draw(st.lists(TOKEN, min_size=1, max_size=8))
    text = " ".join(tokens)
    cuts = sorted(draw(st.sets(st.integers(0, len(tokens)), min_size=2, max_size=6)))
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    found = [(starts[a], starts[b] - 1) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    spans = [Span(text[a:b], a, b, Grounding.EXACT) for a, b in found]
    one = st.sampled_from(spans)
    items = {
        Task.NER: [Item(draw(TYPE), (span,)) for span in spans],
        Task.RE: [Item(draw(TYPE), (draw(one), draw(one))) for _ in spans],
        Task.ED: [Item(draw(TYPE), (span,)) for span in spans],
    }
    arguments = tuple(tuple(Item(draw(TYPE), (draw(one),)) for _ in spans) for _ in spans)
    gold = {task: tuple(items[task]) for task in tasks}
    return AnnotatedRow("1", text, gold, arguments if Task.ED in tasks else ())


def back(name: str, content: dict[str, str], form: Format) -> AnnotatedRow:
    """The only row of a file with this content, and no problem."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix, written in content.items():
            (Path(folder) / f"{name}{suffix}").write_bytes(written.encode())
        reading = read(Path(folder) / f"{name}{next(iter(content))}")
    assert reading.format is form
    assert reading.problems == ()
    (row,) = reading.rows
    return row


@given(rows([Task.NER, Task.RE, Task.ED]))
def test_our_own_layout(row: AnnotatedRow) -> None:
    assert back("a", {".jsonl": to_line(row) + "\n"}, Format.JSONL) == row


@given(rows([Task.NER]), st.sampled_from(["\t", " "]), st.sampled_from(["\n", "\r\n"]))
def test_conll(row: AnnotatedRow, gap: str, end: str) -> None:
    lines, at = [], 0
    for token in row.text.split(" "):
        inside = [i for i in row.gold[Task.NER] if i.spans[0].start <= at < i.spans[0].end]
        first = inside and inside[0].spans[0].start == at
        tag = f"{'B' if first else 'I'}-{inside[0].type}" if inside else "O"
        lines.append(f"{token}{gap}{tag}{end}")
        at += len(token) + 1
    assert back("a", {".conll": "".join(lines)}, Format.CONLL) == row


@given(rows([Task.NER, Task.RE, Task.ED]))
def test_brat(row: AnnotatedRow) -> None:
    """Triggers and entities have annotations of their own, at the same places."""
    lines: list[str] = []
    at: dict[tuple[int, int], str] = {}

    def mention(kind: str, span: Span) -> str:
        name = f"T{len(lines)}"
        lines.append(f"{name}\t{kind} {span.start} {span.end}\t{span.text}")
        return name

    for item in row.gold[Task.NER]:
        span = item.spans[0]
        at[span.start, span.end] = mention(item.type, span)
    for number, item in enumerate(row.gold[Task.RE]):
        head, tail = (at[span.start, span.end] for span in item.spans)
        lines.append(f"R{number}\t{item.type} Arg1:{head} Arg2:{tail}")
    for number, (event, found) in enumerate(zip(row.gold[Task.ED], row.arguments, strict=True)):
        trigger = mention(event.type, event.spans[0])
        roles = [f"{a.type}x:{at[a.spans[0].start, a.spans[0].end]}" for a in found]
        lines.append(" ".join([f"E{number}\t{event.type}:{trigger}", *roles]))
    read_back = back("a", {".ann": "\n".join(lines), ".txt": row.text}, Format.BRAT)
    assert (read_back.id, read_back.text, read_back.gold) == ("a:1", row.text, row.gold)
    expected = [[(f"{a.type}x", a.spans) for a in found] for found in row.arguments]
    assert [[(a.type, a.spans) for a in found] for found in read_back.arguments] == expected


@given(rows([Task.NER, Task.RE, Task.ED]))
def test_ie_instructions(row: AnnotatedRow) -> None:
    def piece(span: Span, key: str = "name") -> dict[str, Any]:
        return {key: span.text, "pos": [span.start, span.end]}

    written = {
        "sentence": row.text,
        "entities": [{"type": i.type, **piece(i.spans[0])} for i in row.gold[Task.NER]],
        "relations": [
            {"type": i.type, "head": piece(i.spans[0]), "tail": piece(i.spans[1])}
            for i in row.gold[Task.RE]
        ],
        "events": [
            {"type": i.type, **piece(i.spans[0], "trigger"),
             "arguments": [{"role": a.type, **piece(a.spans[0])} for a in found]}
            for i, found in zip(row.gold[Task.ED], row.arguments, strict=True)
        ],
    }  # fmt: skip  # as in docs/data.md
    assert back("a", {".json": json.dumps([written])}, Format.INSTRUCTIONS) == row


@given(row=rows([Task.NER]))
def test_docbin(row: AnnotatedRow) -> None:
    pytest.importorskip("spacy", reason="the extra spacy is not installed")
    from spacy.tokens import Doc, DocBin
    from spacy.vocab import Vocab

    doc = Doc(Vocab(), words=row.text.split(" "))
    places = [(item.spans[0], item.type) for item in row.gold[Task.NER]]
    spans = [doc.char_span(span.start, span.end, label=kind) for span, kind in places]
    doc.ents = [span for span in spans if span is not None]
    assert len(doc.ents) == len(places)
    with tempfile.TemporaryDirectory() as folder:
        DocBin(docs=[doc]).to_disk(Path(folder) / "a.spacy")
        (read_back,) = read(Path(folder) / "a.spacy").rows
    # spaCy's own text has a space behind the last token
    assert (read_back.text.rstrip(" "), read_back.gold) == (row.text, row.gold)
