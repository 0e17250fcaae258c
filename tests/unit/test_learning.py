"""A long text's annotation as demonstrations of its chunks, and which documents to annotate."""

from __future__ import annotations

import numpy as np
import pytest

from ruie.bundle.coverage import undemonstrated
from ruie.bundle.retrieval import arrange
from ruie.chunking import Chunker
from ruie.formats.jsonl import from_body
from ruie.records import Demonstration, Span, Task, Trigger
from ruie.schema import Schema
from ruie.worker.learning import divided
from ruie.worker.sampling import SHORTEST, expected, representatives, shows
from ruie.worker.undemonstrated import warning

SENTENCES = [
    f"Person{n} of Town{n} went to work and came home late in the evening ." for n in range(9)
]
TEXT = " ".join(SENTENCES)


def piece(words: str) -> dict[str, object]:
    start = TEXT.index(words)
    return {"text": words, "start": start, "end": start + len(words)}


BODY = {
    "id": "d",
    "text": TEXT,
    "entities": [{"type": "person", **piece(f"Person{n}")} for n in range(9)],
    "relations": [
        {"type": "of", "head": piece("Person1"), "tail": piece("Town1")},
        {"type": "of", "head": piece("Person0"), "tail": piece("Town8")},
    ],
    "events": [
        {
            "type": "go",
            "trigger": piece("went"),
            "arguments": [{"role": "who", **piece("Person0")}, {"role": "who", **piece("Person8")}],
        }
    ],
}


def test_each_chunk_has_what_lies_wholly_in_it() -> None:
    row = from_body(BODY)
    chunker = Chunker(40, 0)
    parts = list(divided(row, chunker))
    assert [part.text for part in parts] == [TEXT[a:b] for a, b in chunker(TEXT)]
    assert len(parts) > 2
    assert len({part.id for part in parts}) == len(parts)
    for part in parts:
        for items in (*part.gold.values(), *part.arguments):
            for span in (span for item in items for span in item.spans):
                assert part.text[span.start : span.end] == span.text
        assert len(part.arguments) == len(part.gold[Task.ED])
    people = [item.spans[0].text for part in parts for item in part.gold[Task.NER]]
    assert people == [f"Person{n}" for n in range(9)]
    relations = [item.spans[0].text for part in parts for item in part.gold[Task.RE]]
    assert relations == ["Person1"], "one across two chunks is in neither"
    assert [a.spans[0].text for a in parts[0].arguments[0]] == ["Person0"]


def test_a_short_text_stays_as_it_is() -> None:
    row = from_body(BODY)
    assert list(divided(row, Chunker(100_000))) == [row]


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_the_first_stand_for_the_most_and_none_twice() -> None:
    vectors = unit(0, 1, 2, 3, 90, 91, 45)
    nothing, alike = np.zeros(7, dtype=bool), np.ones(7)
    chosen = representatives(vectors, nothing, alike, alike, 7)
    assert chosen[0] in {0, 1, 2, 3, 6}
    assert {chosen[0], chosen[1]} & {4, 5, 6}
    assert sorted(chosen) == list(range(7))
    assert representatives(vectors, nothing, alike, alike, 2) == chosen[:2]


def test_what_is_reviewed_stands_for_its_neighbours() -> None:
    vectors = unit(0, 1, 2, 3, 90, 91)
    done = np.array([True, False, False, False, False, False])
    alike = np.ones(6)
    assert representatives(vectors, done, alike, alike, 1)[0] in {4, 5}
    assert 0 not in representatives(vectors, done, alike, alike, 6)


def test_trouble_counts_for_more() -> None:
    vectors = unit(0, 20, 40)
    weights = np.array([1.0, 1.0, 9.0])
    assert representatives(vectors, np.zeros(3, dtype=bool), weights, np.ones(3), 1) == [2]


def test_a_short_text_shows_less_and_a_long_one_no_more_than_the_usual() -> None:
    shown = shows(["x" * length for length in (100, 25, 100, 400, 1, 0)])
    assert shown[[0, 2, 3]].tolist() == [1, 1, 1]
    assert shown[1] == pytest.approx((25 / 62.5) ** 0.5), "the median is 62.5"
    assert shown[4] == shown[5] == pytest.approx(SHORTEST**0.5)
    assert shows([""]).tolist() == [pytest.approx(SHORTEST**0.5)]
    assert shows([]).tolist() == []


def test_of_texts_that_stand_for_the_same_the_one_with_more_in_it_is_chosen() -> None:
    vectors = unit(0, 1, 2, 90)
    nothing, alike = np.zeros(4, dtype=bool), np.ones(4)
    assert representatives(vectors, nothing, alike, alike, 1) == [2]
    assert representatives(vectors, nothing, alike, np.array([0.9, 1.0, 0.5, 1.0]), 1) == [1]
    # a text that is far from all that is annotated comes first even if it is short
    short = np.array([1.0, 1.0, 1.0, 0.4])
    assert set(representatives(vectors, nothing, alike, short, 2)) >= {3}


def test_a_short_text_that_is_reviewed_stands_for_little() -> None:
    vectors = unit(0, 1, 30)
    done, alike = np.array([True, False, False]), np.ones(3)
    assert representatives(vectors, done, alike, alike, 1) == [2]
    assert representatives(vectors, done, alike, np.array([0.4, 1.0, 1.0]), 1) == [1]


SCHEMA = Schema(
    "jobs", entities={"SKILL": ""}, relations={"needs": ""}, events={"Hire": ("Who",), "End": ()}
)


@pytest.mark.parametrize(
    ("added", "missing"),
    [
        ([], ["entities", "relations", "events", "arguments of Hire"]),
        (
            [Demonstration("1", Task.NER, "jobs", ("SKILL",), "A cook .", ())],
            ["relations", "events", "arguments of Hire"],
        ),
        (
            [
                # a part of the types is enough, as for retrieval
                Demonstration("1", Task.ED, "other", ("Hire",), "Hired .", ()),
                Demonstration(
                    "2", Task.EAE, "jobs", ("Who",), "Hired .", (), Trigger("Hire", Span("Hired"))
                ),
                Demonstration("3", Task.NER, "jobs", ("PAY",), "For 5 .", ()),
            ],
            ["entities", "relations"],
        ),
    ],
)
def test_what_of_a_schema_has_no_demonstration(
    added: list[Demonstration], missing: list[str]
) -> None:
    assert undemonstrated(SCHEMA, (), added) == missing
    assert undemonstrated(SCHEMA, arrange(added)[1]) == missing


def test_it_is_said_in_a_sentence() -> None:
    assert "for entities: " in warning(["entities"])
    assert "for entities, relations and events: " in warning(["entities", "relations", "events"])


def test_documents_like_those_with_many_mistakes_are_expected_to_have_them() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2]]
    done = np.array([True, False, True, False, False])
    wrong = np.array([3, 0, 1, 0, 0])
    assert expected(vectors, done, wrong).tolist() == [3, 3, 1, 1, 0]
    alike = np.ones(5)
    more = 1 + expected(vectors, done, wrong)
    assert representatives(vectors, done, more, alike, 1) == [4], "coverage"
    close = np.array([[1, 0], [0.6, 0.8], [0, -1], [-0.866, -0.5]], dtype=np.float32)
    done = np.array([True, False, True, False])
    more = expected(close, done, np.array([5, 0, 0, 0]))
    alike = np.ones(4)
    assert representatives(close, done, alike, alike, 1) == [3], "the one that is least like others"
    assert representatives(close, done, 1 + more, alike, 1) == [1], "the one that is like a bad one"
