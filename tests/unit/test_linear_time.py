"""Whatever reads text from outside takes time in proportion to it, also of the worst kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from support.answers import drawn, items
from support.linear_time import Made, assert_linear, repeated

from ruie.chunking import Chunker
from ruie.cut_off import exhausted
from ruie.errors import CallError, UsageError
from ruie.grounding import Grounder
from ruie.llm.call import Call
from ruie.llm.failures import answered_error
from ruie.llm.response import read_completion, read_document
from ruie.parsing import OutputForm, parse
from ruie.records import Query, Task
from ruie.search_query import Term, parse_query
from ruie.snippets import snippet
from ruie.tokens import estimate_tokens
from ruie.words import located_words, words
from ruie.worker.messages import checked

pytestmark = pytest.mark.slow  # what is measured says as much about the machine

TEXT = "Mara Quill left Orvane for Tessin in 2019. " * 12
TYPES = dict.fromkeys(("PERSON", "ORG", "PLACE"), "")
SIGNS = {
    "combining marks": "\u0301", "marks out of order": "\u0301\u0316", "Hangul L": "\u1100",
    "emoji with ZWJ": "👩\u200d", "regional indicators": "\U0001f1e6", "viramas": "क\u094d",
    "prepended signs": "\u0600", "variation selectors": "\ufe0f", "joiners": "\u034f",
    "one letter": "a", "spaces": " ", "line ends": "\n", "full stops": "A.", "quotes": '"',
    "brackets": "[(", "abbreviations": "e.g. ", "half pairs": "\ud800", "far apart": "ä" + 40 * " ",
    "references": "&amp;", "numbers": "1,", "hyphens": "-a",
}  # fmt: skip  # a table
OF_TEXT: dict[str, Callable[[str], object]] = {
    "chunks": Chunker(),
    "tokens": estimate_tokens,
    "words": words,
    "places of words": lambda text: list(located_words(text)),
    "grounding": lambda text: Grounder(text).occurrences("Mara Quill"),
    "grounding of a part": lambda text: Grounder(text).occurrences(text[: len(text) // 2] + "z"),
}


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("function", OF_TEXT)
def test_texts(function: str, sign: str) -> None:
    assert_linear(OF_TEXT[function], repeated(SIGNS[sign]), 5_000)


ANSWERS = [
    "PERSON: Mara Quill; ", "- PERSON: Mara Quill\n", "PERSON: Mara Quill, ", "PERSON:\n",
    "- **PERSON:** **Zrb** (x)\n", "ANIMAL: cat; ", '{"type": "PERSON", "span": "Mara Quill"}\n',
    "{'type': 'PERSON', 'span': 'Mara Quill'}, ", '{"', '{"a": "x, ', '{"a":', "[", "[1,", "{a: ",
    "{'", "[]", "}{", ":", "：", "; ", ", ", "*", "\\", "\\u", '\\"', "\n", " ", "\t", "(", "()",
    "PERSON(a) ", "```\n", "|", "<think>", "none ", "- ", "1. ", "->", "'", '"', "&amp;", "\u0301",
]  # fmt: skip  # a list


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize("task", [Task.NER, Task.RE])
@pytest.mark.parametrize("piece", ANSWERS)
def test_answers(piece: str, task: Task, form: OutputForm) -> None:
    query = Query(task, TEXT, "s", TYPES)

    def read(output: str) -> None:
        parse(output, query, form=form)

    for begin in ("", "PERSON: ", '{"items": [{"type": "PERSON", "span": "'):
        assert_linear(read, lambda size, begin=begin: begin + repeated(piece)(size), 2_000)  # type: ignore[misc]  # its default
    assert_linear(lambda output: exhausted(output, query), repeated(piece), 2_000)


BODIES: dict[str, Made] = {
    "nested lists": repeated("["),
    "nested errors": repeated('{"error":'),
    "errors in texts": lambda size: json.dumps({"error": {"message": '{"error": ' * (size // 10)}}),
    "a list of errors": lambda size: json.dumps([{"error": {"message": "x"}}] * (size // 30)),
    "a page": repeated("<title>"),
    "open tags": repeated("<"),
    "a text": lambda size: said("PERSON: Mara Quill; " * (size // 20)),
    "thoughts": lambda size: said("<think>" * (size // 7)),
    "thoughts that end": lambda size: said("<think></think>" * (size // 15)),
    "thoughts in thoughts": lambda size: said("<think><think></think>" * (size // 22)),
    "ends of thoughts": lambda size: said("x</thought> " * (size // 12)),
    "tags after spaces": lambda size: said(" " * (size // 2) + "x<reason>" * (size // 18)),
    "parts": lambda size: said([{"type": "text", "text": "a"}] * (size // 30)),
    "escapes": lambda size: said("\\u" * (size // 2)),
    "a key": repeated("sk-"),
    "events": repeated("data: {}\n"),
}


def said(content: object) -> str:
    choice = {"message": {"content": content}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]})


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    call = Call("m", (), 256, prompt_tokens=1)

    def read(body: str) -> None:
        answered_error(500, {}, body.encode(), "http://x", "m")
        with suppress(CallError):
            read_completion(read_document(body.encode(), "http://x"), {}, 0.1, call)

    assert_linear(read, BODIES[name], 100_000)


@pytest.mark.parametrize("piece", ["[", '{"body":', '"', "a", "\0", "\u0301"])
def test_messages(piece: str) -> None:
    def read(message: str) -> None:
        with suppress(ValueError):
            checked(message.encode())

    assert_linear(read, repeated(piece), 4_000)  # of 16,384 bytes at most
    assert_linear(read, lambda size: json.dumps({"body": repeated(piece)(size)}), 3_000)


PLACES = {
    "ASCII": ("The quick brown fox jumps over the dog. ", "Zermelo Fraenkel"),
    "Unicode": ("Größe ändert sich über Nacht, 中国. ", "Zermelo Fraenkel"),
    "one word": ("a", "b" * 300),
    "nearly everywhere": ("abcdefgh ", "abcdefgx " * 20),
    "marks": ("a" + "\u0301\u0323" * 30, "Zermelo"),
    "nothing but marks": ("\u0301\u0323", "Zermelo"),
    "space": (" ", "Ada x"),
}


@pytest.mark.parametrize(("unit", "piece"), PLACES.values(), ids=list(PLACES))
def test_a_span_in_a_document(unit: str, piece: str) -> None:
    assert_linear(lambda text: Grounder(text).occurrences(piece), repeated(unit), 50_000)


def an_item_many_times(size: int) -> str:
    return items(["a"] * size)


def unlike_items(size: int) -> str:
    return items([f"{word}qq" for word in drawn(size, 1)])


def alike_items(size: int) -> str:
    return items([f"{word}qq" for word in drawn(size, 1, "abcde")])


@pytest.mark.parametrize("made", [an_item_many_times, unlike_items, alike_items])
def test_items(made: Made) -> None:
    """However many items an answer has, the work for each is bounded."""
    query = Query(Task.NER, " ".join(drawn(5_000, 2, "abcde")), "s", {"T": ""})
    assert_linear(lambda output: parse(output, query, form=OutputForm.JSON), made, 250)


@pytest.mark.parametrize("fixed", ["", "abcde"], ids=["any words", "begin and end alike"])
def test_the_text_of_many_items(fixed: str) -> None:
    """The fuzzy step costs no pass over the text for each: the time hardly grows with the text."""
    output = items([f"{word}qq" for word in drawn(1_000, 1, fixed)])

    def read(text: str) -> None:
        parse(output, Query(Task.NER, text, "s", {"T": ""}), form=OutputForm.JSON)

    assert_linear(read, lambda size: " ".join(drawn(size, 2, fixed)), 2_500)


@pytest.mark.parametrize(
    "terms",
    [
        [Term(("a",))],
        [Term(("a",))] * 32,
        [Term(("a",) * 32, prefix=True)],
        [Term(("a",) * size) for size in range(1, 33)],
    ],
)
def test_snippets(terms: list[Term]) -> None:
    assert_linear(lambda text: snippet(text, terms), repeated("a "), 2_000)


@pytest.mark.parametrize("piece", ['"', '"a', "-", "-a b ", "a OR ", "OR ", "a*", "a b ", "\u0301"])
def test_search_queries(piece: str) -> None:
    def search(query: str) -> None:
        with suppress(UsageError):  # nothing to find in it
            parse_query(query)

    assert_linear(search, repeated(piece), 20_000)
