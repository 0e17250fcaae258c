"""Which parameter of the request an endpoint refuses, in every provider's words.

Fields that name it (`param`, `loc`) are trusted first. Free text is searched only for parameters
that ruie itself sends, in tight patterns: an error may repeat a piece of the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruie.llm.error_body import ErrorBody

SYSTEM = "messages.system"
"""The name of the system message among the parameters."""
LOG_PROBS = "logprobs"
"""How probable tokens are, which OpenAI says nobody is allowed to ask of its reasoning models."""
BUDGET = "budget_tokens"
"""What an output limit must leave room for, where a parameter lets a model of Anthropic think."""
MAX_SEARCHED = 1_000
ECHO = re.compile(r"([\"`])(?:(?!\1).){40,}\1", re.DOTALL)
"""A long quotation: the document's words, not the endpoint's."""

NAME = (
    r"(?<![\w.])[`'\"]{0,2}(?P<name>max_completion_tokens|max_tokens|maxoutputtokens|temperature|stop_sequences|stop"
    r"|response_format|top_logprobs|logprobs|seed)(?:\.[\w.]+)?[`'\"]{0,2}(?!\w)"
)
ALIASES = {
    "maxoutputtokens": "max_tokens",  # Vertex AI
    "stop_sequences": "stop",  # Anthropic
    "top_logprobs": LOG_PROBS,  # which ruie never sends, and some have by themselves
}


def _patterns(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(p.replace("NAME", NAME), re.IGNORECASE) for p in patterns)


UNSUPPORTED = _patterns(
    r"unsupported (?:parameter|param|argument|field)s?:? NAME",  # OpenAI, llama.cpp
    r"unrecognized request arguments? supplied:? NAME",  # OpenAI, older models
    r"NAME(?: parameter)? (?:(?:is|are) )?(?:currently )?(?:not|no longer)(?: yet| currently)?"
    r" (?:supported|allowed|available|enabled|permitted|implemented)",  # Groq, Gemini
    r"(?:not (?:allowed|permitted) to|cannot|can't) (?:request|use|return|set) NAME",  # OpenAI, 403
    r"NAME(?: parameter)? (?:is|are) (?:deprecated|unsupported)",  # Anthropic, Groq
    r"(?:does not|doesn't|do not|don't) support (?:the )?(?:parameters?|arguments?)?:? ?[\[({]?"
    r"NAME",  # xAI, OpenAI, LiteLLM
    r"unexpected (?:fields?|keys?|arguments?|parameters?)[^:]{0,40}: ?[\[({]?[^\])}]{0,80}?"
    r"NAME",  # transformers
    r"argument not supported[^:]{0,40}: NAME",  # xAI
    r"unknown (?:name|field|parameter|argument|key):? NAME",  # Gemini; servers written in Go
    r"property NAME is unsupported",  # Groq
    r"NAME: extra inputs are not permitted",  # Anthropic
    r"NAME and [`'\"]?top_p[`'\"]? cannot both be specified",  # Anthropic
    r"'loc': [\[(]'body', NAME",  # vLLM before 0.6, Python's notation as the message
)
ANY_NAME = re.compile(
    r"(?:unrecognized request arguments? supplied|unknown parameter|unsupported parameter):"
    r" [`'\"]?(?P<name>[a-z][a-z0-9_.]{1,60})",  # OpenAI
    re.IGNORECASE,
)
"""Words that stand before a parameter's name alone, whichever it is."""
OTHER_NAME = re.compile(
    r"^(?P<name>(?!messages|system|tools)[a-z]\w{1,60})(?:\.[\w.]+)?:"
    r" (?P<why>extra inputs are not permitted|input should be)",  # Anthropic
    re.IGNORECASE,
)
"""Likewise at the beginning of all that is said: what somebody set, and ruie never sends."""
VALUE = _patterns(
    r"NAME(?: value)? (?:is too \w+|must be|should be|cannot (?:be|exceed)|can only be|exceeds"
    r"|may only be|is invalid|is out of range|does not support)",  # OpenAI, Groq, LM Studio
    r"(?:invalid|unsupported) (?:value (?:for|of) |value: |parameter:? |schema for )?NAME",
    r"range of NAME should be",  # DashScope
    r"NAME: (?:\d+ >|range:|input should|only|expected|must|each \w+ \w+ must)",  # Anthropic
    r"has an? NAME value of",  # Vertex AI
)
FORMAT = re.compile(
    r"response_format type is unavailable"  # DeepSeek
    r"|(?:json_schema|json_object|json mode|structured outputs?|response format)[^.]{0,60}"
    r"(?:not|n't) (?:yet )?(?:be )?(?:supported|available|enabled)"  # Together, Fireworks
    r"|not support (?:the )?[`'\"]?(?:json_schema|json_object|json mode|structured output"
    r"|response.format)"  # Groq
    r"|to use [`'\"]response_format"  # OpenAI: the prompt has not the word JSON
    r"|schema .{0,80}(?:too many states|nesting depth)"  # Gemini
    r"|failed to (?:parse|compile) (?:the )?grammar|grammar error"  # llama.cpp, vLLM
    r"|output_config(?:\.format[\w.]*)?: |(?:compiled )?grammar is too large"  # Anthropic
    r"|schema is too complex",
    re.IGNORECASE,
)
NO_SYSTEM = re.compile(
    r"system (?:role|messages?|prompts?|instructions?) (?:is |are )?not (?:supported|allowed)"
    r"|not support (?:the )?[`'\"]?system[`'\"]?(?: role| messages?| prompts?| with)"  # OpenAI o1
    r"|developer instruction is not enabled"  # Gemini, for Gemma
    r"|(?:unknown|unsupported|invalid) role:? [`'\"]?system"
    r"|role not supported yet: [`'\"]?system"  # Baichuan
    r"|only user,? and assistant roles are supported"  # chat templates of vLLM and llama.cpp
    r"|conversation roles must alternate",
    re.IGNORECASE,
)
SUGGESTED = _patterns(r"use NAME(?: parameter)? instead", r"did you mean:? NAME")  # OpenAI

NOT_SUPPORTED = {"unsupported_parameter", "unknown_parameter", "extra_forbidden"}
NOT_PARAMETERS = {"messages", "model", "prompt", "input", "inputs", "input_tokens", "contents"}
"""What a `param` names where the fault is the document's or the model's."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A parameter, the name to use instead, and whether it is its value that is refused."""

    name: str
    suggested: str = ""
    about_value: bool = False


def refused_parameter(body: ErrorBody) -> Refusal | None:
    """The parameter that the endpoint does not take, or None if the error names none."""
    text = ECHO.sub('""', body.text[:MAX_SEARCHED])
    suggested = next((_name(m) for p in SUGGESTED if (m := p.search(text))), "")
    for path, code in body.parameters:
        name = re.split(r"[.\[]", path)[0]
        if name == "messages" and "role" in path and NO_SYSTEM.search(text):
            return Refusal(SYSTEM)
        if name and name not in NOT_PARAMETERS and not code.endswith("missing"):
            about_value = code not in NOT_SUPPORTED and not _unsupported(name, text)
            return Refusal(name, suggested, about_value)
    for patterns, about_value in ((UNSUPPORTED, False), (VALUE, True)):
        for pattern in patterns:
            if match := pattern.search(text):
                return Refusal(_name(match), suggested, about_value)
    if match := ANY_NAME.search(text):
        return Refusal(_name(match).rstrip("."))
    if FORMAT.search(text):
        return Refusal("response_format", about_value=True)
    if match := OTHER_NAME.search(text):
        return Refusal(_name(match), about_value=not match["why"].lower().startswith("extra"))
    return Refusal(SYSTEM) if NO_SYSTEM.search(text) else None


def _name(match: re.Match[str]) -> str:
    name = match["name"].lower()
    return ALIASES.get(name, name)


def _unsupported(name: str, text: str) -> bool:
    """Whether the text says that the parameter itself, whatever its value, is not taken."""
    if any(_name(m) == name for pattern in UNSUPPORTED if (m := pattern.search(text))):
        return True
    word = r"(?:unsupported|unrecognized|unknown) (?:parameter|argument)"
    return re.search(rf"{word}\W+{re.escape(name)}\b", text, re.IGNORECASE) is not None
