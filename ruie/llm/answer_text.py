"""What a model said, apart from what it thought before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruie.llm.thoughts import Messages, instruction, without_thoughts

ENDS_OF_TURN = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>",
    "<|end_of_turn|>", "<|end|>", "<|return|>", "</s>", "<eos>", "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
)  # fmt: skip  # a list
"""What ends a turn in a model's own alphabet, where the server leaves it in the text."""
_LABELLED = re.compile(r"[\s>*#•-]{0,20}(?P<name>[^\s:：;][^:：;\n]{0,119}?)\s?[:：]")
"""How an item begins."""
SEGMENT = 400
"""Characters of the end of a part that are looked at."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """text: the answer. reasoned: the model visibly thought. everything: all that it wrote, its
    thoughts too. refusal: why it will not answer, or ""."""

    text: str
    reasoned: bool
    everything: str
    refusal: str = ""


def read_text(message: Any, prompt: Messages = ()) -> AnswerText | None:
    """The text of a message, or None if it is no message. prompt: the messages that it answers."""
    if not isinstance(message, dict):
        return None
    refusals: list[str] = []
    said, thoughts = _parts(message.get("content"), refusals, instruction(prompt))
    if said is None:
        return None
    for name in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(thought := message.get(name), str) and thought:
            thoughts.append(thought)
            break
    reasoned = bool(thoughts) or bool(message.get("reasoning_details"))
    text = without_thoughts(said, prompt)
    reasoned = reasoned or text != said
    if not (refusal := message.get("refusal")) and not said.strip():
        refusal = " ".join(refusals)
    return AnswerText(
        text=_without_end(_own_turn(text, prompt)),
        reasoned=reasoned,
        everything="\n".join([*thoughts, said]) if thoughts else said,
        refusal=" ".join(refusal.split())[:300] if isinstance(refusal, str) else "",
    )


def _own_turn(text: str, prompt: Messages) -> str:
    """The text up to the end of the model's turn: what it writes after it is no answer. A mark that
    the prompt has ends nothing, nor does one before all text."""
    said = "\n".join(message["content"] for message in prompt)
    struck = "<s>" in text.strip()[1:]  # `<s>Tessin</s>` is an element of HTML
    marks = [m for m in ENDS_OF_TURN if m not in said and not (struck and m == "</s>")]
    begin = len(text) - len(text.lstrip())
    while mark := next((m for m in ENDS_OF_TURN if text.startswith(m, begin)), ""):
        begin += len(mark)
        begin += len(text[begin : begin + 99]) - len(text[begin : begin + 99].lstrip())
    ends = [at for mark in marks if (at := text.find(mark, begin)) >= 0]
    return text[: min(ends)].rstrip() if ends else text


def _without_end(text: str) -> str:
    """The text without the marks of the end of a turn at its end."""
    kept = end = len(text)
    while end:
        if text[end - 1].isspace():
            end -= 1
        elif mark := next((m for m in ENDS_OF_TURN if text.endswith(m, 0, end)), ""):
            kept = end = end - len(mark)
        else:
            break
    return text if kept == len(text) else text[:kept].rstrip()


def _parts(content: Any, refusals: list[str], types: str = "") -> tuple[str | None, list[str]]:
    """The text and the thoughts of a message's content; None if it is neither text nor parts. What
    says that the model refuses is added to `refusals`. types: the part of the prompt that names
    them."""
    if content is None:
        return "", []
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        return None, []
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = part.get("type")
            if (
                kind in ("thinking", "reasoning", "redacted_thinking")
                or part.get("thought") is True
            ):
                thoughts.append(_thought(part))
            elif kind == "refusal":
                refusals.append(str(part.get("refusal") or "The model refused."))
            elif isinstance(text := part.get("text"), str) and kind in (
                "text",
                "output_text",
                None,
            ):
                texts.append(text)
        else:
            return None, []
    return _joined(texts, types), thoughts


def _joined(texts: Sequence[str], types: str) -> str:
    """Parts as one text. They may be divided anywhere, in the middle of an item too. So a line ends
    between two of them only where the first ends in an item and the second begins one, with a type
    that the prompt names."""
    joined: list[str] = []
    for text in texts:
        found = _LABELLED.match(text)
        if found is not None and joined:
            last = re.split(r"[;；\n]", joined[-1][-SEGMENT:])[-1]
            item = re.fullmatch(r"[^:：]*+[:：].*\S.*", last, re.DOTALL) is not None
            name = re.escape(found["name"].strip("*_` ").lower())
            if item and re.search(rf"(?<!\w){name}(?!\w)", types):
                joined.append("\n")
        joined.append(text)
    return "".join(joined)


def _thought(part: Mapping[str, Any]) -> str:
    inner = next((part[name] for name in ("thinking", "reasoning", "text") if name in part), "")
    return inner if isinstance(inner, str) else (_parts(inner, [])[0] or "")
