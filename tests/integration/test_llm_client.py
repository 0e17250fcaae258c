"""The LLM client: what it sends, what it reads, how many calls it makes and whom it tells."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from support.clients import CALL, Recorder, failing, with_client
from support.endpoint import HANG, Reply, ScriptedEndpoint, answer
from support.waiting import wait_until_async

from ruie.errors import (
    ContentFilteredError,
    RateLimitedError,
    TransientCallError,
    UnavailableError,
)
from ruie.llm import Call, Completion, LLMClient


def test_an_answer() -> None:
    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> None:
        got = await client.complete(CALL)
        assert (got.text, got.finish_reason) == ("PER: Ada", "stop")
        assert (got.prompt_tokens, got.completion_tokens) == (11, 7)
        assert 0 < got.latency_s < 5
        assert got.headers["content-type"].startswith("application/json")
        (request,) = endpoint.requests
        assert request.body == {
            "model": "scripted",
            "messages": [{"role": "user", "content": "Ada?"}],
            "temperature": 0,
            "max_tokens": 9,
        }
        assert request.headers["Authorization"] == "Bearer sk-1"

    with_client(answer("PER: Ada"), use, api_key="sk-1")


def test_stop_and_response_format_are_sent_where_they_are_given() -> None:
    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> None:
        json_form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
        call = Call("m", CALL.messages, 9, 3, response_format=json_form, stop=("\n", "##"))
        await client.complete(call)
        assert endpoint.requests[0].body["response_format"] == json_form
        assert endpoint.requests[0].body["stop"] == ["\n", "##"]

    with_client(answer("x"), use)


def test_no_content_is_an_empty_answer() -> None:
    async def use(client: LLMClient, _: ScriptedEndpoint) -> Completion:
        return await client.complete(CALL)

    assert with_client(answer(None), use).text == ""


def test_the_output_limit_is_left_to_the_reader() -> None:
    async def use(client: LLMClient, _: ScriptedEndpoint) -> Completion:
        return await client.complete(CALL)

    assert with_client(answer("PER: A", finish_reason="length"), use).finish_reason == "length"


def test_a_filtered_answer() -> None:
    error = failing(answer("PER", finish_reason="content_filter"))
    assert type(error) is ContentFilteredError
    assert error.raw_output == "PER"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ((20, 5), (20, 5)),
        (None, (3, 2)),
        ({}, (3, 2)),
        ({"prompt_tokens": 20}, (20, 2)),
        ({"prompt_tokens": "many", "completion_tokens": [1]}, (3, 2)),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, (3, 2)),
        ({"prompt_tokens": -1, "completion_tokens": None}, (3, 2)),
        ("none", (3, 2)),
    ],
)
def test_usage_that_is_not_told_is_estimated(usage: object, expected: tuple[int, int]) -> None:
    async def use(client: LLMClient, _: ScriptedEndpoint) -> Completion:
        return await client.complete(CALL)

    got = with_client(answer("PER: Ada", usage=usage), use)
    assert (got.prompt_tokens, got.completion_tokens) == expected


@pytest.mark.parametrize("reply", [HANG, answer("x", delay_s=30)], ids=["hang", "slow"])
def test_a_call_ends_at_its_time_limit(reply: Reply) -> None:
    error = failing(reply, timeout_s=0.3)
    assert type(error) is TransientCallError
    assert "within 0.3 s" in error.message


def test_a_call_may_take_longer_than_others() -> None:
    async def use(client: LLMClient, _: ScriptedEndpoint) -> Completion:
        return await client.complete(replace(CALL, timeout_s=20.0))

    assert with_client(answer("PER: A", delay_s=0.6), use, timeout_s=0.2).text == "PER: A"


def test_a_cancelled_call_reaches_the_hook() -> None:
    hook = Recorder()

    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> None:
        task = asyncio.create_task(client.complete(CALL))
        await wait_until_async(lambda: endpoint.in_flight)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    with_client(HANG, use, hook=hook)
    ((permit, outcome),) = hook.outcomes
    assert (permit, type(outcome)) == (1, TransientCallError)


def test_a_hook_that_refuses_is_not_called_again() -> None:
    class Refusing(Recorder):
        async def before(self, call: Call) -> int:
            raise RateLimitedError("The budget is spent.")

    hook = Refusing()

    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> None:
        for _ in range(3):  # more often than there are slots: none is lost
            with pytest.raises(RateLimitedError, match="budget"):
                await client.complete(CALL)
        assert endpoint.requests == []

    with_client(answer("x"), use, hook=hook, max_in_flight=2)
    assert hook.outcomes == []


@pytest.mark.parametrize("reply", [answer("x", delay_s=0.05), Reply(b"", 500, delay_s=0.05)])
def test_no_more_calls_are_in_flight_than_allowed(reply: Reply) -> None:
    hook = Recorder()

    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> None:
        await client.complete(CALL)  # the first goes alone
        await asyncio.gather(*(client.complete(CALL) for _ in range(20)), return_exceptions=True)
        assert len(endpoint.requests) == 21
        assert endpoint.max_in_flight == 4

    replies = [answer("x"), reply]
    with_client(replies, use, hook=hook, max_in_flight=4)
    assert sorted(permit for permit, _ in hook.outcomes) == list(range(1, 22))


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"

    async def run() -> None:
        client = LLMClient(url, timeout_s=5)
        with pytest.raises(TransientCallError, match="cannot be reached") as caught:
            await client.complete(CALL)
        assert "RUIE_LLM_BASE_URL" in caught.value.hint
        with pytest.raises(UnavailableError, match="nothing listens at"):
            await client.check("")
        await client.close()

    asyncio.run(run())


def test_a_client_can_be_used_in_one_loop_after_another() -> None:
    with ScriptedEndpoint(answer("x", delay_s=0.02)) as endpoint:
        client = LLMClient(endpoint.url, max_in_flight=1)

        async def run() -> None:
            await asyncio.gather(*(client.complete(CALL) for _ in range(3)))
            await client.close()

        asyncio.run(run())
        asyncio.run(run())
        assert len(endpoint.requests) == 6


def test_the_library_is_loaded_while_the_event_loop_goes_on() -> None:
    """A worker renews its leases in it; on a busy machine loading takes longer than a lease."""
    code = (
        "import asyncio, sys, threading\n"
        "from ruie.llm import Call, LLMClient\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'openai':\n"
        "            print(threading.current_thread() is threading.main_thread())\n"
        "sys.meta_path.insert(0, Finder())\n"
        "call = Call('m', ({'role': 'user', 'content': 'Ada?'},), 9, 3)\n"
        "try:\n"
        "    asyncio.run(LLMClient('http://127.0.0.1:9/v1', timeout_s=30).complete(call))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "UnreachableError"]
