"""Parsing holds for any output of any model: what is promised for every string, and where the
round trip from items to text and back must give the same items."""

from __future__ import annotations

import json
import re
import string

from hypothesis import given
from hypothesis import strategies as st

from ruie import prompts
from ruie.parsing import OutputForm, parse
from ruie.records import Demonstration, Grounding, Item, Query, Span, Task, Trigger

ANY = st.text(st.one_of(st.characters(codec=None), st.sampled_from(":;, \n.'")), max_size=40)
LABELS = st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=4, unique=True)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    task = draw(st.sampled_from(Task))
    text = draw(ANY)
    labels = dict.fromkeys(draw(LABELS), "")
    trigger = None
    if task is Task.EAE and text and draw(st.booleans()):
        at = draw(st.integers(0, len(text) - 1))
        trigger = Trigger("E", Span(text[at], at, at + 1, Grounding.EXACT))
    return Query(task, text, "s", labels, trigger)


@st.composite
def outputs(draw: st.DrawFn, query: Query) -> str:
    """Pieces of the query put together as a model might, with anything in between."""
    text = query.text
    slices = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    written = st.tuples(
        st.sampled_from(list(query.labels)),
        st.lists(st.sampled_from([text[:1], text[:2], text]), min_size=1, max_size=2),
    ).map(lambda item: f"{item[0]}: {', '.join(item[1])}; ")
    piece = st.one_of(
        written,
        st.sampled_from(list(query.labels)),
        slices.map(lambda ends: text[min(ends) : max(ends)]),
        st.sampled_from([": ", ":", "; ", ";", ", ", ",", "\n", "None", " "]),
        ANY,
    )
    return "".join(draw(st.lists(piece, max_size=16)))


@st.composite
def json_outputs(draw: st.DrawFn, query: Query) -> str:
    name = "role" if query.task is Task.EAE else "type"
    value = st.one_of(st.sampled_from([*query.labels, query.text, query.text[:3]]), JSON_VALUES)
    keys = [name, "span", "head", "tail"]
    whole = st.fixed_dictionaries(dict.fromkeys(keys, st.sampled_from([*query.labels, query.text])))
    entry = st.dictionaries(st.sampled_from(keys), value) | whole | JSON_VALUES
    answer = draw(st.fixed_dictionaries({"items": st.lists(entry, max_size=4)}) | JSON_VALUES)
    return draw(st.sampled_from(["{}", "```json\n{}\n```"])).replace("{}", json.dumps(answer))


def states_none(output: str) -> bool:
    """Whether there is a word or a list in an output that can mean that there is nothing."""
    return (
        re.search(
            r"\bno\b|none|nothing|n/a|\bnot\b|n't|null|\[\s*\]|\{\s*\}|\"\s*\"",
            output,
            re.IGNORECASE,
        )
        is not None
    )


def assert_sound(output: str, query: Query, form: OutputForm) -> None:
    demonstration = Demonstration("d", query.task, "s", (), "t", (Item("x", (Span("ab"),)),))
    parsed = parse(output, query, [demonstration], form)
    places = set()
    for item in parsed.items:
        assert item.type in query.labels
        assert len(item.spans) == query.task.arity
        for span in item.spans:
            assert span.grounded
            assert span.text
            assert query.text[span.start : span.end] == span.text
        places.add((item.type, *((span.start, span.end) for span in item.spans)))
    assert len(places) == len(parsed.items), "two items equal in type and offsets"
    if not parsed.readable:
        assert not parsed.items
    elif not parsed.items and not parsed.rejects:
        assert states_none(output), "silence is no statement"


MARKS = st.sampled_from(
    ["- ", "* ", "**", "`", "1. ", "### ", '"', "[", "]", "(", ")", "{", "}", '{"', '": "', '"}',
     "<", ">", "|", "：", "；", "，", "\\", "\\f", "//", "```json\n", "```", "->", "=", "Answer: ",
     "</", "[/", "](", "), (", " / ", " 1", " (1)", "#2", "\t", "s: ", "|--|--|\n", " because "]
)  # fmt: skip


SHAPES = (
    "{span}: {label}; ", "{span} - {label}\n", "- {span} -> {label}\n", "| {span} | {label} |\n",
    "| {label} | {span} | so it is |\n", "{span} ({label}), ", "({span}, {label}), ",
    "({label}, {span})\n", "<{label}>{span}</{label}> ", "[{label}]{span}[/{label}] ",
    "[{span}]({label}) ", "[{label}: {span}] ", "[{span}|{label}] ", "**{label} 1**: {span}; ",
    "{label} (2): {span}\n", "{label}: {span} because it is one; ",
    '<entity type="{label}">{span}</entity>\n', '{{"{span}": "{label}"}}\n',
)  # fmt: skip
"""Other forms of an item than those that are asked for."""


@given(st.data(), st.sampled_from(OutputForm))
def test_any_output_among_any_marks(data: st.DataObject, form: OutputForm) -> None:
    query = data.draw(queries())
    pieces = st.one_of(MARKS, outputs(query), json_outputs(query))
    assert_sound("".join(data.draw(st.lists(pieces, max_size=12))), query, form)


@st.composite
def tagged(draw: st.DrawFn, query: Query) -> str:
    """The text with tags, brackets or rows around pieces of it, some of them damaged."""
    shape = draw(st.sampled_from(SHAPES))
    names = [*query.labels, "DATE", ""]
    written = ""
    for _ in range(draw(st.integers(1, 4))):
        a = draw(st.integers(0, len(query.text)))
        b = draw(st.integers(a, len(query.text)))
        label = draw(st.sampled_from(names))
        written += query.text[:a] + shape.format(label=label, span=query.text[a:b])
    cut = draw(st.integers(0, len(written)))
    return written[:cut] + draw(st.sampled_from(["", "<", "]", "|", ";"])) + written[cut:]


@given(st.data(), st.sampled_from(OutputForm))
def test_any_text_with_labels_in_it(data: st.DataObject, form: OutputForm) -> None:
    query = data.draw(queries())
    assert_sound(data.draw(tagged(query)), query, form)


@given(st.data())
def test_any_output_in_the_linear_form(data: st.DataObject) -> None:
    query = data.draw(queries())
    assert_sound(data.draw(outputs(query)), query, OutputForm.LINEAR)


@given(st.data())
def test_any_output_in_the_json_form(data: st.DataObject) -> None:
    query = data.draw(queries())
    assert_sound(data.draw(json_outputs(query) | outputs(query)), query, OutputForm.JSON)


# The round trip. Every word of the text is another one (its number makes it so), and stands in a
# span or between two; types are made of capitals, which no word of the text has. Spans and types
# may hold `:`, `;` and `,`: no other cut than the right one then has all its pieces in the text.
LETTERS = string.ascii_lowercase + "äßñжю中日한"
INSIDE = st.sampled_from([" ", "; ", ";", ": ", ":", ", ", ",", "-", "  ", "\n", " ; "])
TYPES = st.lists(
    st.lists(st.sampled_from("ABCXYZ"), min_size=1, max_size=3).flatmap(
        lambda words: st.sampled_from([": ", "; ", ";", ", ", "-", " ", ":"]).map(
            lambda joint: joint.join(words)
        )
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def annotated(draw: st.DrawFn) -> tuple[Query, tuple[Item, ...]]:
    task = draw(st.sampled_from(Task))
    labels = draw(TYPES)
    count = 0

    def word() -> str:
        nonlocal count
        count += 1
        return draw(st.text(LETTERS, min_size=1, max_size=4)) + f"{count:03}"

    text = word()
    spans: list[Span] = []
    for _ in range(task.arity * draw(st.integers(0, 5))):
        piece = word()
        for _ in range(draw(st.integers(0, 2))):
            piece += draw(INSIDE) + word()
        text += " | "
        spans.append(Span(piece, len(text), len(text) + len(piece), Grounding.EXACT))
        text += f"{piece} | {word()}"
    chosen = st.sampled_from(labels)
    step = task.arity
    items = [Item(draw(chosen), tuple(spans[i : i + step])) for i in range(0, len(spans), step)]
    return Query(task, text, "s", dict.fromkeys(labels, "")), tuple(items)


def placed(items: tuple[Item, ...]) -> list[tuple[object, ...]]:
    return [(item.type, *((s.text, s.start, s.end) for s in item.spans)) for item in items]


@given(annotated(), st.sampled_from(OutputForm))
def test_what_is_written_is_read_back(
    gold: tuple[Query, tuple[Item, ...]], form: OutputForm
) -> None:
    query, items = gold
    parsed = parse(prompts.render(items, query.task, form), query, form=form)
    assert placed(parsed.items) == placed(items)
    assert parsed.rejects == ()
    assert parsed.readable


@given(st.data(), st.sampled_from(SHAPES), st.sampled_from(OutputForm))
def test_items_in_any_other_shape_are_read(
    data: st.DataObject, shape: str, form: OutputForm
) -> None:
    """Words and labels without marks of their own: those are not always told from the shape's."""
    count = data.draw(st.integers(1, 5))
    words = data.draw(st.lists(st.text(LETTERS, min_size=1, max_size=4), min_size=2 * count,
                               max_size=2 * count))  # fmt: skip
    spans = [f"{word}{number:03}" for number, word in enumerate(words[:count])]
    text = " ".join(f"{span} {word}{n + 500:03}" for n, (span, word) in enumerate(
        zip(spans, words[count:], strict=True)))  # fmt: skip
    labels = ["ABX", "CYZ W", "Q_R"]
    chosen = [data.draw(st.sampled_from(labels)) for _ in spans]
    output = "".join(
        shape.format(label=label, span=span) for label, span in zip(chosen, spans, strict=True)
    )
    parsed = parse(output, Query(Task.NER, text, "s", dict.fromkeys(labels, "")), form=form)
    assert [(i.type, i.spans[0].text) for i in parsed.items] == list(
        zip(chosen, spans, strict=True)
    )
    assert parsed.rejects == ()
