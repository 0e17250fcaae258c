"""From the model's output to items: it never raises, whatever the model wrote.

What cannot be used comes back as a `Reject` with its reason. `parse` reads the linear form and
the JSON form alike into candidates, then sorts them: known type? in the text? told before?
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ruie import linear
from ruie.grounding import Grounder, nearest, nearest_pair, normalise
from ruie.records import Demonstration, Item, Query, Reject, RejectReason, Span, Task


class OutputForm(StrEnum):
    """How the model is asked to answer."""

    LINEAR = "linear"  # `type: span; type: span`
    JSON = "json"  # an object that follows a JSON Schema, for endpoints with `response_format`


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an output says. `readable` is False if nothing in it has the form asked for."""

    items: tuple[Item, ...]
    rejects: tuple[Reject, ...]
    readable: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item as written, before it is checked. `parts` has `Task.arity` strings."""

    type: str
    parts: tuple[str, ...]
    raw: str


def parse(
    output: str,
    query: Query,
    demonstrations: Sequence[Demonstration] = (),
    form: OutputForm = OutputForm.LINEAR,
) -> Parsed:
    """Items of `query.text`, grounded, and what was refused. Never raises."""
    grounder = Grounder(query.text)
    read = _read_json if form is OutputForm.JSON else _read_linear
    candidates, rejects, said_none = read(output, query, grounder)
    readable = said_none or bool(candidates)
    items, refused = _sort(candidates, query, grounder, demonstrations)
    return Parsed(tuple(items), (*rejects, *refused), readable)


def _read_linear(
    output: str, query: Query, grounder: Grounder
) -> tuple[list[Candidate], list[Reject], bool]:
    if linear.is_none(output):
        return [], [], True
    candidates: list[Candidate] = []
    rejects: list[Reject] = []
    said_none = False
    labels = tuple(query.labels)
    for line in output.splitlines():
        for segment in linear.split(line, labels, query.task.arity, grounder.contains):
            if segment.parts and segment.label is not None:
                candidates.append(Candidate(segment.label, segment.parts, segment.raw))
            elif linear.is_none(segment.raw):
                said_none = True
            else:
                rejects.append(Reject(RejectReason.MALFORMED, segment.raw))
    return candidates, rejects, said_none


def _unfenced(output: str) -> str:
    """What stands in a Markdown code fence, or the output where it is no fence."""
    first, _, rest = output.strip().partition("\n")
    name = first.removeprefix("```").strip()
    fenced = first.startswith("```") and (not name or name.isalnum()) and rest.endswith("```")
    return rest.removesuffix("```") if fenced else output


def _read_json(
    output: str, query: Query, grounder: Grounder
) -> tuple[list[Candidate], list[Reject], bool]:
    try:
        answer = json.loads(_unfenced(output))
    except (ValueError, RecursionError):
        return [], [Reject(RejectReason.MALFORMED, output)], False
    found = answer.get("items") if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        return [], [Reject(RejectReason.MALFORMED, output)], False
    keys = ("head", "tail") if query.task is Task.RE else ("span",)
    name = "role" if query.task is Task.EAE else "type"
    candidates: list[Candidate] = []
    rejects: list[Reject] = []
    for entry in found:
        raw = _as_written(entry)
        told = [entry.get(key) for key in (name, *keys)] if isinstance(entry, dict) else []
        values = [value.strip() for value in told if isinstance(value, str) and value.strip()]
        if len(values) == 1 + len(keys):
            candidates.append(Candidate(values[0], tuple(values[1:]), raw))
        else:
            rejects.append(Reject(RejectReason.MALFORMED, raw))
    return candidates, rejects, not found


def _as_written(entry: object) -> str:
    try:
        return json.dumps(entry, ensure_ascii=False)
    except RecursionError:  # it may be read at a depth that cannot be written
        return "nested too deeply"


def _sort(
    candidates: Iterable[Candidate],
    query: Query,
    grounder: Grounder,
    demonstrations: Sequence[Demonstration],
) -> tuple[list[Item], list[Reject]]:
    items: list[Item] = []
    rejects: list[Reject] = []
    seen: set[tuple[object, ...]] = set()
    # two types that differ in case alone are told apart where the model writes them exactly
    known = {normalise(label): label for label in reversed(query.labels)}
    shown: set[str] | None = None
    for candidate in candidates:
        exact = candidate.type in query.labels
        label = candidate.type if exact else known.get(normalise(candidate.type))
        if label is None:
            rejects.append(Reject(RejectReason.UNKNOWN_TYPE, candidate.raw))
            continue
        found = [grounder.occurrences(part) for part in candidate.parts]
        if not all(found):
            if shown is None:
                shown = _shown(demonstrations)
            missing = [p for p, spans in zip(candidate.parts, found, strict=True) if not spans]
            leaked = any(normalise(part) in shown for part in missing)
            reason = RejectReason.LEAKED if leaked else RejectReason.NOT_IN_TEXT
            rejects.append(Reject(reason, candidate.raw))
            continue
        for spans in _choices(found, query):
            place = (label, *((span.start, span.end) for span in spans))
            if place not in seen:
                seen.add(place)
                items.append(Item(label, spans))
                break
        else:
            rejects.append(Reject(RejectReason.REPEATED, candidate.raw))
    return items, rejects


def _choices(found: Sequence[list[Span]], query: Query) -> Iterator[tuple[Span, ...]]:
    """The occurrences that may be meant, in order (the rule is in ruie/grounding.py)."""
    if query.task is Task.RE:
        yield nearest_pair(found[0], found[1])
    elif query.task is Task.EAE and query.trigger is not None and query.trigger.span.grounded:
        yield (nearest(found[0], query.trigger.span),)
    else:
        yield from ((span,) for span in found[0])


def _shown(demonstrations: Sequence[Demonstration]) -> set[str]:
    """Every span that the demonstrations' answers hold, normalised."""
    return {
        normalise(span.text)
        for demonstration in demonstrations
        for item in demonstration.items
        for span in item.spans
    }
