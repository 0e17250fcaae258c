"""HTML as tags and text, in one pass: no tree of elements, whose building takes the square of their
depth, and thirty times the memory of the page.

The rules are those of the HTML standard's tokeniser (https://html.spec.whatwg.org, 13.2.5) as far
as they decide what is text. Every expression below is possessive, and what does not end is taken to
end with the page, so that no character is read twice.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

RAW = frozenset(("script", "style", "iframe", "xmp", "noembed", "noframes"))
"""Elements that hold text alone, without character references."""
REPLACED = frozenset(("title", "textarea"))
"""Elements that hold text alone, with character references."""

_MARKUP = re.compile(
    r"<(?:"
    r"(?P<end>/)?(?P<name>[a-zA-Z][^\s/>]*+)"
    r"(?:[\s/]++|[^\s/>=][^\s/>=]*+|=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+))*+(?:>|\Z)"
    r"|!--(?:-?>|(?P<comment>))"
    r"|[!?/](?P<bogus>))"
)
_REFERENCE = re.compile(r"&#(?:[xX][0-9a-fA-F]{9,}+|[0-9]{9,}+);?")
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in (*RAW, *REPLACED)}
_COMMENT_END = re.compile(r"--!?>")


class Text(NamedTuple):
    """Characters that are shown, unless they are within an element that is not."""

    text: str


class Tag(NamedTuple):
    """The beginning or the end of an element; its name is in small letters."""

    name: str
    ends: bool


def tokens(source: str) -> Iterator[Text | Tag]:
    """The tags of a page and the text between them, in order."""
    at, size = 0, len(source)
    while at < size:
        found = _MARKUP.search(source, at)
        if found is None:
            yield Text(decoded(source[at:]))
            return
        if found.start() > at:
            yield Text(decoded(source[at : found.start()]))
        at = found.end()
        if found["name"] is None:
            at = _after_comment(source, found)
            continue
        if not found[0].endswith(">"):
            return  # a tag that the page ends in is none
        name = found["name"].lower()
        yield Tag(name, bool(found["end"]))
        if not found["end"] and (name in _RAW_END or name == "plaintext"):
            end = _RAW_END[name].search(source, at) if name in _RAW_END else None
            stop = end.start() if end else size
            if stop > at:
                inner = source[at:stop]
                yield Text(decoded(inner) if name in REPLACED else inner)
            at = stop


def decoded(text: str) -> str:
    """The text with its character references as what they stand for."""
    if "&" not in text:
        return text
    # no number has so many digits: reading them takes the square of their number
    return html.unescape(_REFERENCE.sub("\ufffd", text))


def _after_comment(source: str, found: re.Match[str]) -> int:
    """Where a comment ends, or what the standard takes for one."""
    if found["comment"] is not None:
        end = _COMMENT_END.search(source, found.end())
        return end.end() if end else len(source)
    if found["bogus"] is not None:
        close = source.find(">", found.end())
        return close + 1 if close >= 0 else len(source)
    return found.end()
