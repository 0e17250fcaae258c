"""An answer after which the model goes on with demonstrations of its own, and one with a line for
each item: where each of them ends."""

from __future__ import annotations

import json

import pytest

from ruie import prompts
from ruie.decoding import Decoding
from ruie.errors import TruncatedError
from ruie.extractor import Extractor
from ruie.llm import Completion, LLMClient, Usage
from ruie.parsing import OutputForm, parse
from ruie.questions import Answer
from ruie.records import Query, Task

TEXT = "Mara Quill left Orvane for Tessin, where John Reed and Ada Byron live."
LABELS = {"PERSON": "", "ORG": "", "PLACE": ""}
QUERY = Query(Task.NER, TEXT, "s", LABELS)
A = "PERSON: Mara Quill; ORG: Orvane"


def spans(output: str, form: OutputForm = OutputForm.LINEAR, query: Query = QUERY) -> list[str]:
    return [span.text for item in parse(output, query, form=form).items for span in item.spans]


def message(text: str, context: str = "") -> str:
    """What the prompt shows of a sentence, without the instruction."""
    built = prompts.build(Query(Task.NER, text, "s", LABELS, context=context), [])
    return built.messages[-1]["content"].split("\n\n")[-1]


@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
@pytest.mark.parametrize(
    "between", ["\n", "\n\n", "\nuser\n", "\n<|im_start|>user\n", "\n\n### User:\n", "\n**"]
)
@pytest.mark.parametrize("context", ["", "Another title"])
def test_the_next_demonstration_is_no_answer(between: str, context: str, form: OutputForm) -> None:
    written = {"items": [{"type": "PERSON", "span": "Mara Quill"}]}
    answer = json.dumps(written) if form is OutputForm.JSON else "PERSON: Mara Quill"
    going_on = message("John Reed and Ada Byron met.", context) + " PERSON: John Reed, Ada Byron"
    output = answer + between + going_on
    assert spans(output, form) == ["Mara Quill"]
    assert parse(output, QUERY, form=form).rejects == ()


@pytest.mark.parametrize(
    ("output", "labels", "expected"),
    [
        (f"Sentence: {TEXT}\nEntities:\n{A}", LABELS, ["Mara Quill", "Orvane"]),
        (f"{A}\nSentence: {TEXT}\nPLACE: Tessin", LABELS, ["Mara Quill", "Orvane", "Tessin"]),
        ("Sentence: another one\nPERSON: Ada Byron", LABELS, ["Ada Byron"]),
        ("PERSON: Ada Byron\nSentence: life", {"PERSON": "", "Sentence": ""}, ["Ada Byron"]),
    ],
    ids=["the query before it", "the query again", "before any answer", "a label"],
)
def test_the_query_repeated_is_none(
    output: str, labels: dict[str, str], expected: list[str]
) -> None:
    assert spans(output, query=Query(Task.NER, TEXT, "s", labels)) == expected


def test_a_label_named_like_it_is_rejected_as_ever() -> None:
    query = Query(Task.NER, TEXT, "s", {"PERSON": "", "Sentence": ""})
    assert len(parse("PERSON: Ada Byron\nSentence: life", query).rejects) == 1


def read(text: str, finish_reason: str) -> Answer:
    extractor = Extractor(None, LLMClient("http://127.0.0.1:9/v1"), "m", Decoding())
    (question,) = extractor.prepare([QUERY])
    return extractor.read(question, Completion(text, finish_reason, Usage(), 0.0))


def test_an_answer_that_runs_on_to_the_limit_is_whole() -> None:
    answer = read(f"{A}\n{message('Ada Byron met a man.')} PERSON: Ada By", "length")
    assert [item.spans[0].text for item in answer.items] == ["Mara Quill", "Orvane"]
    assert answer.parsed.rejects == ()
    with pytest.raises(TruncatedError):
        read(f"{A}; PERSON: Ada By", "length")


@pytest.mark.parametrize("between", ["; ", "\n", ";\n"])
def test_the_half_item_of_an_answer_that_counts_as_whole_is_rejected(between: str) -> None:
    items = ["PERSON: Mara Quill", "ORG: Orvane", *["ORG: Tesseract"] * 4, "PERSON: Ada By"]
    answer = read(between.join(items), "length")
    assert [item.spans[0].text for item in answer.items] == ["Mara Quill", "Orvane"]
    last = answer.parsed.rejects[-1]
    assert (str(last.reason), last.raw) == ("malformed", "PERSON: Ada By")
    ended = read(between.join(items[:-1]) + ";", "length")
    assert all(reject.raw == "ORG: Tesseract" for reject in ended.parsed.rejects)
