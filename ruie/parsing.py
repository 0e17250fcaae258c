"""From the model's output to items, without ever raising, whatever the model wrote.

What cannot be used is returned as a `Reject` with its reason. `parse` reads the linear form or the
JSON form into candidates, and checks each: is its type known, is it in the text, is it new? An
answer in the form that was not asked for is read in its own.

An output is readable if it names a known type, or says that there is nothing. Silence says nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ruie.grounding import Grounder, nearest, nearest_pair, normalise
from ruie.output.candidates import Candidate, Reading
from ruie.output.json_answer import read_json
from ruie.output.labels import Labels
from ruie.output.linear_form import LinearReader
from ruie.output.marks import COMPANY, barest, plain
from ruie.output.run_on import answer_alone
from ruie.records import Demonstration, Item, Query, Reject, RejectReason, Span, Task


class OutputForm(StrEnum):
    """How the model is asked to answer."""

    AUTO = "auto"  # the best of these that the endpoint was proved to hold answers to
    GRAMMAR = "grammar"  # the linear form, held to a grammar
    JSON = "json"  # an object that follows a JSON Schema, for endpoints with `response_format`
    LINEAR = "linear"  # `type: span; type: span`


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote to be an item: its type and its spans. is_item: whether it is one."""

    words: tuple[str, ...]
    is_item: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """The contents of an output. `readable` is False if nothing in it is an answer. written: in the
    order of the output, which is that of the items among them."""

    items: tuple[Item, ...]
    rejects: tuple[Reject, ...]
    readable: bool
    written: tuple[Written, ...] = ()


MAX_SPAN = 4
"""A span that is so many times as long as the text is not in it, in any spelling."""


_LISTED = re.compile(rf"[;|]|,(?!(?<=\d,)\d|{COMPANY})")
"""What stands between spans that are listed as one; a comma between digits is part of a number."""
_JOINED = re.compile(rf"[;&]|[,/](?!(?<=\d[,/])\d|{COMPANY})|,?\s+and\s+")
"""What does where that finds no more: `R and D` and `Johnson & Johnson` are names all the same."""
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")


def parse(
    output: str,
    query: Query,
    demonstrations: Sequence[Demonstration] = (),
    form: OutputForm = OutputForm.LINEAR,
) -> Parsed:
    """Items grounded in `query.text`, and rejects. Never raises."""
    text = _Text(query)
    output = answer_alone(output, text.contains, query.labels)
    linear = LinearReader(query, text.contains)
    labels = linear.labels

    def as_json(output: str) -> Reading:
        asked = form is OutputForm.JSON
        return read_json(output, query, labels, text, linear.read, asked=asked)

    def as_lines(output: str) -> Reading:
        return linear.read(_unescaped(output, query.text))

    readers: list[Callable[[str], Reading]] = [as_lines, as_json]
    if (form is OutputForm.JSON) or output.strip()[:1] + output.strip()[-1:] in ("{}", "[]"):
        readers.reverse()
    outcomes: list[Parsed] = []
    for read in readers:
        reading = read(output)
        outcome = _judged(reading, query, labels, text, demonstrations)
        if outcome.items or (outcome.readable and (reading.certain or not outcome.rejects)):
            return outcome
        outcomes.append(outcome)
    return next((outcome for outcome in outcomes if outcome.readable), outcomes[0])


class _Text(Grounder):
    """The text of a query. What is far longer than it is not looked for."""

    def __init__(self, query: Query) -> None:
        super().__init__(query.text)
        self.longest = MAX_SPAN * len(query.text) + 100

    def contains(self, piece: str) -> bool:
        return len(piece) <= self.longest and super().contains(piece)

    def occurrences(self, piece: str) -> tuple[Span, ...]:
        return super().occurrences(piece) if len(piece) <= self.longest else ()


def _judged(
    reading: Reading,
    query: Query,
    labels: Labels,
    text: Grounder,
    demonstrations: Sequence[Demonstration],
) -> Parsed:
    known = [(labels.find(candidate.type), candidate) for candidate in reading.candidates]
    named = any(label is not None for label, _ in known)
    items, rejects, written = _check(known, query, text, demonstrations)
    readable = reading.none_stated or named
    return Parsed(tuple(items), (*reading.rejects, *rejects), readable, tuple(written))


def _check(
    candidates: Iterable[tuple[str | None, Candidate]],
    query: Query,
    grounder: Grounder,
    demonstrations: Sequence[Demonstration],
) -> tuple[list[Item], list[Reject], list[Written]]:
    items: list[Item] = []
    rejects: list[Reject] = []
    written: list[Written] = []
    seen: set[tuple[object, ...]] = set()
    left: dict[tuple[str, tuple[str, ...]], Iterator[tuple[Span, ...]]] = {}
    shown: set[str] | None = None
    for label, candidate in candidates:
        if label is None:
            rejects.append(Reject(RejectReason.UNKNOWN_TYPE, candidate.raw))
            written.append(Written((candidate.type, *candidate.parts), is_item=False))
            continue
        for parts in _separate(candidate.parts, grounder):
            count = len(items)
            occurrences = [grounder.occurrences(part) for part in parts]
            if all(occurrences):
                if (label, parts) not in left:
                    left[label, parts] = _choices(occurrences, query)
                for spans in left[label, parts]:
                    key = (label, *((span.start, span.end) for span in spans))
                    if key not in seen:
                        seen.add(key)
                        items.append(Item(label, spans))
                        break
                else:
                    rejects.append(Reject(RejectReason.REPEATED, candidate.raw))
            else:
                if shown is None:
                    shown = _shown(demonstrations)
                absent = [part for part, spans in zip(parts, occurrences, strict=True) if not spans]
                rejects.append(Reject(_reason(absent, shown), candidate.raw))
            written.append(Written((candidate.type, *parts), is_item=len(items) > count))
    return items, rejects, written


def _separate(parts: tuple[str, ...], grounder: Grounder) -> list[tuple[str, ...]]:
    """The parts of an item, or of several that were listed as one: `PERSON: Ada, Grace`."""
    if len(parts) == 1 and not grounder.occurrences(parts[0]):
        for between in (_LISTED, _JOINED):
            listed = [
                barest(piece.strip(), grounder.contains) for piece in between.split(plain(parts[0]))
            ]
            found = [piece for piece in listed if piece]
            if len(listed) == 1 or None in listed:
                continue
            if between is _LISTED or (len(set(found)) == len(found) and min(map(len, found)) > 1):
                return [(piece,) for piece in found]
    return [parts]


def _unescaped(output: str, text: str) -> str:
    """The output with the characters that HTML's entities stand for: their semicolon divides no
    items. Those that the text has itself are as they are."""
    own = set(_ENTITY.findall(text))
    return _ENTITY.sub(lambda e: e[0] if e[0] in own else html.unescape(e[0]), output)


def _reason(absent: Iterable[str], shown: set[str]) -> RejectReason:
    longest = max(map(len, shown), default=0)
    leaked = any(len(p) <= MAX_SPAN * longest + 100 and normalise(p) in shown for p in absent)
    return RejectReason.LEAKED if leaked else RejectReason.NOT_IN_TEXT


def _choices(occurrences: Sequence[Sequence[Span]], query: Query) -> Iterator[tuple[Span, ...]]:
    """The occurrences that may be meant, in order (the rule is in ruie/grounding/__init__.py)."""
    if query.task is Task.RE:
        yield nearest_pair(occurrences[0], occurrences[1])
    elif query.task is Task.EAE and query.trigger is not None and query.trigger.span.grounded:
        yield (nearest(occurrences[0], query.trigger.span),)
    else:
        yield from ((span,) for span in occurrences[0])


def _shown(demonstrations: Sequence[Demonstration]) -> set[str]:
    """Every span in the demonstrations' answers, normalised."""
    return {
        normalise(span.text)
        for demonstration in demonstrations
        for item in demonstration.items
        for span in item.spans
    }
