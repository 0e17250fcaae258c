"""Parameters that a user adds to each request: which may be added, and which shape an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ONE_ANSWER = "ruie asks for one answer, as a whole"
_NO_TOOLS = "ruie reads the text of an answer, no calls of tools"

REFUSED = {
    "model": "set RUIE_LLM_MODEL, or --model of the job",
    "messages": "ruie writes the prompt",
    "system": "ruie writes the prompt",
    "n": _ONE_ANSWER,
    "stream": _ONE_ANSWER,
    "stream_options": _ONE_ANSWER,
    "tools": _NO_TOOLS,
    "tool_choice": _NO_TOOLS,
    "parallel_tool_calls": _NO_TOOLS,
    "functions": _NO_TOOLS,
    "function_call": _NO_TOOLS,
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"),
        "set RUIE_LLM_MAX_TOKENS, which is reserved from limits and caps",
    ),
    "extra_body": "write what is in it directly",
    "extra_query": "write it in RUIE_LLM_BASE_URL, after a ?",
    "extra_headers": "set RUIE_LLM_HEADERS",
    "timeout": "set RUIE_LLM_TIMEOUT_S",
}
"""Parameters that cannot be added, and what to do instead."""

WITHOUT_EFFECT = frozenset(
    {
        "cache_control",
        "cache_salt",
        "inference_geo",
        "keep_alive",
        "metadata",
        "priority",
        "prompt_cache_key",
        "prompt_cache_retention",
        "provider",
        "request_id",
        "route",
        "safety_identifier",
        "service_tier",
        "session_id",
        "store",
        "usage",
        "user",
    }
)
"""Parameters that say where, when and at what price a request is processed, or what is kept of it.
Those that are not listed may shape the answer."""


def refusal(parameters: Mapping[str, Any]) -> str:
    """Why these parameters cannot be added to a request, or ""."""
    for name in parameters:
        if name in REFUSED:
            return f"'{name}' cannot be given here: {REFUSED[name]}"
        if not name.strip():
            return "a parameter has no name"
    try:
        json.dumps(parameters, allow_nan=False)
    except ValueError:
        return "a number is not finite, and so cannot be written as JSON"
    except TypeError as error:
        return f"a value cannot be written as JSON ({error})"
    return ""


def shaping(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that may shape an answer, with the names sorted at every depth: the same parameters are
    always written in the same way."""
    shaped = {name: value for name, value in parameters.items() if name not in WITHOUT_EFFECT}
    return ordered(shaped)


def ordered(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the names sorted at every depth."""
    again: dict[str, Any] = json.loads(json.dumps(parameters, sort_keys=True))
    return again
