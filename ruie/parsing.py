"""From the model's output to items, without ever raising, whatever the model wrote.

What cannot be used is returned as a `Reject` with its reason. `parse` reads the linear form or the
JSON form into candidates, and checks each: is its type known, is it in the text, is it new?
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

    AUTO = "auto"  # the best of these that the endpoint was proved to hold answers to
    GRAMMAR = "grammar"  # the linear form, held to a grammar
    JSON = "json"  # an object that follows a JSON Schema, for endpoints with `response_format`
    LINEAR = "linear"  # `type: span; type: span`


@dataclass(frozen=True, slots=True)
class Parsed:
    """The contents of an output. `readable` is False if nothing in it has the requested form."""

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
    """Items grounded in `query.text`, and rejects. Never raises."""
    grounder = Grounder(query.text)
    read = _read_json if form is OutputForm.JSON else _read_linear
    candidates, malformed, none_stated = read(output, query, grounder)
    readable = none_stated or bool(candidates)
    items, rejects = _check(candidates, query, grounder, demonstrations)
    return Parsed(tuple(items), (*malformed, *rejects), readable)


def _read_linear(
    output: str, query: Query, grounder: Grounder
) -> tuple[list[Candidate], list[Reject], bool]:
    if linear.is_none(output):
        return [], [], True
    candidates: list[Candidate] = []
    rejects: list[Reject] = []
    none_stated = False
    labels = tuple(query.labels)
    for line in output.splitlines():
        for segment in linear.split(line, labels, query.task.arity, grounder.contains):
            if segment.parts and segment.label is not None:
                candidates.append(Candidate(segment.label, segment.parts, segment.raw))
            elif linear.is_none(segment.raw):
                none_stated = True
            else:
                rejects.append(Reject(RejectReason.MALFORMED, segment.raw))
    return candidates, rejects, none_stated


def _unfenced(output: str) -> str:
    """The contents of a Markdown code fence, or the output if it is none."""
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
    entries = answer.get("items") if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        return [], [Reject(RejectReason.MALFORMED, output)], False
    keys = ("head", "tail") if query.task is Task.RE else ("span",)
    name = "role" if query.task is Task.EAE else "type"
    candidates: list[Candidate] = []
    rejects: list[Reject] = []
    for entry in entries:
        raw = _as_written(entry)
        fields = [entry.get(key) for key in (name, *keys)] if isinstance(entry, dict) else []
        values = [value.strip() for value in fields if isinstance(value, str) and value.strip()]
        if len(values) == 1 + len(keys):
            candidates.append(Candidate(values[0], tuple(values[1:]), raw))
        else:
            rejects.append(Reject(RejectReason.MALFORMED, raw))
    return candidates, rejects, not entries


def _as_written(entry: object) -> str:
    try:
        return json.dumps(entry, ensure_ascii=False)
    except RecursionError:  # the depth at which JSON can be parsed is not always one to write
        return "nested too deeply"


def _check(
    candidates: Iterable[Candidate],
    query: Query,
    grounder: Grounder,
    demonstrations: Sequence[Demonstration],
) -> tuple[list[Item], list[Reject]]:
    items: list[Item] = []
    rejects: list[Reject] = []
    seen: set[tuple[object, ...]] = set()
    # two types that differ only in case are distinguished where the model writes them exactly
    known = {normalise(label): label for label in reversed(query.labels)}
    shown: set[str] | None = None
    # an item that is written again takes what the same item before it has left
    turns: dict[tuple[str, ...], Iterator[tuple[Span, ...]]] = {}
    for candidate in candidates:
        exact = candidate.type in query.labels
        label = candidate.type if exact else known.get(normalise(candidate.type))
        if label is None:
            rejects.append(Reject(RejectReason.UNKNOWN_TYPE, candidate.raw))
            continue
        occurrences = [grounder.occurrences(part) for part in candidate.parts]
        if not all(occurrences):
            if shown is None:
                shown = _shown(demonstrations)
            parts = zip(candidate.parts, occurrences, strict=True)
            missing = [part for part, spans in parts if not spans]
            leaked = any(normalise(part) in shown for part in missing)
            reason = RejectReason.LEAKED if leaked else RejectReason.NOT_IN_TEXT
            rejects.append(Reject(reason, candidate.raw))
            continue
        turn = (label, *candidate.parts)
        for spans in turns.setdefault(turn, _choices(occurrences, query)):
            key = (label, *((span.start, span.end) for span in spans))
            if key not in seen:
                seen.add(key)
                items.append(Item(label, spans))
                break
        else:
            rejects.append(Reject(RejectReason.REPEATED, candidate.raw))
    return items, rejects


def _choices(occurrences: Sequence[Sequence[Span]], query: Query) -> Iterator[tuple[Span, ...]]:
    """The occurrences that may be meant, in order (the rule is in ruie/grounding.py)."""
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
