"""An answer in the JSON form: every value in it, and what is written around them.

That there is nothing is said within a value (ruie/output/json_form.py), and, where JSON was asked
for, by `{}` or `null` alone.
"""

from __future__ import annotations

import re

from ruie.grounding import Grounder
from ruie.output import json_text, marks
from ruie.output.candidates import Candidate, Reading
from ruie.output.json_form import Linear, ValueReader
from ruie.output.labels import Labels
from ruie.output.nothing import takes_back
from ruie.output.revision import Sections
from ruie.records import Query, Reject, RejectReason

_EMPTY = re.compile(r"(?:```[ \t]{0,9}\w{0,20}\s{0,99})?(?:\{\s*\}|null)(?:\s{0,99}```)?")


def read_json(
    output: str,
    query: Query,
    labels: Labels,
    grounder: Grounder,
    linear: Linear,
    *,
    asked: bool = False,
) -> Reading:
    """What is written in an output as JSON. linear: reads an item that is written as text. asked:
    the model was to answer in JSON."""
    if asked and _EMPTY.fullmatch(output.strip()):
        return Reading(none_stated=True)
    found = json_text.find(output)
    whole = Reading()
    sections = Sections(labels)
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for number, (value, literal) in enumerate(found.values):
        reader = ValueReader(query, labels, grounder, linear)
        reader.value(value, literal)
        new = reader.reading
        if number < len(found.before) and sections.divide(whole, found.before[number]):
            seen.clear()
        # what a draft and then the answer hold is one item; two objects alike are two
        earlier = set() if reader.single else seen
        whole.candidates += [c for c in new.candidates if (c.type, c.parts) not in earlier]
        if number < found.whole:
            seen.update((c.type, c.parts) for c in new.candidates)
        whole.rejects += new.rejects
        whole.none_stated |= new.none_stated
    if found.repaired:
        whole.none_stated &= found.may_be_empty
        last = whole.candidates[-1] if whole.candidates else None
        if last is not None and found.end.endswith(last.parts[-1]):  # perhaps half a span
            whole.rejects.append(Reject(RejectReason.MALFORMED, whole.candidates.pop().raw))
    sections.settle(whole)
    around = "".join((*found.before, found.after)).strip("`json \t\r\n")
    whole.certain = bool(found.values) and not (found.repaired or around)
    whole.none_stated &= bool(whole.candidates) or not takes_back(found.after)
    if (lost := found.left or found.unended) and whole.candidates:
        whole.rejects.append(Reject(RejectReason.MALFORMED, lost))
    whole.rejects += _beside(found, whole.candidates, labels, grounder, linear)
    if not (whole.candidates or whole.rejects or whole.none_stated):
        whole.rejects.append(Reject(RejectReason.MALFORMED, output))
    return whole


def _beside(
    found: json_text.Found,
    candidates: list[Candidate],
    labels: Labels,
    grounder: Grounder,
    linear: Linear,
) -> list[Reject]:
    """What is written around the values, is of the text, and is none of their spans."""
    known = {part for candidate in candidates for part in candidate.parts}
    others: list[Candidate] = []
    if found.values:
        for written in (*found.before, found.after):
            others += linear(written).candidates if ":" in written or "：" in written else []
    rejects: list[Reject] = []
    for other in others:
        parts = [marks.barest(part, grounder.contains) for part in other.parts]
        named = labels.find(other.type) is not None
        short = sum(map(len, other.parts)) * 2 < len(grounder.text)  # no echo of the sentence
        if all(parts) and not known.issuperset(filter(None, parts)) and (named or short):
            rejects.append(Reject(RejectReason.MALFORMED, other.raw))
    return rejects
