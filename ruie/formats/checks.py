"""Checks for every format: texts and labels that can be stored, offsets that fit the text.

Each function returns the checked value or raises `RowError`.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

from ruie.formats.row import RowError
from ruie.grounding import MAX_OCCURRENCES, Grounder
from ruie.records import Grounding, Span
from ruie.schema_file import MAX_LABEL, SEPARATOR

MAX_SHOWN = 60
"""Characters of a value that a message shows."""


def short(value: object) -> str:
    """A value as shown in messages."""
    shown = repr(value) if not isinstance(value, int) or abs(value) < 10**MAX_SHOWN else "huge"
    return shown if len(shown) <= MAX_SHOWN else f"{shown[: MAX_SHOWN - 1]}…"


def parsed(line: str) -> dict[str, Any]:
    """One JSON object."""
    try:
        value = json.loads(line)
    except RecursionError:
        raise RowError("the JSON is nested too deeply") from None
    except ValueError as error:  # also a number with thousands of digits
        raise RowError(f"this is not JSON ({getattr(error, 'msg', error)})") from None
    return checked_object(value, "the line")


def checked_object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RowError(f"{what} is not a JSON object")
    return value


def need(raw: dict[str, Any], key: str) -> Any:
    if key not in raw:
        raise RowError(f"'{key}' is missing")
    return raw[key]


def objects(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of JSON objects."""
    if not isinstance(listed := need(raw, key), list):
        raise RowError(f"'{key}' is not a list")
    return [checked_object(value, f"something in '{key}'") for value in listed]


def checked_text(value: object, key: str) -> str:
    """The text of a row."""
    if not isinstance(value, str):
        raise RowError(f"'{key}' is not a string")
    if not value.strip():
        raise RowError(f"'{key}' is empty")
    return encodable(value, key)


def encodable(value: str, key: str) -> str:
    """A string that UTF-8 can encode: JSON may have half of a surrogate pair (`"\\ud83d"`)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RowError(
            f"'{key}' has bytes that are not UTF-8, or half of a surrogate pair",
            "Save the file as UTF-8.",
        ) from None
    return value


def label(value: object, key: str) -> str:
    """A type or a role, with white space normalised as in schema files."""
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"'{key}' is not text")
    if len(value := " ".join(value.split())) > MAX_LABEL:
        raise RowError(f"'{key}' has {len(value)} characters, more than {MAX_LABEL}")
    if "\0" in value:
        raise RowError(f"'{key}' has NUL")
    if value.strip(SEPARATOR) != value:
        raise RowError(f"'{key}' begins or ends with '{SEPARATOR}': {short(value)}")
    return encodable(value, key)


def span(text: str, start: object, end: object, annotated: object = None) -> Span:
    """The characters from `start` to `end`, exclusive.

    annotated: the text of the span in the annotation, which must be the same; None if it has none.
    """
    if type(start) is not int or type(end) is not int:
        raise RowError(f"offsets {short(start)} and {short(end)} are not whole numbers")
    if not 0 <= start < end <= len(text):
        raise RowError(f"offsets {short(start)}:{short(end)} are outside the text")
    actual = text[start:end]
    if annotated is not None and annotated != actual:
        raise RowError(
            f"text[{start}:{end}] is {short(actual)}, but the annotation says {short(annotated)}"
        )
    return Span(actual, start, end, Grounding.EXACT)


def occurrences(text: str, name: str, grounder: Grounder | None = None) -> list[Span]:
    """The exact occurrences of a name in the text; only those as whole words, if there are any.
    grounder: of the text, where several names are looked for.

    A person may annotate a part of a word, where a model's answer is not grounded in one.
    """
    if name != name.strip() or name not in text:
        return []
    whole = [
        s for s in (grounder or Grounder(text)).occurrences(name) if s.grounding is Grounding.EXACT
    ]
    if whole or not name:
        return whole
    found = re.finditer(re.escape(name), text)
    return [Span(name, *f.span(), Grounding.EXACT) for f in islice(found, MAX_OCCURRENCES)]
