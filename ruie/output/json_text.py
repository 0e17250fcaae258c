"""JSON values in what a model wrote: among prose, in fences, one after another, nearly JSON.

Strict JSON comes first. What has the beginnings of JSON and is none is repaired by the library
`json-repair`: single quotes, comments, trailing commas, an end that is missing.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ruie.output.json_repeated import of_pairs, put_together, spliced, told_apart

PIECE = 10_000
"""Characters that are repaired together, as far as an object ends there: the time for repairs grows
with the square of the length."""
MAX_REPAIRED_DEPTH = 24
"""Brackets within brackets in what is repaired: each level is gone through again."""

_START = re.compile(r"\{\s*[\"'“}/]|\[\s*[\[{\"'“\]/]")
_LOOSE_START = re.compile(r"\{\s*\w+\s*:")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.|\Z)", re.DOTALL)
_BETWEEN = re.compile(r"\}\s{0,9},?\s{0,9}(?=\{)")
_BRACKET = re.compile(r"[{}()\[\]]")
_EMPTY_LIST = re.compile(r"\[\s*\]")


@dataclass(frozen=True, slots=True)
class Found:
    """values: in the order of the output, each with the same value read with every backslash as
    itself. repaired: the last is not strict JSON. may_be_empty: an empty list is one that the model
    wrote, not one that was cut off. unended: its end, where more must come. after: what was written
    after the last value. end: the last characters of what was repaired. left: what is too long to
    be repaired. whole: so many values are whole ones, the others pieces of one. before: what was
    written before each whole value, and before the rest."""

    values: tuple[tuple[Any, Any], ...] = ()
    repaired: bool = False
    may_be_empty: bool = True
    unended: str = ""
    after: str = ""
    end: str = ""
    left: str = ""
    whole: int = 0
    before: tuple[str, ...] = ()


def find(output: str) -> Found:
    """Every value in an output. Never raises."""
    values: list[tuple[Any, Any]] = []
    before: list[str] = []
    # line ends within strings
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=of_pairs)
    escaped = _Escaped(output)
    written = escaped.text
    start = _START.search(written) or _LOOSE_START.search(written)
    end = 0
    while start is not None:
        at = start.start()
        before.append(written[end:at])
        try:
            value, end = decoder.raw_decode(written, at)
        except (ValueError, RecursionError):
            return _repaired(escaped, at, values, before)
        value = spliced(value)
        literal = spliced(_literal(escaped.original(at, end), value, decoder.decode))
        values.append((value, literal))
        start = _START.search(written, end)
    after = written[end:] if values else ""
    return Found(tuple(values), whole=len(values), after=after, before=tuple(before))


def _repaired(escaped: _Escaped, at: int, whole: list[tuple[Any, Any]], before: list[str]) -> Found:
    """What is in the rest of an output, which is not strict JSON, repaired piece by piece."""
    written = _unfenced(escaped.text[at:])
    values = list(whole)
    start = 0
    while start < len(written):
        end = len(written)
        if end - start > PIECE:
            between = _BETWEEN.search(written, start + PIECE, start + 2 * PIECE)
            if between is None:
                break
            end = between.end()
        value = _repair(written[start:end])
        if isinstance(value, dict | list) and value:
            original = escaped.original(at + start, at + end)
            values.append((value, _literal(original, value, _repair)))
        start = end
    unended = written[-100:] if written[-1:] in tuple(",:[{") else ""
    return Found(
        tuple(values),
        repaired=True,
        may_be_empty=not unended and _EMPTY_LIST.search(written) is not None,
        unended=unended,
        after=written[1 + max(written.rfind("}"), written.rfind("]")) :],
        end=written[-1000:],
        left=written[start:],
        whole=len(whole),
        before=tuple(before),
    )


def _unfenced(written: str) -> str:
    """Without the end of a Markdown code fence, and what follows it."""
    before, fence, after = written.rpartition("```")
    ends = fence and "\n" not in after.strip() and before.rstrip(" \t").endswith("\n")
    return (before if ends else written).rstrip()


def _repair(written: str) -> Any:
    if _depth(written) > MAX_REPAIRED_DEPTH:
        return None
    from json_repair import loads  # seldom needed

    try:
        return spliced(put_together(loads(told_apart(written), skip_json_loads=True)))
    except Exception:  # its own errors and any that a string of a model brings out
        return None


def _depth(written: str) -> int:
    """How deep the brackets are at most, those in strings too."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(written):
        depth = depth + 1 if bracket in "{[(" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _literal(original: str, value: Any, load: Callable[[str], Any]) -> Any:
    """The same value read with every backslash as itself, but for that before a quote."""
    if "\\" not in original:
        return value
    doubled = _ESCAPE.sub(lambda e: e[0] if e[0] == '\\"' else e[0].replace("\\", "\\\\"), original)
    try:
        return load(doubled)
    except (ValueError, RecursionError):
        return value


class _Escaped:
    """A text in which backslashes that JSON does not know are doubled: they mean themselves."""

    def __init__(self, output: str) -> None:
        self.output = output
        self.added: list[int] = []
        parts: list[str] = []
        last = 0
        for escape in _ESCAPE.finditer(output):
            pair = escape[0]
            if len(pair) == 6 or (len(pair) == 2 and pair[1] in '"\\/bfnrt'):
                continue
            self.added.append(escape.start() + len(self.added) + 1)
            parts += [output[last : escape.start()], "\\"]
            last = escape.start()
        self.text = "".join([*parts, output[last:]]) if parts else output

    def original(self, start: int, end: int) -> str:
        """A range of `text` as it was written."""
        a, b = (at - bisect_left(self.added, at) for at in (start, end))
        return self.output[a:b]
