"""What is seen of results: as text, in a notebook, as JSON values, as a frame; failures too."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from ruie import Result, Results, to_frame
from ruie.errors import TransientCallError, TruncatedError
from ruie.frame import COLUMNS
from ruie.records import Argument, Entity, Event, Grounding, Query, Relation, Span, Task

TEXT = "Ada & Bo moved to <b>Rome</b>."


def span(words: str) -> Span:
    start = TEXT.index(words)
    return Span(words, start, start + len(words), Grounding.EXACT)


WHOLE = Result(
    TEXT,
    (Entity("person", span("Ada"), 0.75), Entity("place", Span("Lima"))),
    (Relation("with", span("Ada"), span("Bo")),),
    (Event("move", span("moved"), (Argument("who", span("Bo")),)),),
)
EMPTY = Result("Nothing here.")


def query(task: Task) -> Query:
    return Query(task, TEXT, "news", {})


LACKING = Result(
    TEXT,
    (Entity("person", span("Ada")),),
    errors=(
        TruncatedError("The answer did not end within 8 tokens.", "Raise <it>."),
        TransientCallError("No answer."),
    ),
    unanswered=(query(Task.RE), query(Task.ED)),
)


def test_a_failed_call_stands_before_the_text() -> None:
    assert repr(WHOLE) == f"<Result entities=2, relations=1, events=1, text={TEXT!r}>"
    failed = "['RE: The answer did not end within 8 tokens.', 'ED: No answer.']"
    assert (
        repr(LACKING)
        == f"<Result entities=1, relations=0, events=0, FAILED={failed}, text={TEXT!r}>"
    )
    assert WHOLE.complete
    assert not LACKING.complete
    assert len(repr(Result("x" * 10_000))) < 200


def test_json_values_have_every_record_and_every_failure() -> None:
    made = WHOLE.to_dict()
    assert json.loads(json.dumps(made)) == made
    assert made["entities"] == [
        {
            "type": "person",
            "text": "Ada",
            "start": 0,
            "end": 3,
            "grounding": "exact",
            "confidence": 0.75,
        },
        {
            "type": "place",
            "text": "Lima",
            "start": None,
            "end": None,
            "grounding": "none",
            "confidence": None,
        },
    ]
    (relation,) = made["relations"]
    assert (relation["type"], relation["tail"]["text"]) == ("with", "Bo")
    (event,) = made["events"]
    assert event["trigger"]["start"] == 9
    assert [(a["role"], a["text"]) for a in event["arguments"]] == [("who", "Bo")]
    assert made["failed"] == []
    assert LACKING.to_dict()["failed"] == [
        {
            "task": "RE",
            "kind": "truncated",
            "error": "The answer did not end within 8 tokens. Raise <it>.",
        },
        {"task": "ED", "kind": "transient", "error": "No answer."},
    ]


def html(shown: Any) -> LexborHTMLParser:
    return LexborHTMLParser(shown._repr_html_())


def test_a_notebook_shows_the_text_marked_and_the_records() -> None:
    tree = html(WHOLE)
    assert [node.text() for node in tree.css("mark")] == ["Ada", "Ada", "Bo", "Bo", "moved"]
    assert not tree.css(".text b")  # the text's own tags are text
    assert [node.text() for node in tree.css(".records .type")] == [
        "person", "place", "with", "move",
    ]  # fmt: skip  # a line
    assert not tree.css(".failed")
    # nothing of the notebook but this is styled
    (style,) = tree.css("style")
    assert style.text().startswith(".ruie{")
    assert style.text().count("{") == style.text().count("}")


def test_a_notebook_shows_what_failed() -> None:
    assert [node.text() for node in html(LACKING).css(".failed li")] == [
        "RE: The answer did not end within 8 tokens. Raise <it>.", "ED: No answer.",
    ]  # fmt: skip  # a list
    (first, _) = html(Results([WHOLE, LACKING])).css(".failed")
    assert "1 of 2 texts" in first.text()


def test_a_notebook_shows_the_first_of_many() -> None:
    tree = html(Results([EMPTY] * 30))
    assert len(tree.css(".text")) == 20
    assert [node.text() for node in tree.css(".more")] == ["The first 20 of 30 texts."]
    assert html(Results()).css(".ruie")
    assert html(Result("half a pair: \ud83d")).css(".text")


def test_a_frame_has_a_row_for_each_span_and_each_failure() -> None:
    frame = Results([WHOLE, EMPTY, LACKING]).to_frame()
    assert list(frame.columns) == list(COLUMNS)
    rows = frame[["document", "record", "kind", "type", "role", "text", "start"]]
    assert rows.astype(object).where(rows.notna(), None).to_numpy().tolist() == [
        [0, 0, "entity", "person", None, "Ada", 0],
        [0, 1, "entity", "place", None, "Lima", None],
        [0, 2, "relation", "with", "head", "Ada", 0],
        [0, 2, "relation", "with", "tail", "Bo", 6],
        [0, 3, "event", "move", None, "moved", 9],
        [0, 3, "argument", "move", "who", "Bo", 6],
        [2, 0, "entity", "person", None, "Ada", 0],
        [2, None, "failed", "RE", None, None, None],
        [2, None, "failed", "ED", None, None, None],
    ]
    assert frame.groupby("document")["failed_calls"].first().to_dict() == {0: 0, 2: 2}
    assert frame["error"].dropna().tolist() == [str(error) for error in LACKING.errors]
    assert str(frame["start"].dtype) == "Int64"


def test_a_frame_is_made_of_any_iterable_and_of_nothing() -> None:
    assert len(to_frame(iter([WHOLE]))) == 6
    nothing = to_frame([])
    assert list(nothing.columns) == list(COLUMNS)
    assert list(nothing.dtypes) == list(to_frame([EMPTY]).dtypes)


def test_a_frame_without_pandas_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pandas"] = None  # as if it were not installed
from ruie import Result, to_frame
try:
    to_frame([Result("x")])
except Exception as error:
    print(type(error).__name__, error)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "UnavailableError pandas is not installed. Run: pip install pandas\n"
