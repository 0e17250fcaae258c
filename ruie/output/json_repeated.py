"""Objects of JSON that have a name more than once.

A dictionary keeps the last value of each. So a name that is repeated is told apart before the text
is repaired, by a character that no output has, and the object is made of all its values afterwards.
"""

from __future__ import annotations

import re
from typing import Any

from ruie.output.json_names import TYPES, plain_key

MARK = "\ue000"
"""What a repeated name gets with its number."""

_PIECE = re.compile(
    r"(?P<name>\"(?P<a>(?:[^\"\\\n]|\\.){0,200})\"|'(?P<b>(?:[^'\\\n]|\\.){0,200})')(?=\s{0,99}:)"
    r"|\"(?:[^\"\\]|\\.){0,9999}+\"|(?P<bracket>[{}])",
    re.DOTALL,
)


class Several(list[Any]):
    """The objects that one with repeated names stands for."""


def of_pairs(pairs: list[tuple[str, Any]]) -> Any:
    """An object as a dictionary. One whose names are repeated is as many objects where all of them
    come equally often, else one object."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(spliced(value))
    counts = {len(each) for each in values.values()}
    if counts <= {1}:
        return {name: each[0] for name, each in values.items()}
    listed = any(isinstance(value, list) for each in values.values() for value in each)
    if len(counts) == 1 and not listed and any(plain_key(name) not in TYPES for name in values):
        rows = zip(*values.values(), strict=True)
        return Several(dict(zip(values, row, strict=True)) for row in rows)
    return {name: _one(name, each) for name, each in values.items()}


def spliced(value: Any) -> Any:
    """A list with what several objects stand for in their place."""
    if isinstance(value, list) and any(isinstance(each, Several) for each in value):
        return [one for e in value for one in (e if isinstance(e, Several) else [e])]
    return value


def told_apart(written: str) -> str:
    """A text that is nearly JSON, with the names that an object repeats made different."""
    if MARK in written:
        return written
    open_objects: list[dict[str, int]] = [{}]
    parts: list[str] = []
    last = 0
    for piece in _PIECE.finditer(written):
        if piece["bracket"] == "{":
            open_objects.append({})
        elif piece["bracket"]:
            open_objects = open_objects[:-1] or [{}]
        elif piece["name"] is not None:
            name = piece["a"] if piece["a"] is not None else piece["b"]
            seen = open_objects[-1]
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                end = piece.end("name") - 1
                parts += [written[last:end], f"{MARK}{seen[name]}"]
                last = end
    return "".join([*parts, written[last:]])


def put_together(value: Any) -> Any:
    """A repaired value with the names as they were written. Recursive: the depth is bounded."""
    if isinstance(value, list):
        return spliced([put_together(each) for each in value])
    if isinstance(value, dict):
        pairs = [(str(name).partition(MARK)[0], put_together(each)) for name, each in value.items()]
        return of_pairs(pairs)
    return value


def _one(name: str, values: list[Any]) -> Any:
    """The value of a name; of several types for one span the last, else a list of all."""
    return values[-1] if len(values) == 1 or plain_key(name) in TYPES else _flat(values)


def _flat(values: list[Any]) -> list[Any]:
    return [item for each in values for item in (each if isinstance(each, list) else [each])]
