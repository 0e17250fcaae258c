"""Whether a model said that there is nothing to extract. Silence is no such statement.

`None` says so, `N/A`, and a short sentence that can mean nothing else: it denies (`no`, `none`,
`nothing`, `not`), and each of its words is one of those below or of the schema's types. Any other
word makes it a sentence about something ("No entities apart from Orvane."), and the answer is then
unreadable rather than empty: to ask again costs less than records that nobody misses.
"""

from __future__ import annotations

import re

from ruie.output import marks
from ruie.output.labels import Labels

NOTHING = "None"
NOT_APPLICABLE = "n/a"
MAX_STATEMENT = 160
"""Characters of a sentence that may state it."""

_AROUND = " \t\r\n.`'\"“”‘’«»*_()[]{}<>-–—•!#。（）［］【】「」"
_EXPLAINED = re.compile(r"none(?:[.!,;]\s|\s*\(|\s+[-–—]{1,2}\s)", re.IGNORECASE)
_CONTRAST = re.compile(
    r"\b(?:except\w*|but|apart|aside|besides|beyond|however|although|though|unless|only|other|still"
    r"|actually|wait|maybe|perhaps|possibly|instead|rather)\b",
    re.IGNORECASE,
)
"""Words after which an explanation takes back what it explains."""
_IS = re.compile(
    r"(?<![\w-])([\w-]{1,160}+)\s*+(?:=|:|->|→|\bis\b|\bare\b)(?!\s*(?:not|none|no)\b)"
)
_THINGS = frozenset(
    [
     "entity", "entities", "relation", "relations", "relationship", "relationships", "event",
     "events", "argument", "arguments", "trigger", "triggers", "item", "items", "mention",
     "mentions", "role", "roles", "type", "types"]
)  # fmt: skip
_OTHERS = frozenset(
    [
     "there", "are", "is", "were", "was", "have", "has", "been", "can", "could", "be", "i",
     "found", "find", "any", "of", "the", "these", "those", "this", "them", "that", "in", "a",
     "an", "and", "or", "nor", "for", "to", "from", "given", "provided", "above", "specified",
     "listed", "requested", "relevant", "matching", "match", "such", "named", "entity's", "kind",
     "kinds", "sentence", "text", "passage", "document", "context", "paragraph", "present",
     "mentioned", "identified", "detected", "extracted", "extract", "exist", "exists", "here",
     "it", "contains", "contain", "does", "do", "did"]
)  # fmt: skip
_DENIALS = frozenset(
    ["no", "none", "nothing", "not", "don't", "doesn't", "didn't", "isn't", "aren't"]
)


def is_none(output: str) -> bool:
    """Whether the output is the word `None`, in any case, quotes or brackets."""
    return output.strip(_AROUND).lower() == NOTHING.lower()


def says_none(sentence: str, labels: Labels) -> bool:
    """Whether a sentence states that there are no items."""
    if is_none(sentence):
        return True
    sentence = marks.bare(sentence.strip())
    if _EXPLAINED.match(sentence):
        return not takes_back(sentence) and not _names_one(sentence, labels)
    if sentence.lower() == NOT_APPLICABLE:
        return True
    if len(sentence) > MAX_STATEMENT:
        return False
    words = re.findall(r"[^\s,.;:!?()\[\]\"`*/]+", sentence.lower().replace("’", "'"))
    if not _DENIALS & set(words):
        return False
    known = [word in _THINGS or labels.find(word) is not None for word in words]
    others = [word in _OTHERS or word in _DENIALS for word in words]
    states = any(known) or "none" in words or "nothing" in words
    return states and all(a or b for a, b in zip(known, others, strict=True))


def takes_back(explanation: str) -> bool:
    """Whether an explanation of why there is nothing says that there is something."""
    return _CONTRAST.search(explanation) is not None


def _names_one(sentence: str, labels: Labels) -> bool:
    """Whether it says what is of one of the types: `PERSON is Ada`."""
    return any(labels.find(found[1]) is not None for found in _IS.finditer(sentence))
