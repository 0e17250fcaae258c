"""What one call has learned of a model, the whole fleet knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine
from support.clients import CALL
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.gates import all_at_once, ask, different, fleet, reasoning_model, refusal

from ruie.db import targets
from ruie.errors import CallError, ParameterRefusedError
from ruie.llm import Completion, LLMClient


def test_each_parameter_is_refused_once_in_the_whole_fleet(engine: Engine) -> None:
    with ScriptedEndpoint(reasoning_model) as endpoint:
        answers = fleet(endpoint.url, engine, all_at_once)
        assert [a.text for a in answers if isinstance(a, Completion)] == ["PERSON: Ada"] * 32
        refused = len(endpoint.requests) - 32
        assert refused == 2, "max_tokens and temperature, one call each; then stop is not sent"
        assert endpoint.max_in_flight > 1, "what is proven is not made one by one"
        last = endpoint.requests[-1].body
    assert last["max_completion_tokens"] == CALL.max_tokens + 100, "with room to think"
    with engine.connect() as conn:
        (known,) = targets.list_models(conn)
    assert known.description == "limit as max_completion_tokens, no temperature, reasons"
    assert known.proven_at is not None


def test_a_process_that_starts_later_knows_it_all(engine: Engine) -> None:
    with ScriptedEndpoint(reasoning_model) as endpoint:
        fleet(endpoint.url, engine, all_at_once)
        before = len(endpoint.requests)
        fleet(endpoint.url, engine, all_at_once)
        assert len(endpoint.requests) == before + 32

        async def in_another_shape(clients: list[LLMClient]) -> Completion:
            return await clients[0].complete(replace(different(0), parameters={"seed": 1}))

        fleet(endpoint.url, engine, in_another_shape)
        assert len(endpoint.requests) == before + 33, "what the model takes is known"


def test_what_was_forgotten_is_learned_again(engine: Engine) -> None:
    with ScriptedEndpoint(reasoning_model) as endpoint:
        fleet(endpoint.url, engine, all_at_once)
        with engine.begin() as conn:
            assert targets.forget(conn, endpoint.url, CALL.model) == 1
        before = len(endpoint.requests)
        fleet(endpoint.url, engine, all_at_once)
        assert len(endpoint.requests) == before + 34


def test_a_parameter_that_somebody_set_is_not_left_out(engine: Engine) -> None:
    async def use(clients: list[LLMClient]) -> Completion | CallError:
        return await ask(clients[0], replace(CALL, parameters={"temperature": 0.5}))

    with ScriptedEndpoint(refusal("temperature", "'temperature' is not supported")) as endpoint:
        error = fleet(endpoint.url, engine, use)
        assert len(endpoint.requests) == 1
    assert isinstance(error, ParameterRefusedError)
    assert error.alike == 1


def test_a_model_that_changes_its_mind_is_refused_no_more_than_what_is_in_flight(
    engine: Engine,
) -> None:
    state = {"strict": False}

    def script(body: dict[str, Any], n: int) -> Reply:
        return reasoning_model(body, n) if state["strict"] else answer("PERSON: Ada")

    async def use(clients: list[LLMClient]) -> list[Completion | CallError]:
        await all_at_once(clients)
        state["strict"] = True
        return await all_at_once(clients)

    with ScriptedEndpoint(script) as endpoint:
        answers = fleet(endpoint.url, engine, use)
        refused = len(endpoint.requests) - 64
    assert all(isinstance(a, Completion) for a in answers)
    assert 2 <= refused <= 34


def test_a_format_that_is_refused_is_weakened_by_degrees(engine: Engine) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        kind = body.get("response_format", {}).get("type")
        return (
            refusal("response_format", f"'response_format' {kind} is not supported")
            if kind
            else answer("{}")
        )

    async def use(clients: list[LLMClient]) -> Completion:
        schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
        return await clients[0].complete(replace(CALL, response_format=schema))

    with ScriptedEndpoint(script) as endpoint:
        fleet(endpoint.url, engine, use)
        kinds = [
            request.body.get("response_format", {}).get("type") for request in endpoint.requests
        ]
    assert kinds == ["json_schema", "json_object", None]
