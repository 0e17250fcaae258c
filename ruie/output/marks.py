"""Marks that a model sets around what it says: lists, headings, emphasis, quotes, brackets.

They are the door of the linear form: whatever reads a label or a span takes it as written first,
and without its marks only where that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ruie.output.retraction import takes_back

LONGEST = 40
"""Characters of marks before a label, at most."""
MAX_PEELS = 16
"""Marks taken from one span."""

_PLAIN = str.maketrans(
    {**dict.fromkeys("：︰﹕", ":"), **dict.fromkeys("；﹔\u037e؛", ";"),
     **dict.fromkeys("，、﹐﹑､،", ","), "｜": "|"}
)  # fmt: skip
_OPENING = "-‐–—−*+•·∙▪▫◦‣●○■□►▶→✓#>_`'\"“”„‘’«»[({<|【「『（［｛〈《"
_CLOSING = ".,:!*_`'\"“”‘’«»])}>|】」』）］｝〉》。，；、"
_PAIRS = frozenset(
    ["**", "__", "``", "''", '""', "“”", "„“", "”“", "‘’", "«»", "»«", "[]", "()", "{}", "<>",
     "||", "【】", "「」", "『』", "（）", "［］", "｛｝", "〈〉", "《》"]
)  # fmt: skip
_NUMBER = r"\(?(?:\d{1,4}[.)\]、](?=\D)|[A-Za-z]\)|\[[ xX✓]?\])"
_LEADING = re.compile(rf"(?:{_NUMBER}|\s|[{re.escape(_OPENING)}]){{1,{LONGEST}}}")
_NUMBERED = re.compile(rf"{_NUMBER}\s*")
_LISTED = re.compile(rf"[-–—*+•·∙▪▫◦‣●○■□►▶✓]|{_NUMBER}")
_NO_CONTENT = re.compile(r"(?:```|~~~) ?[\w+-]{0,20}|[-=*_|:+~`#<>{}\[\]()\s]*")
_NOTE = re.compile(
    r"\s[-–—]{1,2}\s|\s//|\t|\s#\s|[.!]\s|\sbecause\s"
    r"|,?\s(?:who|whom|whose|which|where|since|as|because)\s"
)
"""Where an explanation of a span begins."""
COMPANY = (
    r"(?=\s{0,3}(?:Inc|Ltd|Limited|LLC|L\.L\.C|LLP|LP|Corp|Co|PLC|GmbH|AG|S\.?A|N\.?V|B\.?V|Jr|Sr|Esq)"
    r"\b)"
)
"""What follows the comma of a name, and is no span by itself: `Acme, Inc.`"""
_ON = re.compile(r"(\W*)(\w+)")
_STOP = re.compile(r"[.!]?\s+")

_AND = r"(?:and|also|then|plus|or|finally)\s++(?:(?:also|then|the|an?|another|one)\s++){0,2}"
BOUNDARY = re.compile(
    rf"(?:[:,|.!]\s*+|\s++){_AND}|[:,|.!]\s*|\s+(?=[{re.escape(_OPENING)}]|\(?\d{{1,3}}[.)])",
    re.IGNORECASE,
)
"""Where, within a line, an item may begin without a semicolon before it."""


def plain(text: str) -> str:
    """The text with the colon, semicolon, comma and bar of every script as the ASCII ones.

    As long as the text, so that positions are the same.
    """
    return text if text.isascii() else text.translate(_PLAIN)


def bare(label: str) -> str:
    """What is written for a label, without the marks around it; as it is if nothing else is."""
    found = _LEADING.match(label)
    inner = label[found.end() :] if found else label
    return inner.rstrip(_OPENING + _CLOSING + " \t") or label


def opens(line: str) -> bool:
    """Whether a line is a heading, `Answer:` or `**Answer:**`."""
    return plain(line).rstrip("*_`#\"' ").endswith(":")


def empty(line: str) -> bool:
    """Whether a line only divides others: a code fence, a rule, the line below a table's head."""
    return _NO_CONTENT.fullmatch(line.strip()) is not None


def listed(line: str) -> bool:
    """Whether a line is an entry of a list."""
    return _LISTED.match(line.strip()) is not None


def unlisted(line: str) -> str:
    """An entry of a list without its number."""
    found = _NUMBERED.match(line)
    return line[found.end() :] if found else line


def peeled(part: str) -> Iterator[str]:
    """The part with one mark or note less each time, the longest first."""
    for _ in range(MAX_PEELS):
        part = _without_one(part)
        if not part:
            return
        yield part


def barest(part: str, contains: Callable[[str], bool]) -> str | None:
    """The part, with as few of its marks taken off as it takes for the text to have it."""
    if contains(part):
        return part
    inner = next(filter(contains, peeled(part)), None)
    if inner is None:
        return None
    end = part.find(inner) + len(inner)
    if takes_back(part[end:]):
        return None
    # no explanation, but more of the text: a span that is not copied rightly to its end
    on = _ON.match(part, end)
    if on and (
        contains(inner + on[0]) or (_STOP.fullmatch(on[1]) and contains(f"{inner} {on[2]}"))
    ):
        return None
    return inner


def unwrapped(part: str) -> str:
    """A span that is not in the text, without emphasis and the quotes or brackets around it; "" if
    there is nothing else."""
    inner = part.strip("*_` \t")
    while len(inner) > 2 and inner[0] + inner[-1] in _PAIRS:
        inner = inner[1:-1].strip("*_` \t")
    return inner


def _without_one(part: str) -> str:
    if len(part) < 2:
        return ""
    if part[0] + part[-1] in _PAIRS:
        return part[1:-1].strip()
    if part[-1] in ")）]" and (at := max(part.rfind("("), part.rfind("（"), part.rfind("["))) > 0:
        return part[:at].rstrip()  # an explanation
    if part[-1] in _CLOSING:
        return part[:-1].rstrip()
    if part[0] in _OPENING:
        return part[1:].lstrip()
    if found := _NUMBERED.match(part):
        return part[found.end() :]
    # what follows a semicolon is no part of a note: it may be the next item
    if (found := _NOTE.search(part)) and ";" not in plain(part[found.start() :]):
        return part[: found.start()].rstrip()
    return ""
