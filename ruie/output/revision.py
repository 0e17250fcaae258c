"""An answer that is given twice: a draft and then the answer, an answer and then its explanation,
an answer that the model corrects.

What stands between the two says which it is. A heading as `Final answer:` or `Corrected:` puts what
follows in the place of all that was said before. A word as `Wait` or `Actually` corrects the spans
that are named again, and everything if the answer is given once more. After an explanation, an item
that was said before is the same item, not the next one in the text.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from ruie.output.candidates import Candidate, Reading
from ruie.output.labels import Labels
from ruie.records import Reject, RejectReason

Key = tuple[str | None, tuple[str, ...]]
"""The label of an item, None if it is unknown, and its parts."""
LONGEST = 300
"""Characters at the beginning and the end of what stands between that are looked at."""

_HEADING = 80
"""Characters of a heading."""
_AGAIN = r"(?:final(?:ly|ized)?|correct(?:ed|ions?)|revised|revision|updated|amended|fixed|refined)"
_ANEW = re.compile(rf"\b{_AGAIN}\b", re.IGNORECASE)
_GIVES = re.compile(
    rf"\b{_AGAIN}\s(?:\w{{1,20}}\s){{0,2}}(?:answer|list|version|output|result|response|json|entit|"
    r"relation|event|argument|extraction|annotation)",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"\W{0,9}(?:so\s|thus\W{1,3}|therefore\W{1,3})?(?:the\s|my\s)?"
    r"(?:answer|output|result|response)(?:\sis)?\W{1,9}",
    re.IGNORECASE,
)
_ADDS = re.compile(
    r"\b(?:also|add|adds|added|adding|addition\w*|more|miss(?:ed|ing)|forgot\w*|another|extra|other"
    r"|further|remaining)\b",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"(?:^|[.!?:\n])[\W_]{0,9}(?:(?:but|oh|hmm+|well|no)[\W_]{1,9})?(?:wait|actually|hold\son|oops"
    r"|sorry|apologies|my\s(?:mistake|apologies)|correction|on\s(?:second\sthoughts?|reflection)"
    r"|i\s(?:made|mean|meant|apologi[sz]e)|(?:let\sme|i\sshould|i\sneed\sto)\s(?:correct|fix|revise|re-?\w+"
    r"|double.check))\b",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"[\W_]{0,9}(?:(?:here\sis|here['’]s|brief|short|some|a|my|the)\s){0,3}(?:explanations?|explained|notes?"
    r"|reason(?:s|ing)?|rationale|justifications?|analysis|comments?|summary|why|thoughts?|breakdown"
    r"|details|clarifications?|in\s(?:summary|short)|step\s\d{1,2}|verification|double.check\w*)\b",
    re.IGNORECASE,
)


class Kind(Enum):
    """What a piece of an answer between its items says of those before and after it."""

    ANEW = auto()
    ANSWER = auto()  # as `ANEW`, if it is said once
    CORRECTS = auto()
    EXPLAINS = auto()


def kind(said: str, *, heads: bool = False) -> Kind | None:
    """What is said between two items, or None where it says nothing of them. heads: as a
    heading."""
    said = said.strip()
    if not said:
        return None
    ends = (said,) if len(said) <= 2 * LONGEST else (said[:LONGEST], said[-LONGEST:])
    heading = said if heads else said.rpartition("\n")[2]
    heads |= heading.rstrip("*_`\"' ").endswith((":", "："))
    if not any(map(_ADDS.search, ends)):
        if heads and len(heading) <= _HEADING and _ANEW.search(heading):
            return Kind.ANEW
        if any(map(_GIVES.search, ends)):
            return Kind.ANEW
        if heads and _ANSWER.fullmatch(heading):
            return Kind.ANSWER
    if any(map(_CORRECTS.search, ends)):
        return Kind.CORRECTS
    return Kind.EXPLAINS if _EXPLAINS.match(said) else None


@dataclass(frozen=True, slots=True)
class _Section:
    """The items up to the next break. none: that there are none was said in it."""

    kind: Kind | None
    items: list[Candidate]
    none: bool


class Sections:
    """The items of one answer, divided by what is said between them."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.breaks: list[tuple[int, Kind, bool]] = []

    def divide(self, reading: Reading, said: str, *, heads: bool = False) -> bool:
        """What is said after the items read so far. Whether it is a break."""
        if (found := kind(said, heads=heads)) is None:
            return False
        self.breaks.append((len(reading.candidates), found, reading.none_stated))
        reading.none_stated = False
        return True

    def settle(self, reading: Reading) -> None:
        """Take out of a reading what was said again, and reject what was taken back."""
        if not self.breaks:
            return
        kept = _Kept(self.labels)
        anew = {Kind.ANEW}
        if sum(found is Kind.ANSWER for _, found, _ in self.breaks) == 1:
            anew.add(Kind.ANSWER)
        for section in self._sections(reading):
            gone = kept.taken_back(section, anew)
            said = set(map(kept.key, section.items)) if gone else set()
            reading.rejects += [
                Reject(RejectReason.MALFORMED, c.raw) for c in gone if kept.key(c) not in said
            ]
            kept.none = section.none or (kept.none and not gone)
            kept.add(section.items)
        reading.candidates = [c for c in kept.items if c is not None]
        reading.none_stated = kept.none

    def _sections(self, reading: Reading) -> Iterator[_Section]:
        first: tuple[int, Kind | None, bool] = (0, None, False)
        last = (len(reading.candidates), None, reading.none_stated)
        for (at, found, _), (end, _, none) in pairwise([first, *self.breaks, last]):
            yield _Section(found, reading.candidates[at:end], none)


class _Kept:
    """The items of the sections before: None in the place of those that were taken back."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.items: list[Candidate | None] = []
        self.none = False
        self.known = 0
        self.counts: Counter[Key] = Counter()
        self.places: dict[frozenset[str], list[int]] = defaultdict(list)
        """Where the items of known types with these parts are."""

    def key(self, candidate: Candidate) -> Key:
        return self.labels.find(candidate.type), candidate.parts

    def add(self, section: list[Candidate]) -> None:
        """The items of a section, as far as they were not there as often before it."""
        here: Counter[Key] = Counter()
        for candidate in section:
            key = self.key(candidate)
            here[key] += 1
            if key[0] is None:
                self.items.append(candidate)
            elif here[key] > self.counts[key]:
                self.counts[key] += 1
                self.known += 1
                self.places[frozenset(candidate.parts)].append(len(self.items))
                self.items.append(candidate)

    def taken_back(self, section: _Section, anew: set[Kind]) -> list[Candidate]:
        """Take out what a section takes back."""
        later = {key: c for c in section.items if (key := self.key(c))[0] is not None}
        if section.kind in anew and (later or section.none):
            return self._take(list(self.places))
        if section.kind is not Kind.CORRECTS:
            return []
        again = any(self.counts[key] for key in later)
        if (again and 2 * len(later) >= self.known) or (section.none and not later):
            return self._take(list(self.places))
        return self._take([frozenset(c.parts) for c in later.values()], but=later)

    def _take(self, spans: Iterable[frozenset[str]], but: Collection[Key] = ()) -> list[Candidate]:
        """Take out the items with these parts."""
        gone: list[Candidate] = []
        for span in spans:
            stay: list[int] = []
            for at in self.places.pop(span, ()):
                candidate = self.items[at]
                if candidate is None or self.key(candidate) in but:
                    stay.append(at)
                    continue
                self.items[at] = None
                self.counts[self.key(candidate)] -= 1
                self.known -= 1
                gone.append(candidate)
            if stay:
                self.places[span] = stay
        return gone
