"""Whom a failed call concerns: the item, the endpoint, or every call of its kind."""

from __future__ import annotations

from sqlalchemy import Engine
from support.clients import CALL
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.gates import all_at_once, ask, different, fleet
from support.replies import JSON

from ruie.db import endpoints, targets
from ruie.errors import (
    AccountError,
    CallError,
    EndpointAwayError,
    RequestRefusedError,
    TransientCallError,
    UnreachableError,
)
from ruie.llm import Completion, LLMClient
from ruie.llm.ledger import Target
from ruie.llm.profile import shape


def test_a_refused_key_costs_one_call_at_a_time_and_is_counted(engine: Engine) -> None:
    reply = Reply(b'{"error": {"message": "Incorrect API key"}}', 401, dict(JSON))

    async def use(clients: list[LLMClient]) -> list[int | None]:
        outcomes = [await ask(client, different(0)) for client in clients * 2]
        assert all(isinstance(error, AccountError) for error in outcomes)
        return [error.alike for error in outcomes if isinstance(error, CallError)]

    with ScriptedEndpoint(reply) as endpoint:
        assert fleet(endpoint.url, engine, use) == [1, 2, 3, 4]
        assert endpoint.max_in_flight == 1


def test_requests_that_are_refused_are_counted_by_item(engine: Engine) -> None:
    reply = Reply(b'{"error": {"message": "Invalid request."}}', 400, dict(JSON))

    async def use(clients: list[LLMClient]) -> list[int | None]:
        numbers = [0, 0, 1, 2, 1]
        outcomes = [await ask(clients[0], different(n)) for n in numbers]
        assert all(isinstance(error, RequestRefusedError) for error in outcomes)
        return [error.alike for error in outcomes if isinstance(error, CallError)]

    with ScriptedEndpoint(reply) as endpoint:
        assert fleet(endpoint.url, engine, use) == [1, 1, 2, 3, 3]


def test_an_answer_begins_the_count_anew(engine: Engine) -> None:
    bad = Reply(b'{"error": {"message": "Invalid request."}}', 400, dict(JSON))

    async def use(clients: list[LLMClient]) -> list[int | None]:
        outcomes = [await ask(clients[0], different(n)) for n in range(4)]
        return [error.alike for error in outcomes if isinstance(error, CallError)]

    with ScriptedEndpoint([bad, bad, answer("None"), bad]) as endpoint:
        assert fleet(endpoint.url, engine, use) == [1, 2, 1]


def test_one_document_that_is_refused_as_a_bad_key_holds_up_no_other(engine: Engine) -> None:
    refused = Reply(b'{"error": {"message": "Blocked by WAF"}}', 403, dict(JSON))

    async def use(clients: list[LLMClient]) -> list[int | None]:
        outcomes = [await ask(clients[0], different(n)) for n in range(4)]
        await all_at_once(clients)
        return [error.alike for error in outcomes if isinstance(error, CallError)]

    replies = [answer("None"), refused, refused, answer("None", delay_s=0.05)]
    with ScriptedEndpoint(replies) as endpoint:
        assert fleet(endpoint.url, engine, use) == [1, 2]
        assert endpoint.max_in_flight > 1, "what is proven stays so"


def test_an_endpoint_that_no_call_reaches_is_away_at_once(engine: Engine) -> None:
    nowhere = "http://127.0.0.1:9/v1"

    async def use(clients: list[LLMClient]) -> list[Completion | CallError]:
        first = await ask(clients[0], different(0))
        return [first, *await all_at_once(clients)]

    first, *others = fleet(nowhere, engine, use)
    assert isinstance(first, UnreachableError)
    assert first.systemic
    assert all(isinstance(error, EndpointAwayError) for error in others)
    with engine.connect() as conn:
        (away,) = endpoints.list_away(conn)
    assert (away.endpoint, away.failures, away.trying) == (nowhere, 1, False)


def test_one_item_that_fails_is_not_the_endpoint_and_five_are(engine: Engine) -> None:
    async def use(clients: list[LLMClient]) -> list[bool]:
        await ask(clients[0], different(0))
        outcomes = [await ask(clients[0], different(n)) for n in (1, 1, 1, 2, 3, 4, 5)]
        assert all(isinstance(error, TransientCallError) for error in outcomes)
        return [error.systemic for error in outcomes if isinstance(error, CallError)]

    with ScriptedEndpoint([answer("None"), Reply(b"", 500)]) as endpoint:
        assert fleet(endpoint.url, engine, use) == [*[False] * 6, True]


def test_an_endpoint_is_tried_one_call_at_a_time_and_answers(engine: Engine) -> None:
    with ScriptedEndpoint([Reply(b"", 500), answer("None", delay_s=0.05)]) as endpoint:
        url = endpoint.url
        target = Target(url, CALL.model, shape(different(0)))

        async def use(clients: list[LLMClient]) -> list[Completion | CallError]:
            await clients[0].gate.unreachable(url, "refused")
            assert isinstance(await ask(clients[1], different(0)), EndpointAwayError)
            with engine.begin() as conn:
                endpoints.probed(conn, url, None)
            failed = await ask(clients[1], different(1))  # a probe succeeds, a call does not
            assert isinstance(failed, TransientCallError)
            assert failed.systemic
            assert isinstance(await ask(clients[0], different(2)), EndpointAwayError)
            with engine.begin() as conn:
                assert endpoints.list_away(conn)[0].failures == 2
                endpoints.probed(conn, url, None)
            return await all_at_once(clients)

        answers = fleet(url, engine, use)
        assert all(isinstance(a, Completion) for a in answers)
        with engine.connect() as conn:
            assert endpoints.list_away(conn) == []
            standing = targets.find(conn, target)
        assert standing is not None
        assert standing.proven


def test_pauses_between_probes_grow(engine: Engine) -> None:
    url = "http://llm/v1"

    async def use(clients: list[LLMClient]) -> None:
        await clients[0].gate.unreachable(url, "refused")

    fleet(url, engine, use)
    pauses = []
    for _ in range(8):
        with engine.begin() as conn:
            (away,) = endpoints.list_away(conn)
            assert away.retry_at is not None
            assert away.retry_in_s is not None
            pauses.append((away.retry_at - away.since).total_seconds())
            assert 0 < away.retry_in_s <= pauses[-1]
            endpoints.probed(conn, url, "refused")
    assert pauses[0] < 2
    assert pauses == sorted(pauses)
    assert 30 <= pauses[-1] < 40
    with engine.connect() as conn:
        assert endpoints.list_away(conn)[0].failures == 9


def test_the_turn_of_a_lost_process_is_another_s_when_it_runs_out(engine: Engine) -> None:
    target = Target("http://llm/v1", "m", "0" * 16)
    with engine.begin() as conn:
        targets.add(conn, target)
        assert targets.claim(conn, target, "a", 0.2)
        assert targets.claim(conn, target, "a", 0.2), "it may be held on to"
        assert not targets.claim(conn, target, "b", 60)
        targets.release(conn, target, "b")
        assert not targets.claim(conn, target, "b", 60), "nobody gives back another's"
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE request_profiles SET turn_until = '2020-01-01 00:00:00'")
        assert targets.claim(conn, target, "b", 60)
