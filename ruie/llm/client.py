"""The LLM client: one chat completion at a time, over any OpenAI-compatible endpoint.

The `openai` library sends the requests, with its own retries off: whether, when and at whose cost a
call is repeated is decided where limits and spend are known, not inside a client. A `CallHook` runs
around each call: that is where they plug in.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ruie.errors import CallError, TransientCallError
from ruie.llm.call import Call, CallHook, Completion, Unlimited
from ruie.llm.failures import call_error
from ruie.llm.models import list_models
from ruie.llm.response import read_completion
from ruie.llm.transport import Transport

if TYPE_CHECKING:
    import openai


class LLMClient:
    """Calls one endpoint with at most `max_in_flight` requests at a time.

    timeout_s bounds a whole call, connecting included. Every failure is a `CallError` whose class
    says whether another attempt makes sense. A client belongs to the event loop that used it first.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        *,
        timeout_s: float = 120.0,
        max_in_flight: int = 16,
        hook: CallHook | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.hook: CallHook = hook or Unlimited()
        self._timeout_s = timeout_s
        self.max_in_flight = max_in_flight
        self._transport = Transport(self.base_url, api_key, timeout_s, max_in_flight + 4)
        self._slots: asyncio.Semaphore | None = None
        self._client: openai.AsyncOpenAI | None = None

    def _open(self) -> openai.AsyncOpenAI:
        if self._client is None:
            self._client = self._transport.open()
        return self._client

    async def complete(
        self, call: Call, sending: Callable[[], Awaitable[object]] | None = None
    ) -> Completion:
        """The model's answer. Raises `CallError`; the hook's `after` runs in any case.

        `sending` is awaited once the hook has admitted the call, which is sent when it returns:
        until then it can be cancelled at no cost. If `sending` raises, the call is not sent.
        """
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.max_in_flight)
        if self._client is None:
            # Loading the library takes seconds on a busy machine. They are not the endpoint's, and
            # the event loop has other things to do meanwhile: a worker renews its leases in it.
            await asyncio.to_thread(importlib.import_module, "openai")
            self._open()
        async with self._slots:
            permit = await self.hook.before(call)
            outcome: Completion | CallError = TransientCallError("The call was not sent.")
            try:
                if sending is not None:
                    await sending()
                outcome = TransientCallError("The call was cancelled.", maybe_charged=True)
                async with asyncio.timeout(self._timeout_s):
                    outcome = await self._send(call)
            except CallError as error:
                outcome = error
                raise
            except TimeoutError:
                outcome = TransientCallError(
                    f"{self.base_url} did not answer within {self._timeout_s:g} s.",
                    "Raise RUIE_LLM_TIMEOUT_S if the model is slow.",
                    maybe_charged=True,
                )
                raise outcome from None
            finally:
                await asyncio.shield(self.hook.after(permit, call, outcome))
        return outcome

    async def _send(self, call: Call) -> Completion:
        import openai
        from httpx2 import ConnectError, ConnectTimeout, Response

        body: dict[str, Any] = {
            "model": call.model,
            "messages": call.messages,
            "temperature": 0,
            "max_tokens": call.max_tokens,
        }
        if call.response_format is not None:
            body["response_format"] = call.response_format
        if call.stop:
            body["stop"] = call.stop
        started = time.monotonic()
        try:
            # The library's method for requests whose types it need not check: `create` validates
            # every message against every type it may have and builds models of the answer, which
            # is half of the CPU time that a call takes here.
            response = await self._open().post("/chat/completions", cast_to=Response, body=body)
            answer = json.loads(response.content)
        except openai.APIStatusError as error:
            raise call_error(error, self.base_url, call.model) from None
        except openai.APIConnectionError as error:
            # the aiohttp transport calls a refused connection a time-out too
            timed_out = isinstance(error, openai.APITimeoutError)
            if timed_out and not isinstance(error.__cause__, ConnectTimeout):
                raise TransientCallError(
                    f"{self.base_url} did not answer within {self._timeout_s:g} s.",
                    maybe_charged=True,
                ) from None
            raise TransientCallError(
                f"{self.base_url} cannot be reached: {error.__cause__ or error}.",
                "Check RUIE_LLM_BASE_URL and that the server runs.",
                maybe_charged=not isinstance(error.__cause__, ConnectError | ConnectTimeout),
            ) from None
        except (openai.OpenAIError, ValueError, RecursionError) as error:
            # an empty body, half a JSON document, the wrong type: an overloaded or broken server
            raise TransientCallError(
                f"{self.base_url} sent a response that cannot be read: {error}.", maybe_charged=True
            ) from None
        return read_completion(answer, response.headers, time.monotonic() - started, call)

    async def check(self, model: str) -> list[str]:
        """The names of the endpoint's models, possibly none. Raises `UnavailableError`;
        `FatalCallError` if the key is refused, or if there are names and not that of `model`."""
        return await list_models(self._open(), self._transport, model)

    async def resolve_model(self, model: str = "") -> str:
        """`model` if the endpoint has it; the first that the endpoint lists if it is empty. Raises
        as `check` does."""
        models = await self.check(model)
        return model or models[0]

    async def close(self) -> None:
        """Close the connections. The client may be used again, also in another event loop."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        self._slots = None  # it belongs to the event loop that ends now
