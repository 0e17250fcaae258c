"""The LLM client: one call at a time, over any endpoint for chat completions or Messages.

Nothing is repeated here: whether, when and at whose cost a call is made again is decided where
limits and spend are known, not inside a client. A `CallHook` runs around each call: that is where
they plug in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ruie.errors import CallError, ModelError, TransientCallError, UnavailableError
from ruie.lengths import LONGEST_MODEL_BYTES, is_too_long, size_of
from ruie.llm.call import Call, CallHook, Completion, NotSentError, Unlimited
from ruie.llm.connections import Connections
from ruie.llm.constraint import proved_constraint
from ruie.llm.failures import call_error
from ruie.llm.gate import Gate
from ruie.llm.keys import Key
from ruie.llm.models import check_model, list_models
from ruie.llm.profile import NO_CONSTRAINT, RequestProfile
from ruie.llm.request import request_body
from ruie.llm.response import read_completion, read_document
from ruie.llm.transport import Transport
from ruie.llm.unreachable import unanswered_error
from ruie.usage import Usage

if TYPE_CHECKING:
    import httpx2

REFUSED_KEY = 401


class LLMClient:
    """Calls one endpoint with at most `max_in_flight` requests at a time.

    timeout_s bounds a whole call, connecting included. Every failure is a `CallError` whose class
    says whether another attempt makes sense. A client belongs to the event loop that used it first.
    `base_url` is the endpoint's, without secrets: as it is shown and stored.
    """

    def __init__(
        self,
        endpoint: str | Transport,
        api_key: str = "",
        *,
        timeout_s: float = 120.0,
        max_in_flight: int = 16,
        hook: CallHook | None = None,
        gate: Gate | None = None,
        by_file: bool = False,
    ) -> None:
        """endpoint: its base URL, or how it is reached; then `api_key` has no effect. by_file:
        nothing is called: requests are carried to the model in files."""
        transport = Transport(endpoint, Key(api_key)) if isinstance(endpoint, str) else endpoint
        self._transport = replace(transport, timeout_s=timeout_s, max_connections=max_in_flight + 4)
        self.base_url = transport.shown_url
        self.api = transport.api
        self.hook: CallHook = hook or Unlimited()
        self.gate = gate or Gate()
        self._by_file = by_file
        self._timeout_s = timeout_s
        self.max_in_flight = max_in_flight
        self._slots: asyncio.Semaphore | None = None
        self._connections: Connections | None = None
        self._unbooked: dict[str, Usage] = {}
        """Of each model, what it used to find out to what it holds its answers."""

    def _open(self) -> Connections:
        if self._connections is None:
            self._connections = Connections(self._transport)
        return self._connections

    async def _prepare(self) -> None:
        """Load the library, read the key and open the connections, where that was not done."""
        if self._connections is None:
            # Loading takes seconds on a busy machine. They are not the endpoint's, and the event
            # loop has other things to do meanwhile: a worker renews its leases in it.
            await asyncio.to_thread(self._transport.prepare)
            self._open()

    @property
    def only_batches(self) -> bool:
        """Whether a model that is called in batches may be one that is not called otherwise: Azure
        deploys models for either; and nothing is called where files are carried."""
        return self._by_file or self._transport.is_azure

    def limited(self, call: Call) -> Call:
        """The call with the output limit that is sent: with room for thoughts where the model is
        known to have any."""
        return self.profile(call).limited(call)

    def profile(self, call: Call) -> RequestProfile:
        """How the call would be made, as far as this process knows what the model takes."""
        return self.gate.profile(self.base_url, replace(call, api=self.api))

    async def complete(
        self, call: Call, sending: Callable[[Call], Awaitable[object]] | None = None
    ) -> Completion:
        """The model's answer. Raises `CallError`; the hook's `after` runs in any case.

        `sending` is awaited with the call as it is limited, once the gate and the hook have
        admitted it; it is sent when that returns: until then it can be cancelled at no cost. If
        `sending` raises, the call is not sent. A call whose parameters are refused is repeated
        without them.
        """
        call = replace(call, api=self.api)
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.max_in_flight)
        async with self._slots:
            while True:
                async with self.gate.passing(self.base_url, call) as passed:
                    try:
                        await self._prepare()
                        completion = await self._admitted(passed.profile, call, sending)
                        completion = self._booked(completion, call.model)
                    except CallError as error:
                        if await self.gate.failed(passed, call, error):
                            continue
                        raise
                    await self.gate.answered(passed, completion)
                    return completion

    async def send(self, profile: RequestProfile, call: Call) -> Completion:
        """One request as the profile has it, to find out what the endpoint takes; the hook admits
        it. What it used is added to the next answer of the model. Raises `CallError`."""
        await self._prepare()
        completion = await self._admitted(profile, replace(call, api=self.api), None)
        used = self._unbooked.get(call.model)
        self._unbooked[call.model] = completion.usage + used if used else completion.usage
        return completion

    def _booked(self, completion: Completion, model: str) -> Completion:
        used = self._unbooked.pop(model, None)
        return replace(completion, usage=completion.usage + used) if used else completion

    async def constraint(
        self, model: str, parameters: Mapping[str, Any], reasoning_tokens: int = 0
    ) -> str:
        """To what the endpoint holds answers of this model; see `ruie.llm.constraint`."""
        if self._by_file:
            return NO_CONSTRAINT
        return await proved_constraint(self, model, parameters, reasoning_tokens)

    async def _admitted(
        self,
        profile: RequestProfile,
        call: Call,
        sending: Callable[[Call], Awaitable[object]] | None,
    ) -> Completion:
        """One request, once the hook admits it."""
        limited = profile.limited(call)
        timeout_s = max(self._timeout_s, call.timeout_s or 0.0)
        permit = await self.hook.before(limited)
        outcome: Completion | CallError = NotSentError("The call was not sent.")
        try:
            if sending is not None:
                await sending(limited)
            outcome = TransientCallError("The call was cancelled.", maybe_charged=True)
            async with asyncio.timeout(timeout_s):
                outcome = await self._send(profile, call, timeout_s)
        except CallError as error:
            outcome = error
            raise
        except TimeoutError:
            outcome = TransientCallError(
                f"{self.base_url} did not answer within {timeout_s:g} s.",
                "Raise RUIE_LLM_TIMEOUT_S if the model is slow.",
                maybe_charged=True,
            )
            raise outcome from None
        finally:
            await asyncio.shield(self.hook.after(permit, limited, outcome))
        return outcome

    async def _send(self, profile: RequestProfile, call: Call, timeout_s: float) -> Completion:
        import aiohttp
        from httpx2 import HTTPError, InvalidURL

        body = request_body(profile, call)
        started = time.monotonic()
        try:
            response = await self._post(body, timeout_s)
        except (HTTPError, InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            raise unanswered_error(error, self.base_url, timeout_s) from None
        if not response.is_success:
            raise call_error(response, self.base_url, call.model, self._transport.page)
        answer = read_document(response.content, self.base_url)
        latency_s = time.monotonic() - started
        completion = read_completion(
            answer, response.headers, latency_s, profile.limited(call), self.base_url
        )
        return completion if profile.sends_stop else cut(completion, call.stop)

    async def _post(self, body: dict[str, Any], timeout_s: float) -> httpx2.Response:
        """The response; to a second request where the key was refused and there is a newer one."""
        version = self._transport.key.version
        response = await self._open().post(body, timeout_s)
        if response.status_code == REFUSED_KEY and await self._transport.refresh(version):
            response = await self._open().post(body, timeout_s)
        return response

    async def models(self) -> list[str]:
        """The names of the endpoint's models, possibly none. Raises `UnavailableError`; `CallError`
        if the key is refused, or no request can reach the endpoint."""
        await self._prepare()
        return await list_models(self._open().library, self._transport)

    async def check(self, model: str) -> list[str]:
        """Likewise. Raises besides `ModelError` if there are names and not that of `model`,
        and `UnavailableError` if there are none and no model is named."""
        names = await self.models()
        if model:
            check_model(self.base_url, model, names)
        elif not names:
            raise UnavailableError(
                f"The LLM at {self.base_url} lists no model.", "Set RUIE_LLM_MODEL."
            )
        return names

    async def resolve_model(self, model: str = "") -> str:
        """`model` if the endpoint has it; the first that the endpoint lists if it is empty. Raises
        as `check` does."""
        models = await self.check(model)
        first = model or models[0]
        if is_too_long(first, LONGEST_MODEL_BYTES):
            raise ModelError(
                f"The endpoint's first model has a name of {size_of(first):,} bytes,"
                f" more than {LONGEST_MODEL_BYTES}.",
                "Set RUIE_LLM_MODEL to another model.",
            )
        return first

    async def close(self) -> None:
        """Close the connections. The client may be used again, also in another event loop."""
        if self._connections is not None:
            await self._connections.close()
            self._connections = None
        self._slots = None  # it belongs to the event loop that ends now
        self.gate.close()


def cut(completion: Completion, stop: Sequence[str]) -> Completion:
    """The answer up to the first stop sequence, where the model was not told to end there. The end
    of a line is no such end: what was written after it may be items too."""
    text = completion.text.lstrip()
    ends = [at for each in stop if each.strip() and (at := text.find(each)) >= 0]
    if not ends:
        return completion
    return replace(completion, text=text[: min(ends)], finish_reason="stop")
