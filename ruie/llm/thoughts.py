"""What a model thought before it answered, in the text that it wrote.

A mark of a thought means one wherever the prompt has no such mark: no document says it then. Names
that are words (`<reason>`, `<analysis>`) mean one only before an answer or on a line of their own,
and none that the types in the prompt have: there they are tags around a span. Where the prompt has
a mark itself, only its place tells: at the beginning, on a line of its own, before an empty line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Messages = Sequence[Mapping[str, str]]

_MARK = re.compile(
    r"<(?P<a>/?)(?P<tag>(?:\w{1,20}[:_])?(?P<sure>think(?:ing)?)"
    r"|(?:\w{1,20}[:_])?(?P<word>thoughts?|reason(?:ing)?|analysis|reflection|scratchpad))>"
    r"|\[(?P<b>/?)THINK\]|◁(?P<c>/?)think▷"
    r"|<\|(?:START|(?P<d>END))_(?P<cohere>THINKING)\|>"
    r"|<\|(?:begin|(?P<e>end))_of_(?P<of>thought)\|>",
    re.IGNORECASE,
)
_LINE = re.compile(r"[ \t]*\r?\n")
_SPACE = re.compile(r"\s*")
_EMPTY_LINE = re.compile(r"[ \t]*\r?\n[ \t]*\r?\n")
CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(?P<said>.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss, where the server does not take its format apart."""
CHANNELS_RUN_TOGETHER = re.compile(r"\s*analysis(?=[A-Z\s]).*assistant\s?final", re.DOTALL)
"""The same where it has dropped the marks."""
WRAPPER = re.compile(
    r"\s*(?:<answer>|<\|START_RESPONSE\|>|<\|begin_of_solution\|>)(?P<said>.*?)"
    r"(?:</answer>|<\|END_RESPONSE\|>|<\|end_of_solution\|>|\Z)\s*",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Mark:
    """sure: it can mean nothing else."""

    start: int
    end: int
    name: str
    closes: bool
    sure: bool


def without_thoughts(said: str, messages: Messages = ()) -> str:
    """What was said, without what was only thought; "" if there was nothing else. messages: the
    prompt."""
    if channels := {found["name"]: found["said"] for found in CHANNEL.finditer(said)}:
        return channels.get("final", "")
    if said.lstrip().startswith("<|channel|>"):
        return ""
    if together := CHANNELS_RUN_TOGETHER.match(said):
        return said[together.end() :]
    text = _outside(said, _marks(said, messages))
    if text != said and (wrapped := WRAPPER.fullmatch(text)) is not None:
        return wrapped["said"]
    return text


def instruction(messages: Messages) -> str:
    """The part of a prompt that names the types, without case."""
    return messages[0]["content"].partition("\n\n")[0].lower() if messages else ""


def _marks(said: str, messages: Messages) -> list[_Mark]:
    """The marks of thoughts in a text, apart from tags that are named like a type."""
    found = list(_MARK.finditer(said))
    if not found:
        return []
    types = set(re.findall(r"\w+", instruction(messages)))
    prompt = "\n".join(message["content"] for message in messages)
    own = {mark[0].lower() for mark in _MARK.finditer(prompt)}
    marks: list[_Mark] = []
    for mark in found:
        word = (mark["word"] or "").lower()
        if word in types:
            continue
        name = (mark["tag"] or mark["cohere"] or mark["of"] or mark[0].strip("[]/◁▷")).lower()
        closes = any(mark[each] for each in "abcde")
        sure = not word and mark[0].lower() not in own
        marks.append(_Mark(mark.start(), mark.end(), name, closes, sure))
    return marks


def _outside(said: str, marks: Sequence[_Mark]) -> str:
    """The text outside of thoughts."""
    kept: list[str] = []
    at, first = 0, _after(said, 0)
    number = 0
    while number < len(marks):
        mark = marks[number]
        number += 1
        leading = not kept and first >= mark.start
        if mark.closes:  # where the chat template opens the thought, the answer only closes it
            if mark.sure or leading or _apart(said, mark):
                kept, at = [], mark.end
                first = _after(said, at)
        elif mark.sure or leading or _alone(said, mark):
            if not leading:
                kept.append(said[at : mark.start])
            number = _end(marks, number, mark.name) or len(marks) + 1
            at = marks[number - 1].end if number <= len(marks) else len(said)
            first = _after(said, at)
    if kept:
        return ("".join(kept) + said[at:]).rstrip()
    return said[first:] if at else said


def _end(marks: Sequence[_Mark], number: int, name: str) -> int:
    """The number of the mark after the one that closes a thought with those in it; 0: none does.
    Where more are opened than closed, the last closes it."""
    depth, last = 1, 0
    for at in range(number, len(marks)):
        if marks[at].name != name:
            continue
        depth += -1 if marks[at].closes else 1
        last = at + 1 if marks[at].closes else last
        if not depth:
            break
    return last


def _alone(said: str, mark: _Mark) -> bool:
    """Whether a mark that opens a thought has a line of its own."""
    before = said[max(0, mark.start - 200) : mark.start].rstrip(" \t")
    return before.endswith("\n") and _LINE.match(said, mark.end) is not None


def _apart(said: str, mark: _Mark) -> bool:
    """Whether a mark that closes a thought begins a line, or is before an empty one."""
    before = said[max(0, mark.start - 200) : mark.start].rstrip(" \t")
    begins = before.endswith("\n") or (not before and mark.start <= 200)
    return begins or _EMPTY_LINE.match(said, mark.end) is not None


def _after(said: str, at: int) -> int:
    """The position after white space."""
    found = _SPACE.match(said, at)
    return found.end() if found else at
