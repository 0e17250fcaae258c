"""Any number of documents, and a perfect model's answers about each: pure functions of the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

from ruie.schema import Schema

SCHEMA = Schema(
    "names",
    entities={"person": "", "place": ""},
    relations={"lives in": ""},
    events={"move": ("who", "where")},
)
POISON = "Arsenic"
"""A document about this person kills the process that sends it (support/metered.py)."""

_SYLLABLES = [first + second for first, second in product("bdfgklmnprstvz", "aeiou")]
_PLACES = ("Oslo", "Rome", "Lima", "Bonn", "Cork", "Kyiv", "Graz", "Turin", "Delft", "Porto")
_SENTENCE = re.compile(r"Sentence: (\w+) moved to (\w+) in (\d+)")
_TASKS = {"Entities:": "NER", "Relations:": "RE", "Events:": "ED", "Arguments:": "EAE"}


class Question(NamedTuple):
    """The person and place that a prompt is about, and the task."""

    person: str
    place: str
    task: str


def rows(count: int, series: int, poison: int | None = None) -> list[dict[str, str]]:
    """`count` distinct documents; no two `series` have any in common.

    poison: the index of the one that kills its worker.
    """
    made = []
    for i in range(count):
        person = POISON + _name(series, i).lower() if i == poison else _name(series, i)
        text = f"{person} moved to {_PLACES[i % len(_PLACES)]} in {1900 + i % 100} ."
        made.append({"id": f"{series}-{i}", "text": text})
    return made


def _name(series: int, index: int) -> str:
    base = len(_SYLLABLES)
    first = [series] if series < base else [series // base, series % base]
    parts = [*first, index // base**2 % base, index // base % base, index % base]
    return "".join(_SYLLABLES[part] for part in parts).capitalize()


def parse_question(prompt: str) -> Question:
    """Parse the last turn of a prompt."""
    person, place, _ = _SENTENCE.findall(prompt)[-1]
    return Question(person, place, _TASKS[prompt.rsplit("\n", 1)[-1].strip()])


def right_answer(question: Question) -> str:
    """A perfect model's answer."""
    return {
        "NER": f"person: {question.person}; place: {question.place}",
        "RE": f"lives in: {question.person}, {question.place}",
        "ED": "move: moved",
        "EAE": f"who: {question.person}; where: {question.place}",
    }[question.task]


Record = tuple[str, ...]
"""A task, a document's id, and the record itself."""


def expected(corpus: Iterable[Mapping[str, str]]) -> Counter[Record]:
    """The records of a run in which nothing fails."""
    found: Counter[Record] = Counter()
    for row in corpus:
        name, (person, _, _, place, *_) = row["id"], row["text"].split()
        found[("NER", name, "person", person)] += 1
        found[("NER", name, "place", place)] += 1
        found[("RE", name, "lives in", person, place)] += 1
        found[("ED", name, "move", "moved")] += 1
        found[("EAE", name, "who", person)] += 1
        found[("EAE", name, "where", place)] += 1
    return found
