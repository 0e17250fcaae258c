"""What a model takes of Anthropic's Messages is learned from its refusals and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.clients import CALL
from support.endpoint import Reply, ScriptedEndpoint
from support.replies import message, refused
from support.speaking import asked, speaking, using

from ruie.errors import ParameterRefusedError
from ruie.llm import Completion, LLMClient

SAID = message("PERSON: Ada")
BAD = "invalid_request_error"
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
AS_JSON = replace(
    CALL,
    response_format={
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    },
)


def choosy(body: dict[str, Any], _: int) -> Reply:
    """A model that takes neither a temperature nor a schema, and thinks."""
    if "temperature" in body:
        return refused(400, BAD, "`temperature` is deprecated for this model.")
    if "output_config" in body:
        return refused(400, BAD, "output_config.format: Extra inputs are not permitted")
    thought = {"type": "thinking", "thinking": "", "signature": "x"}
    if body["max_tokens"] < 1000:
        return message([thought], stop_reason="max_tokens", usage=(11, body["max_tokens"]))
    return message([thought, {"type": "text", "text": '{"items": []}'}], usage=(11, 40))


def test_what_a_model_does_not_take_is_learned() -> None:
    call = replace(AS_JSON, reasoning_tokens=1000, stop=("END",))
    with ScriptedEndpoint(choosy) as endpoint:

        async def use(client: LLMClient) -> list[Completion]:
            first = await client.complete(call)
            assert client.profile(call).describe() == (
                "no temperature, response format none, reasons"
            )
            assert client.limited(call).max_tokens == 1009
            return [first, await client.complete(call)]

        first, second = using(speaking(endpoint, timeout_s=5), use)
        bodies = [request.body for request in endpoint.requests]
    assert (first.text, first.finish_reason) == ("", "length")
    assert second.text == '{"items": []}'
    assert len(bodies) == 4, "two refusals, and two answers"
    assert bodies[0]["stop_sequences"] == ["END"]
    assert set(bodies[-1]) == {"model", "max_tokens", "messages"}


def test_an_answer_is_cut_where_a_stop_sequence_was_not_sent() -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        if "stop_sequences" in body:
            return refused(400, BAD, "stop_sequences: Extra inputs are not permitted")
        return message("PERSON: Ada END PERSON: Joan")

    with ScriptedEndpoint(script) as endpoint:
        got = asked(endpoint, replace(CALL, stop=("\n\n", "END")))
    assert (got.text, got.finish_reason) == ("PERSON: Ada ", "stop")


def test_a_parameter_that_somebody_set_is_not_left_out() -> None:
    reply = refused(400, BAD, "`temperature` is deprecated for this model.")
    with ScriptedEndpoint(reply) as endpoint, pytest.raises(ParameterRefusedError) as caught:
        asked(endpoint, replace(CALL, parameters={"temperature": 0.5}))
    assert "RUIE_LLM_PARAMETERS" in caught.value.hint


def budgeted(body: dict[str, Any], _: int) -> Reply:
    """A model whose thoughts a parameter turned on."""
    if body["max_tokens"] <= body["thinking"]["budget_tokens"]:
        return refused(400, BAD, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature", 1) != 1:
        return refused(400, BAD, "`temperature` may only be set to 1 when thinking is enabled.")
    return SAID


def test_thoughts_that_are_asked_for_have_room_from_the_first_answer() -> None:
    call = replace(
        CALL,
        reasoning_tokens=2048,
        parameters={"thinking": {"type": "enabled", "budget_tokens": 1024}},
    )
    with ScriptedEndpoint(budgeted) as endpoint:
        assert asked(endpoint, call).text == "PERSON: Ada"
        assert [request.body["max_tokens"] for request in endpoint.requests] == [9, 2057, 2057]


def structured(body: dict[str, Any], _: int) -> Reply:
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    if schema is None:
        return message("hello")
    (word,) = schema["properties"]["word"]["enum"]
    return message(json.dumps({"word": word}))


@pytest.mark.parametrize(
    ("script", "constraint"), [(structured, "json_schema"), (message("hello"), "")]
)
def test_to_what_answers_are_held(script: Any, constraint: str) -> None:
    with ScriptedEndpoint(script) as endpoint:
        held = using(speaking(endpoint, timeout_s=5), lambda c: c.constraint("m", {}, 0))
        assert held == constraint
        assert len(endpoint.requests) == 1, "no grammar is tried"
