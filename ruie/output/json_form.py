"""One value of JSON in an answer: `{"items": [{"type": ..., "span": ...}]}`, and other shapes in
which models give the same: a bare list, one object, other keys, spans listed by type.

A shape is read where it can mean one thing only: which of two strings is the type is told by the
name of its key, or else by which of them is a type of the schema.

That there is nothing is said by an empty list, by `null` or `{}` in the place of a list of items,
and by an item whose span is `None`. An empty string says nothing, nor does `null` or `{}` among
items.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ruie.grounding import Grounder
from ruie.output import retraction
from ruie.output.candidates import Candidate, Reading
from ruie.output.json_names import HEADS, ITEMS, LISTS, SPANS, TAILS, TYPES, plain_key
from ruie.output.labels import Labels
from ruie.output.nothing import is_none
from ruie.records import Query, Reject, RejectReason, Task

MAX_DEPTH = 4
"""Objects within objects that are looked through for items."""

_CONTROL = re.compile(r"[\x00-\x1f]")

FAILED = frozenset(["error", "errors", "refusal"])
"""Names under which an object says why it lists nothing: then nothing was not found."""

Linear = Callable[[str], Reading]


class ValueReader:
    """Reads one value of an output. single: it is one item, not a list of them."""

    def __init__(self, query: Query, labels: Labels, grounder: Grounder, linear: Linear) -> None:
        self.task = query.task
        self.labels = labels
        self.grounder = grounder
        self.linear = linear
        self.reading = Reading()
        self.single = False

    def value(self, value: Any, literal: Any) -> None:
        if isinstance(value, dict) and self._name(value) is not None:
            self.single = True
            self._entry(value, literal, 0)
        else:
            self._items(value, literal, 0)

    def _items(self, value: Any, literal: Any, depth: int) -> None:
        """A list of items, or an object that has one."""
        if isinstance(value, list):
            self.reading.none_stated |= not value and not depth
            for one, its_literal in _pairs(value, literal):
                self._entry(one, its_literal, depth)
            return
        unknown = []
        failed = False
        before = self._size()
        for key, inner in value.items():
            its_literal = _of(literal, key)
            label = self.labels.find(key)
            if label is None and retraction.in_json(key, inner, value):
                self._malformed({key: inner})
            elif label is None and plain_key(key) in FAILED and isinstance(inner, str) and inner:
                failed = True
                self._malformed({key: inner})
            elif plain_key(key) in LISTS and not (label and _are_spans(inner)):
                self._listed(inner, its_literal, depth, all(plain_key(k) in ITEMS for k in value))
            elif label is not None:
                self._spans(label, inner, its_literal, key)
            elif isinstance(inner, dict | list) and inner and depth < MAX_DEPTH:
                self._items(inner, its_literal, depth + 1)
            else:
                unknown.append((key, inner))
        self.reading.none_stated &= not failed
        if self._size() == before and not self.reading.none_stated:
            for key, inner in unknown:
                if self._is_span_first(key, inner):
                    self._add(self.labels.find(inner), [key.strip()], {key: inner})
                elif isinstance(inner, str) and inner.strip() and self.task is not Task.RE:
                    written = _as_written({key: inner})
                    self.reading.candidates.append(Candidate(key, (inner.strip(),), written))

    def _listed(self, inner: Any, literal: Any, depth: int, nothing_else: bool) -> None:
        """What an object has for a list of items. nothing_else: the object has no other keys."""
        if isinstance(inner, list):
            self.reading.none_stated |= not inner
            self._items(inner, literal, depth + 1)
        elif isinstance(inner, dict) and inner and depth < MAX_DEPTH:
            if self._name(inner) is not None:
                self._entry(inner, literal, depth + 1)
            else:
                self._items(inner, literal, depth + 1)
        elif isinstance(inner, str):
            self._entry(inner, literal, depth)
        elif not inner and inner in (None, {}) and nothing_else:
            self.reading.none_stated = True
        else:
            self._malformed(inner)

    def _size(self) -> int:
        return len(self.reading.candidates) + len(self.reading.rejects)

    def _entry(self, entry: Any, literal: Any, depth: int) -> None:
        if isinstance(entry, str):
            self._text(entry)
        elif isinstance(entry, list):
            self._tuple(entry, literal)
        elif isinstance(entry, dict) and (name := self._name(entry)) is not None:
            kind = entry[name].strip() if isinstance(entry[name], str) else None
            others = {key: inner for key, inner in entry.items() if key != name}
            if retraction.by_fields(others):
                self._malformed(entry)
                return
            parts = self._parts(others, literal)
            label = self.labels.find(kind) if kind else None
            if parts == [None] and label and (listed := self._several(others)) is not None:
                self._spans(label, others[listed], _of(literal, listed), kind or label)
            else:
                self._add(kind, parts, entry)
        elif isinstance(entry, dict) and depth < MAX_DEPTH and self._holds_items(entry):
            self._items(entry, literal, depth + 1)
        else:
            self._malformed(entry)

    def _several(self, entry: dict[str, Any]) -> str | None:
        """The name of the spans of one type: `{"type": "PERSON", "spans": ["Ada", "Bob"]}`."""
        for key, inner in entry.items():
            name = plain_key(key).removesuffix("s").replace("entitie", "entity")
            of_event = self.task is Task.ED and ("argument" in name or "entity" in name)
            spans = (
                isinstance(inner, list) and inner and all(isinstance(e, str | dict) for e in inner)
            )
            if name in SPANS and name != plain_key(key) and spans and not of_event:
                return key
        return None

    def _text(self, entry: str) -> None:
        """An item in the linear form, as a string of JSON."""
        read = self.linear(entry)
        if any(self.labels.find(candidate.type) for candidate in read.candidates):
            self.reading.candidates += read.candidates
            self.reading.rejects += read.rejects
        elif read.none_stated:
            self.reading.none_stated = True
        else:
            self._malformed(entry)

    def _tuple(self, entry: list[Any], literal: Any) -> None:
        """`[type, span]`, `[head, type, tail]`: whichever of them is a type of the schema."""
        values = [self._string(one, lit) for one, lit in _pairs(entry, literal)]
        if len(values) == 1 + self.task.arity and all(values):
            places = [n for n, value in enumerate(values) if self._is_label(value)]
            if len(places) == 1:
                kind = values.pop(places[0])
                self._add(kind, values, entry)
                return
        self._malformed(entry)

    def _spans(self, label: str, inner: Any, literal: Any, key: str) -> None:
        """What is listed under a type."""
        several = inner == {} or (isinstance(inner, list) and not self._is_pair(inner))
        every = list(_pairs(inner or [], literal)) if several else [(inner, literal)]
        self.reading.none_stated |= not every
        for one, its_literal in every:
            if one is None or (isinstance(one, str) and self._is_none(one)):
                self.reading.none_stated = True
            elif isinstance(one, str) and self.task is Task.RE:
                self._text(f"{key}: {one}")
            elif isinstance(one, dict):
                named = {k: v for k, v in one.items() if k != self._name(one)} or one
                self._add(label, self._parts(named, its_literal), {key: one})
            elif isinstance(one, list):
                parts = [self._string(value, lit) for value, lit in _pairs(one, its_literal)]
                self._add(label, parts, {key: one})
            else:
                self._add(label, [self._string(one, its_literal)], {key: one})

    def _is_pair(self, inner: list[Any]) -> bool:
        is_two = len(inner) == 2 and all(isinstance(one, str) for one in inner)
        return is_two and self.task is Task.RE

    def _is_none(self, span: str) -> bool:
        return not span.strip() or (is_none(span) and span.strip() not in self.grounder.text)

    def _name(self, entry: dict[str, Any]) -> str | None:
        """The key of an entry's type, or None if it has none."""
        keys = {plain_key(key): key for key in reversed(entry)}
        types = [name for name in TYPES if name in keys] or SPANS
        for name in types:
            if name in keys and self._is_label(entry[keys[name]]):
                return keys[name]
        if any(self.labels.find(key) for key in entry):
            return None  # spans by their types
        if any(name in keys and isinstance(entry[keys[name]], list) for name in LISTS):
            return None
        return next((keys[name] for name in TYPES if name in keys), None)

    def _is_label(self, value: Any) -> bool:
        return isinstance(value, str) and self.labels.find(value) is not None

    def _is_span_first(self, key: str, inner: Any) -> bool:
        """`{"Mara Quill": "PERSON"}`"""
        return (
            self.task is not Task.RE
            and self._is_label(inner)
            and self.labels.find(key) is None
            and self.grounder.contains(key)
        )

    def _parts(self, entry: dict[str, Any], literal: Any) -> list[str | None]:
        keys = {plain_key(key): key for key in reversed(entry)}
        parts: list[str | None] = []
        for names in (HEADS, TAILS) if self.task is Task.RE else (SPANS,):
            named = [keys[name] for name in names if name in keys]
            # `"span": [0, 10]` beside the text is where it is
            key = next((k for k in named if not isinstance(entry[k], list)), None) or next(
                iter(named), None
            )
            if key is None and self.task is not Task.RE:
                strings = [k for k, inner in entry.items() if isinstance(inner, str)]
                key = strings[0] if len(strings) == 1 else None
            parts.append(self._string(entry[key], _of(literal, key)) if key is not None else None)
        return parts

    def _string(self, value: Any, literal: Any) -> str | None:
        """A value as a span: one with a backslash in the reading that the text has."""
        if isinstance(value, dict):
            keys = {plain_key(key): key for key in reversed(value)}
            inner = next((keys[name] for name in SPANS if name in keys), None)
            value, literal = (value[inner], _of(literal, inner)) if inner else (None, None)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
            return str(value)
        if not isinstance(value, str):
            return None
        if isinstance(literal, str) and literal != value:
            control = _CONTROL.search(value) and value not in self.grounder.text
            absent = control or not self.grounder.contains(value)
            if absent and self.grounder.contains(literal.strip()):
                return literal.strip()
        return value.strip() or None

    def _add(self, kind: str | None, parts: list[str | None], written: Any) -> None:
        spans = tuple(part for part in parts if part)
        if spans and len(spans) == self.task.arity and all(map(self._is_none, spans)):
            self.reading.none_stated = True
        elif kind and len(spans) == len(parts) == self.task.arity:
            self.reading.candidates.append(Candidate(kind, spans, _as_written(written)))
        else:
            self._malformed(written)

    def _malformed(self, entry: Any) -> None:
        self.reading.rejects.append(Reject(RejectReason.MALFORMED, _as_written(entry)))

    def _holds_items(self, entry: dict[str, Any]) -> bool:
        return any(
            plain_key(key) in LISTS
            or self.labels.find(key) is not None
            or self._is_span_first(key, inner)
            for key, inner in entry.items()
        )


def _of(literal: Any, key: str | None) -> Any:
    return literal.get(key) if isinstance(literal, dict) and key is not None else None


def _pairs(value: list[Any], literal: Any) -> Iterator[tuple[Any, Any]]:
    same = isinstance(literal, list) and len(literal) == len(value)
    yield from zip(value, literal if same else value, strict=True)


def _are_spans(inner: Any) -> bool:
    return isinstance(inner, str) or (
        isinstance(inner, list) and any(isinstance(one, str) for one in inner)
    )


def _as_written(entry: object) -> str:
    try:
        return json.dumps(entry, ensure_ascii=False)
    except (RecursionError, ValueError):  # what can be parsed can not always be written
        return "nested too deeply"
