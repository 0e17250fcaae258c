"""What a model said, apart from what it thought before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

THOUGHT = re.compile(
    r"\s*(?:<(?P<tag>think|thinking|thought|reasoning)>|\[THINK\])"
    r".*?(?:</(?P=tag)>|\[/THINK\]|\Z)\s*",
    re.DOTALL | re.IGNORECASE,
)
THOUGHT_UNOPENED = re.compile(r"(?:(?!<think).)*?(?:\A|\n)</think(?:ing)?>\s*", re.DOTALL)
"""Where the chat template opens the thought, the answer only closes it, on a line of its own."""


@dataclass(frozen=True, slots=True)
class AnswerText:
    """text: the answer. reasoned: the model visibly thought. everything: all that it wrote, its
    thoughts too. refusal: why it will not answer, or ""."""

    text: str
    reasoned: bool
    everything: str
    refusal: str = ""


def read_text(message: Any) -> AnswerText | None:
    """The text of a message, or None if it is no message."""
    if not isinstance(message, dict):
        return None
    said, thoughts = _parts(message.get("content"))
    if said is None:
        return None
    for name in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(thought := message.get(name), str) and thought:
            thoughts.append(thought)
            break
    reasoned = bool(thoughts) or bool(message.get("reasoning_details"))
    text = said
    thought_block = THOUGHT.match(text)
    if thought_block is None and "</think" in text:
        thought_block = THOUGHT_UNOPENED.match(text)
    if thought_block is not None:
        text, reasoned = text[thought_block.end() :], True
    refusal = message.get("refusal")
    return AnswerText(
        text=text,
        reasoned=reasoned,
        everything="\n".join([*thoughts, said]) if thoughts else said,
        refusal=" ".join(refusal.split())[:300] if isinstance(refusal, str) else "",
    )


def _parts(content: Any) -> tuple[str | None, list[str]]:
    """The text and the thoughts of a message's content; None if it is neither text nor parts."""
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
            if kind in ("thinking", "reasoning", "redacted_thinking"):
                thoughts.append(_thought(part))
            elif isinstance(text := part.get("text"), str) and kind in (
                "text",
                "output_text",
                None,
            ):
                texts.append(text)
        else:
            return None, []
    return "".join(texts), thoughts


def _thought(part: Mapping[str, Any]) -> str:
    inner = next((part[name] for name in ("thinking", "reasoning", "text") if name in part), "")
    return inner if isinstance(inner, str) else (_parts(inner)[0] or "")
