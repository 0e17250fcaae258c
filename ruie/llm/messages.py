"""Anthropic's Messages: the body of a request, and an answer as the choice of a chat completion.

Both are pure: a body is what is posted, and what stands under `params` in a batch; an answer is
read alike wherever it comes from. platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ruie.llm.call import Call
from ruie.llm.profile import RESPONSE_FORMATS, RequestProfile
from ruie.prompts import Message

SYSTEM_ROLES = ("system", "developer")


def message_body(profile: RequestProfile, call: Call) -> dict[str, Any]:
    """The JSON document of a request. Names in the profile are those of chat completions."""
    system, turns = _turns(call.messages)
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": profile.limited(call).max_tokens,
        "messages": turns,
    }
    if system:
        body["system"] = system
    if "temperature" not in profile.omitted:
        body["temperature"] = 0
    # one of white space alone is refused, and nothing is cut there: see `LLMClient`
    stop = [sequence for sequence in call.stop if sequence.strip()]
    if stop and profile.sends_stop:
        body["stop_sequences"] = stop
    strict = profile.response_format == RESPONSE_FORMATS[0]
    if call.response_format is not None and strict:
        schema = call.response_format["json_schema"]["schema"]
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return _with(body, call.parameters)


def as_choice(answer: Any) -> Mapping[str, Any] | None:
    """An answer as the choice of a chat completion, or None if it is no message."""
    if not isinstance(answer, dict) or not isinstance(answer.get("content"), list | str):
        return None
    message = {"content": answer["content"]}
    reason = answer.get("stop_reason")
    if reason == "refusal":
        details = answer.get("stop_details")
        details = details if isinstance(details, dict) else {}
        message["refusal"] = details.get("explanation") or details.get("category") or reason
    return {"message": message, "finish_reason": reason}


def _turns(messages: Sequence[Message]) -> tuple[str, list[dict[str, str]]]:
    """What the system says, and the turns, in which user and assistant alternate."""
    system: list[str] = []
    turns: list[dict[str, str]] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role in SYSTEM_ROLES:
            system.append(content)
        elif turns and turns[-1]["role"] == role:
            turns[-1]["content"] += f"\n\n{content}"
        else:
            turns.append({"role": role, "content": content})
    return "\n\n".join(system), turns


def _with(body: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the parameters, which take precedence. `output_config` holds the form of the
    answer and, apart from it, how much the model thinks (`effort`): both stay."""
    own, given = body.get("output_config"), parameters.get("output_config")
    body.update(parameters)
    if isinstance(own, dict) and isinstance(given, dict):
        body["output_config"] = {**own, **given}
    return body
