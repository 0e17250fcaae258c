"""What a model said, apart from what it thought before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TAGS = r"(?:\w{1,20}[:_])?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad)"
THOUGHT = re.compile(
    rf"\s*(?:<(?P<tag>{_TAGS})>|(?P<bracket>\[THINK\])|(?P<kimi>◁think▷)"
    r"|(?P<cohere><\|START_THINKING\|>))"
    r".*?(?:(?(tag)</(?P=tag)>|(?(bracket)\[/THINK\]|(?(kimi)◁/think▷|<\|END_THINKING\|>)))"
    r"|\Z)\s*",
    re.DOTALL | re.IGNORECASE,
)
_END = rf"(?:</{_TAGS}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>)"
THOUGHT_ENDS = re.compile(_END, re.IGNORECASE)
THOUGHT_UNOPENED = re.compile(
    rf"(?:(?!<think).)*?(?:(?:\A|\n)[ \t]*{_END}\s*|{_END}[ \t]*\r?\n[ \t]*\r?\n\s*)",
    re.DOTALL | re.IGNORECASE,
)
"""Where the chat template opens the thought, the answer only closes it, on a line of its own or
before an empty one."""
THOUGHT_LATER = re.compile(
    rf"\n[ \t]*<(?P<tag>{_TAGS})>[ \t]*\r?\n.*?(?:</(?P=tag)>|\Z)", re.DOTALL | re.IGNORECASE
)
"""A thought of several lines after a first answer."""
CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w+)[^<]*<\|message\|>(?P<said>.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss, where the server does not take its format apart."""
CHANNELS_RUN_TOGETHER = re.compile(r"\s*analysis(?=[A-Z\s]).*assistant\s?final", re.DOTALL)
"""The same where it has dropped the marks."""
ENDS_OF_TURN = (
    "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>",
    "<|end_of_turn|>", "<|end|>", "<|return|>", "</s>", "<eos>", "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
)  # fmt: skip  # a list
"""What ends a turn in a model's own alphabet, where the server leaves it in the text."""
WRAPPER = re.compile(
    r"\s*(?:<answer>|<\|START_RESPONSE\|>)(?P<said>.*?)(?:</answer>|<\|END_RESPONSE\|>|\Z)\s*",
    re.DOTALL | re.IGNORECASE,
)


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
    refusals: list[str] = []
    said, thoughts = _parts(message.get("content"), refusals)
    if said is None:
        return None
    for name in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(thought := message.get(name), str) and thought:
            thoughts.append(thought)
            break
    reasoned = bool(thoughts) or bool(message.get("reasoning_details"))
    text = without_thoughts(said)
    reasoned = reasoned or text != said
    if not (refusal := message.get("refusal")) and not said.strip():
        refusal = " ".join(refusals)
    return AnswerText(
        text=_without_end(text),
        reasoned=reasoned,
        everything="\n".join([*thoughts, said]) if thoughts else said,
        refusal=" ".join(refusal.split())[:300] if isinstance(refusal, str) else "",
    )


def without_thoughts(said: str) -> str:
    """What was said, without what was only thought; "" if there was nothing else."""
    if channels := {found["name"]: found["said"] for found in CHANNEL.finditer(said)}:
        return channels.get("final", "")
    if said.lstrip().startswith("<|channel|>"):
        return ""
    if together := CHANNELS_RUN_TOGETHER.match(said):
        return said[together.end() :]
    start = 0
    while start < len(said) and (thought := THOUGHT.match(said, start)) is not None:
        start = thought.end()
    if not start and THOUGHT_ENDS.search(said):
        unopened = THOUGHT_UNOPENED.match(said)
        start = unopened.end() if unopened is not None else 0
    text = THOUGHT_LATER.sub("", said[start:])
    if text != said and (wrapped := WRAPPER.fullmatch(text)) is not None:
        return wrapped["said"]
    return text


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


def _parts(content: Any, refusals: list[str]) -> tuple[str | None, list[str]]:
    """The text and the thoughts of a message's content; None if it is neither text nor parts. What
    says that the model refuses is added to `refusals`."""
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
    return "".join(texts), thoughts


def _thought(part: Mapping[str, Any]) -> str:
    inner = next((part[name] for name in ("thinking", "reasoning", "text") if name in part), "")
    return inner if isinstance(inner, str) else (_parts(inner, [])[0] or "")
