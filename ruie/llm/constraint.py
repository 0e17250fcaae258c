"""What holds an answer to its form: servers that decode under a grammar or a JSON schema.

Some servers answer 200 and ignore what they do not know. So a constraint is used only where it was
proved: under it the model says a word that nobody would say. That is tried once for each endpoint
and model, by one process of the fleet, and remembered as what a model takes is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from ruie.errors import (
    CallError,
    ParameterRefusedError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
    UnreachableError,
)
from ruie.grammar import exactly
from ruie.llm.api import Api
from ruie.llm.call import Call, Completion
from ruie.llm.gate import Gate
from ruie.llm.profile import GRAMMARS, JSON_SCHEMA, NO_CONSTRAINT, RequestProfile

WORD = "quixovarn"
PROVING = "?"
"""The constraint of a call that is to find out which one holds."""
MESSAGES = ({"role": "user", "content": "Say hello. Answer with that one word."},)
AS_JSON = ({"role": "user", "content": 'Answer with this JSON object: {"word": "hello"}'},)
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"word": {"type": "string", "enum": [WORD]}},
            "required": ["word"],
            "additionalProperties": False,
        },
    },
}
MAX_TOKENS, PROMPT_TOKENS = 32, 64


class Sender(Protocol):
    """What is needed of an `LLMClient`."""

    base_url: str
    api: Api
    gate: Gate

    async def send(self, profile: RequestProfile, call: Call) -> Completion: ...


async def proved_constraint(
    sender: Sender, model: str, parameters: Mapping[str, Any], reasoning_tokens: int
) -> str:
    """The best constraint that the endpoint holds answers of this model to: one of `GRAMMARS`,
    `JSON_SCHEMA`, or `NO_CONSTRAINT`. Raises `CallError` where it cannot be found out now."""
    asked = Call(
        model,
        MESSAGES,
        MAX_TOKENS,
        PROMPT_TOKENS,
        reasoning_tokens=reasoning_tokens,
        parameters=parameters,
        constraint=PROVING,
        api=sender.api,
    )
    # no server is known that takes a grammar in the form Messages
    grammars: Sequence[str] = GRAMMARS if sender.api is Api.CHAT else ()
    async with sender.gate.passing(sender.base_url, asked) as passed:
        if not passed.turn:
            return passed.profile.constraint
        profile = passed.profile
        try:
            for name in (*grammars, JSON_SCHEMA):
                profile, held = await _try(sender, profile, asked, name)
                if held:
                    break
            else:
                name = NO_CONSTRAINT
        except CallError as error:
            await sender.gate.failed(passed, asked, error)
            raise
        await sender.gate.settle(passed, replace(profile, constraint=name))
        return name


async def _try(
    sender: Sender, profile: RequestProfile, asked: Call, name: str
) -> tuple[RequestProfile, bool]:
    """Whether the constraint holds, and the profile with what else was learned."""
    as_json = name == JSON_SCHEMA
    if as_json:
        call = replace(asked, messages=AS_JSON, response_format=FORMAT, constraint="")
    else:
        call = replace(asked, grammar=exactly(WORD), constraint=name)
    while True:
        try:
            completion = await sender.send(profile, call)
        except ParameterRefusedError as error:
            adapted = profile.after_refusal(call, error)
            if adapted is None or adapted.refuses(call):
                return profile, False
            profile = adapted
        except RequestRefusedError:
            return profile, False
        except (RateLimitedError, UnreachableError):
            raise
        except TransientCallError:
            # is it the constraint? Then the same without it is answered, or refused with words
            with suppress(ParameterRefusedError, RequestRefusedError):
                await sender.send(profile, replace(asked, constraint=""))
            return profile, False
        else:
            return profile, _says(completion, as_json)


def _says(completion: Completion, as_json: bool) -> bool:
    text = completion.text.strip()
    if not as_json:
        return text == WORD
    try:
        return bool(json.loads(text) == {"word": WORD})
    except ValueError:
        return False
