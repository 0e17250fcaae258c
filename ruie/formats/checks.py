"""What holds in every format: texts and labels that can be stored, offsets that fit the text.

Each function gives the checked value or raises `Wrong`.
"""

from __future__ import annotations

import json
from typing import Any

from ruie.formats.row import Wrong
from ruie.grounding import Grounder
from ruie.records import Grounding, Span
from ruie.schema import MAX_LABEL

SHOWN_CHARS = 60
"""Characters of a value that a message repeats."""


def short(value: object) -> str:
    """A value as a message shows it."""
    shown = repr(value) if not isinstance(value, int) or abs(value) < 10**SHOWN_CHARS else "huge"
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[: SHOWN_CHARS - 1]}…"


def parsed(line: str) -> dict[str, Any]:
    """One JSON object."""
    try:
        value = json.loads(line)
    except RecursionError:
        raise Wrong("the JSON is nested too deeply") from None
    except ValueError as error:  # also a number with thousands of digits
        raise Wrong(f"this is not JSON ({getattr(error, 'msg', error)})") from None
    return checked_object(value, "the line")


def checked_object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(f"{what} is not a JSON object")
    return value


def need(raw: dict[str, Any], key: str) -> Any:
    if key not in raw:
        raise Wrong(f"'{key}' is missing")
    return raw[key]


def objects(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of JSON objects."""
    if not isinstance(listed := need(raw, key), list):
        raise Wrong(f"'{key}' is not a list")
    return [checked_object(value, f"something in '{key}'") for value in listed]


def checked_text(value: object, key: str) -> str:
    """The text of a row."""
    if not isinstance(value, str):
        raise Wrong(f"'{key}' is not a string")
    if not value.strip():
        raise Wrong(f"'{key}' is empty")
    return whole(value, key)


def whole(value: str, key: str) -> str:
    """A string that UTF-8 can hold: JSON may write half of a surrogate pair (`"\\ud83d"`)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong(
            f"'{key}' holds bytes that are not UTF-8, or half of a surrogate pair",
            "Save the file as UTF-8.",
        ) from None
    return value


def label(value: object, key: str) -> str:
    """A type or a role, its white space as a schema file would have it."""
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"'{key}' is not text")
    if len(value := " ".join(value.split())) > MAX_LABEL:
        raise Wrong(f"'{key}' has {len(value)} characters, more than {MAX_LABEL}")
    return whole(value, key)


def span(text: str, start: object, end: object, said: object = None) -> Span:
    """The characters from `start` to `end`, exclusive; `said` is what the annotation repeats."""
    if type(start) is not int or type(end) is not int:
        raise Wrong(f"offsets {short(start)} and {short(end)} are not whole numbers")
    if not 0 <= start < end <= len(text):
        raise Wrong(f"offsets {short(start)}:{short(end)} are outside the text")
    found = text[start:end]
    if said is not None and said != found:
        raise Wrong(f"text[{start}:{end}] is {short(found)}, but the annotation says {short(said)}")
    return Span(found, start, end, Grounding.EXACT)


def occurrences(text: str, name: str) -> list[Span]:
    """Where a name stands in the text exactly as written: as whole words, if it ever does."""
    if name != name.strip() or name not in text:
        return []
    return [s for s in Grounder(text).occurrences(name) if s.grounding is Grounding.EXACT]
